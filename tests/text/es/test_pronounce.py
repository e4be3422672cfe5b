"""Spanish spelling -> syllables, and symbols in a sentence."""

from __future__ import annotations

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.syllables import written
from dlpo.text.es.ipa import parse_ipa
from dlpo.text.es.pronounce import SpanishPronouncer
from dlpo.text.es.spelling import syllables
from dlpo.text.es.tables import EXCEPTIONS


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("estudiáis", "es.tu.ˈdjajs"),
        ("paranoia", "pa.ɾa.ˈno.ja"),
        ("averigüéis", "a.be.ɾi.ˈɡwejs"),
        ("leíais", "le.ˈi.ajs"),
        ("cacahuete", "ka.ka.ˈwe.te"),
        ("deshielo", "des.ˈʝe.lo"),
        ("deshacer", "de.sa.ˈθeɾ"),
        ("instrucción", "ins.tɾuk.ˈθjon"),
        ("alrededor", "al.re.de.ˈdoɾ"),
        ("rápidamente", "ˌra.pi.da.ˈmen.te"),
        ("stop", "es.ˈtop"),
        ("robots", "ro.ˈbots"),
        ("actúa", "ak.ˈtu.a"),
        ("prohibir", "pɾoj.ˈbiɾ"),
    ],
)
def test_spelling_gives_syllables_and_stress(word: str, expected: str) -> None:
    assert written(syllables(word)) == expected


def test_distincion_is_an_option() -> None:
    assert SpanishPronouncer().ipa("excelente") == "ek.se.ˈlen.te"
    assert SpanishPronouncer(distincion=True).ipa("excelente") == "eks.θe.ˈlen.te"
    assert SpanishPronouncer(distincion=True).ipa("zapato") == "θa.ˈpa.to"


@pytest.mark.parametrize("code", ["es-419", "es-ES"])
def test_every_listed_word_can_be_said(code: str) -> None:
    front_end = TextFrontEnd(language=code)
    for word in EXCEPTIONS:
        (sentence,) = front_end.process(f"Di {word}.").sentences
        assert all(word.phonemes for word in sentence.words), word


def test_small_words_are_unstressed_unless_alone() -> None:
    front_end = TextFrontEnd(language="es-419")
    (sentence,) = front_end.process("la de ella").sentences
    assert [w.phonemes for w in sentence.words] == [("L", "A0"), ("D", "E0"), ("E1", "LL", "A0")]
    (alone,) = front_end.process("La.").sentences
    assert alone.words[0].phonemes == ("L", "A1")


@pytest.mark.parametrize(
    ("text", "index", "phonemes"),
    [
        ("Pagar la CFE", 4, ("E1",)),
        ("vuelta en U", 2, ("U1",)),
        ("el vuelo AM", 2, ("A1",)),
        ("Vive en Lima o Cusco", 3, ("O0",)),
    ],
)
def test_the_name_of_a_letter_is_stressed(text: str, index: int, phonemes: tuple[str, ...]) -> None:
    (sentence,) = TextFrontEnd(language="es-419").process(text).sentences
    assert sentence.words[index].phonemes == phonemes


def test_groups_of_digits_are_apart() -> None:
    (sentence,) = TextFrontEnd(language="es-419").process("CLABE 012 180 01234567890 1").sentences
    assert [w.mark for w in sentence.words].count(",") == 3
    assert sentence.normalized.startswith("clabe cero uno dos uno")


def test_ipa_is_read_and_foreign_sounds_are_named() -> None:
    assert parse_ipa("saˈpato") == ("S", "A0", "P", "A1", "T", "O0")
    assert parse_ipa("ˈpero") == ("P", "E1", "RR", "O0")
    with pytest.raises(ValueError, match="is not a Spanish sound"):
        parse_ipa("ǃa")
