"""Whatever is in a bundle, it is read or refused in our words."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.bundle import DEFAULT_VOICE, MANIFEST, Bundle, Manifest
from dlpo.bundle.voice_json import SEAL, seal
from dlpo.errors import BundleError
from dlpo_serving.voices import find_voice

VOICE_JSON = find_voice(DEFAULT_VOICE) / MANIFEST
EMBEDDED = {k: v for k, v in json.loads(VOICE_JSON.read_bytes()).items() if k != SEAL}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def places(values: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in JSON values."""
    if isinstance(values, dict):
        inner = list(values.items())
    else:
        inner = list(enumerate(values)) if isinstance(values, list) else []
    return [path] * bool(path) + [
        place for key, value in inner for place in places(value, (*path, key))
    ]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(place=st.sampled_from(places(EMBEDDED)), value=JSON)
def test_any_changed_value_is_read_or_refused_clearly(
    place: tuple[str | int, ...], value: object
) -> None:
    values = copy.deepcopy(EMBEDDED)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with contextlib.suppress(BundleError):
        manifest, _ = Manifest.from_json(seal(values))
        assert manifest.steps in manifest.available_steps


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_any_flipped_bit_of_a_zip_is_harmless_or_refused(
    zipped: Path, files: dict[str, bytes], mask: int
) -> None:
    sound = zipped.read_bytes()
    refused = 0
    for place in range(0, len(sound), 31):
        data = bytearray(sound)
        data[place] ^= mask
        zipped.write_bytes(data)
        try:
            bundle = Bundle.load(zipped)
        except BundleError:
            refused += 1
        else:  # a date, say
            for name, content in files.items():
                assert (bundle.directory / name).read_bytes() == content
    assert refused > 0.8 * len(sound) / 31
