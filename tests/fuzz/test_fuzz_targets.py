"""Mutations of a corpus, into everything that takes input: seconds here, longer if asked.

`make test-all` runs the mark `full`: DLPO_FUZZ_EXAMPLES for each target, by default as many as
take about an hour. An input that fails goes into tests/fuzz/corpus/TARGET, and stays.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, run

CORPUS = Path(__file__).with_name("corpus")
ENTRIES = {name: sorted((CORPUS / name).iterdir()) for name in TARGETS}
TOKENS = (
    b"",
    b"\0", b"\xff", b"\xed\xa0\x80", b"<", b">", b"&", b'"', b"{", b"[", b"]", b"}", b",", b":",
    b"null", b"-1", b"1e309", b"9" * 5000, b"NaN", b"true", b"\n", b" ", b"\r", b"*", b"+",
    b"\\ud800", "\u0301\u0323".encode() * 50, "₹".encode(), "\u202e".encode(),
    b"<speak>", b"a" * 300,
)  # fmt: skip
LONG = int(os.environ.get("DLPO_FUZZ_EXAMPLES", "50000"))
quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@st.composite
def mutations(draw: st.DrawFn, target: str) -> bytes:
    """An entry of the corpus with parts cut, repeated, replaced or taken from another one."""
    entries = [entry.read_bytes() for entry in ENTRIES[target]]
    content = draw(st.sampled_from(entries))
    for _ in range(draw(st.integers(0, 4))):
        size = len(content)
        first, last = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
        part = content[first:last]
        other = draw(st.sampled_from(entries))
        there = draw(st.integers(0, len(other)))
        put = draw(
            st.sampled_from([*TOKENS, part * 2, part * 20, part[::-1], other[there : there + 40]])
            | st.binary(max_size=4)
        )
        content = (content[:first] + put + content[last:])[:20_000]
    return content


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_ends_well(target: str) -> None:
    assert ENTRIES[target]
    for entry in ENTRIES[target]:
        run(target, entry.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=quiet)
@given(data=st.data())
def test_mutations_end_well(target: str, data: st.DataObject) -> None:
    run(target, data.draw(mutations(target)))


@pytest.mark.full
@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=LONG, deadline=None, suppress_health_check=quiet)
@given(data=st.data())
def test_many_mutations_end_well(target: str, data: st.DataObject) -> None:
    run(target, data.draw(mutations(target)))
