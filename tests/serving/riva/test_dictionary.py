"""The custom dictionary, as Riva's clients write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo_serving.errors import RequestError
from dlpo_serving.riva.messages import read_dictionary


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", {}),
        ("fish  fɪʃ", {"fish": "F IH1 SH"}),
        (
            "tomato  təˈmeɪˌtoʊ,sunny  ˈsʌni",
            {"tomato": "T AH0 M EY1 T OW2", "sunny": "S AH1 N IY0"},
        ),
        (" fish  fɪʃ , ,", {"fish": "F IH1 SH"}),
        ("NVIDIA  ɛn.vɪ.diː.ʌ", {"NVIDIA": "EH1 N V IH0 D IY0 AH0"}),
    ],
)
def test_entries_are_a_word_two_blanks_and_ipa(text: str, entries: dict[str, str]) -> None:
    assert read_dictionary(text) == entries


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fish fɪʃ", "two blanks"),
        ("fish", "two blanks"),
        ("fish  ", "two blanks"),
        ("fish  ʘʘ", "'fish'.*'ʘ'"),
        ("fish  今", "no English sound"),
        ("fish  " + "fɪʃ" * 1000, "phonemes"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(text: str, what: str) -> None:
    with pytest.raises(RequestError, match=what) as caught:
        read_dictionary(text)

    assert caught.value.violations[0].field == "custom_dictionary"


@given(st.text(alphabet="fɪʃ ,\t\n今-", max_size=40))
def test_any_text_is_a_dictionary_or_a_request_error(text: str) -> None:
    try:
        entries = read_dictionary(text)
    except RequestError:
        return
    assert all(word and phonemes for word, phonemes in entries.items())
