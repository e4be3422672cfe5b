"""The custom dictionary and the voices, as Riva's clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpo_serving.errors import RequestError
from dlpo_serving.protocols.riva.requests import read_dictionary, requested_voice
from dlpo_serving.request import SpeechRequest
from tests.callers import fake_voice

KNOWN = ("lj", "amy")


def phonemes_of(text: str) -> dict[str, str]:
    """The dictionary as a call uses it, its phonemes joined."""
    request = fake_voice().text_reader.parsed(
        SpeechRequest("x", dictionary=read_dictionary(text), alphabet="ipa")
    )
    return {word: " ".join(phonemes) for word, phonemes in request.dictionary.items()}


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
        ("NVIDIA  ɛn.vɪ.diː.ʌ", {"nvidia": "EH1 N V IH0 D IY0 AH0"}),
    ],
)
def test_entries_are_a_word_two_blanks_and_ipa(text: str, entries: dict[str, str]) -> None:
    assert phonemes_of(text) == entries


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fish fɪʃ", "two spaces"),
        ("fish", "two spaces"),
        ("fish  ʘʘ", "'fish'.*'ʘ'"),
        ("fish  " + "fɪʃ" * 100, "phonemes"),
        ("fish  " + "fɪʃ" * 1000, "3000 characters; expected 500 at most"),
        ("f" * 101 + "  fɪʃ", "101 characters; expected 100 at most"),
        (",".join(f"fish{n}  fɪʃ" for n in range(1001)), "1001 words; expected 1000 at most"),
        ("a" * 200_001, "200001 characters"),
    ],
)
def test_what_is_wrong_with_an_entry_is_said(text: str, what: str) -> None:
    with pytest.raises(RequestError, match=what) as caught:
        phonemes_of(text)

    assert caught.value.violations[0].field == "dictionary"


@given(st.text(alphabet="fɪʃ ,\t\n今-", max_size=40))
def test_any_text_is_a_dictionary_or_a_request_error(text: str) -> None:
    try:
        entries = phonemes_of(text)
    except RequestError:
        return
    assert all(word and phonemes for word, phonemes in entries.items())


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        ("", ""),
        ("lj", "lj"),
        ("dlpo.amy", "amy"),
        ("English-US.Female-1", ""),
        ("Magpie-Multilingual.EN-US.Aria", ""),
        ("Chatterbox-Multilingual.en-US.Male", ""),
        # others stay what they are, for the refusal to quote
        *((name, name) for name in ("ljx", "dlpo.nobody", "German-DE.Male-1", "EN-US")),
        ("Magpie-Multilingual.FR-FR.Louise", "Magpie-Multilingual.FR-FR.Louise"),
    ],
)
def test_own_names_and_the_stock_voices_of_clients_are_known(name: str, voice: str) -> None:
    assert requested_voice(name, KNOWN) == voice
