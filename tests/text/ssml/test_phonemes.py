"""IPA and ARPAbet as writers spell them."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpo.text.common.phonemes import MAX_PHONEMES, parse_arpabet
from dlpo.text.en_us.ipa import ARPABET, parse_ipa
from dlpo.text.symbols import PHONEMES


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("təˈmeɪtoʊ", "T AH0 M EY1 T OW0"),
        ("ʧˈiːz", "CH IY1 Z"),
        ("hˈɜːt", "HH ER1 T"),
        ("ˈəʊt", "OW1 T"),
        ("ˌɛdʒʊˈkeɪʃən", "EH2 JH UH0 K EY1 SH AH0 N"),
        ("ˌɪn.təˈnæʃ.nəl", "IH2 N T AH0 N AE1 SH N AH0 L"),
        ("ˈbʌtər", "B AH1 T ER0"),
        ("ˈbʌɾɚ", "B AH1 D ER0"),
        ("əˈɹaʊnd", "AH0 R AW1 N D"),
        ("əɹˈaʊnd", "AH0 R AW1 N D"),
        ("təɹɪfɪk", "T AH0 R IH1 F IH0 K"),  # the R begins a syllable; no stress is written
        ("ˈbɒtl̩", "B AA1 T AH0 L"),
        ("ˈpʰɪˀ", "P IH1"),
        ("ˈnaɪ̯t", "N AY1 T"),
        ("lɒx", "L AA1 K"),
        ("ə", "AH0"),
    ],
)
def test_stress_syllables_and_diacritics(written: str, expected: str) -> None:
    assert " ".join(parse_ipa(written)) == expected


def test_ipa_of_the_lexicon_is_read_as_the_lexicon_reads_it() -> None:
    rows = sqlite3.connect(str(files("gruut_lang_en") / "lexicon.db"))
    query = "SELECT phonemes FROM word_phonemes WHERE id % 97 = 0 AND phonemes LIKE '%ˈ%'"
    listed = [ipa for (ipa,) in rows.execute(query)]
    rows.close()
    assert len(listed) > 1000
    for ipa in listed:
        # Its own table, sound by sound, before the corrections that are for voices.
        expected = [ARPABET[sound.lstrip("ˈˌ")] + _stress_of(sound) for sound in ipa.split()]
        assert list(parse_ipa(ipa)) == expected, ipa


def _stress_of(sound: str) -> str:
    if sound.lstrip("ˈˌ")[0] not in "əɪɚiɛɑæoeɔʌauʊ":
        return ""
    return {"ˈ": "1", "ˌ": "2"}.get(sound[0], "0")


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("ʘa", "'ʘ'"),
        ("hɛ8", "'8'"),
        ("t͡s!", "'!'"),
        ("yː", "'y'"),
        ("", "no phonemes"),
        ("ˈ.", "no"),
        ("a" * (MAX_PHONEMES + 1), "expected at most"),
        ("\u0301\u0323" * 251, "502 characters"),  # whose sorting takes quadratic time
    ],
)
def test_foreign_sound_is_refused_by_name(written: str, named: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_ipa(written)
    assert named in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=20) | st.text("ˈˌəɹtʃdʒaɪʊoːɜ.̩͡ n", max_size=12))
def test_any_text_is_phonemes_or_refused(written: str) -> None:
    try:
        phonemes = parse_ipa(written)
    except ValueError:
        return
    assert phonemes
    assert set(phonemes) <= set(PHONEMES)


@pytest.mark.parametrize("written", ["HH AH L OW1", "XX", "", "həˈloʊ", "T " * (MAX_PHONEMES + 1)])
def test_malformed_arpabet_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_arpabet(written)
    assert parse_arpabet(" hh ah0  L ow1 ") == ("HH", "AH0", "L", "OW1")
