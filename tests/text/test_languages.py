"""Several languages: which can be read, in one document, and by voices that know fewer symbols."""

from __future__ import annotations

import pytest

from dlpo.config.models import SpectralConfig, WaveGrad2Config
from dlpo.errors import InputError
from dlpo.text import TextFrontEnd
from dlpo.text.common.language import Language
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.common.ssml import document_language, document_voice
from dlpo.text.common.warnings import language_of_text
from dlpo.text.languages import (
    LANGUAGES,
    known_language,
    language_name,
    language_named,
    open_language,
)
from dlpo.text.symbols import ENGLISH, SYMBOLS, known_symbols, within

FRONT_END = TextFrontEnd()
SPANISH_TEXTS = (
    "Hola, ¿cómo estás?",
    "¿Qué hora es?",
    "Buenos días",
    "El total es 1.234,56 €",
    "¡Gracias!",
    "Sí, claro que sí.",
    "hola como estas",
)
ENGLISH_TEXTS = (
    "How are you?",
    "Thank you for calling.",
    "Good morning.",
    "Where is the bathroom?",
    "I need help with my account.",
)
OF_NO_LANGUAGE = (
    "Los Angeles",
    "Juan de la Cruz",
    "Señor Frog's",
    "El Niño brings rain.",
    "Add jalapeño to the list.",
    'How do you say "¿Dónde está el baño?" in Spanish?',
)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_reads_a_text(code: str) -> None:
    language: Language = open_language(code)
    assert (language.code, language.name) == (code, language_name(code))
    assert known_language(language_named(language.name)).partition("-")[0] == code[:2]
    words = [word for token in language.tokens("a 21") for word in token.words]
    for phonemes in language.phonemes(words, {}, {}):
        assert set(phonemes) <= set(SYMBOLS)


def test_codes_are_matched_by_language() -> None:
    codes = ("es", "es-MX", "es_AR", "ES-es", "en-GB", "en")
    found = [known_language(code) for code in codes]
    assert found == ["es-419", "es-419", "es-419", "es-ES", "en-US", "en-US"]
    with pytest.raises(InputError, match="'fr' can't be read; expected en-US, es-419, es-ES"):
        open_language("fr")


def test_document_switches_language_by_element() -> None:
    document = (
        '<speak>Say <lang xml:lang="es">21 años</lang> now.<p xml:lang="es-ES">Zapato 1.</p>'
        '<say-as interpret-as="ordinal">2</say-as></speak>'
    )
    sentences = FRONT_END.process(document).sentences
    assert [s.normalized for s in sentences] == ["say veintiún años now", "zapato uno", "second"]
    assert sentences[0].words[2].phonemes == ("A1", "NY", "O0", "S")
    assert sentences[1].words[0].phonemes[0] == "TH"
    assert document_language('<speak xml:lang="es-MX">a</speak>') == "es-MX"
    assert document_language("<speak>a</speak>") == document_language("a") == ""
    assert document_voice('<speak><voice name="heart">a</voice></speak>') == "heart"
    assert document_voice('<voice name="heart">') == ""


def test_root_language_is_that_of_the_document() -> None:
    document = '<speak xml:lang="es">¿Dónde está <lang xml:lang="en-US">the 1st</lang>?</speak>'
    (sentence,) = FRONT_END.process(document).sentences
    assert sentence.normalized == "dónde está the first"
    assert sentence.words[-1].mark == "."


def test_request_names_the_language_of_a_text() -> None:
    read = FRONT_END.process("El 21.", options=ReadingOptions(language="es"))
    assert read.sentences[0].normalized == "el veintiuno"
    with pytest.raises(InputError, match="can't be read"):
        FRONT_END.process("a", options=ReadingOptions(language="xx"))


def test_text_is_recognized_by_its_small_words() -> None:
    spanish = "Esta es una prueba de que no está en el otro"
    assert language_of_text(spanish, "English") == "Spanish"
    assert language_of_text(spanish, "Spanish") == ""
    assert language_of_text("The cat is in the house", "English") == ""


@pytest.mark.parametrize("text", SPANISH_TEXTS)
def test_short_spanish_is_recognized_and_warned_of(text: str) -> None:
    assert (language_of_text(text, "English"), language_of_text(text, "Spanish")) == ("Spanish", "")
    assert FRONT_END.process(text).warnings[-1] == (
        "the text looks like Spanish; this voice speaks English"
    )


@pytest.mark.parametrize("text", ENGLISH_TEXTS)
def test_short_english_is_recognized_and_warned_of(text: str) -> None:
    assert (language_of_text(text, "English"), language_of_text(text, "Spanish")) == ("", "English")
    assert TextFrontEnd(language="es").process(text).warnings[-1] == (
        "the text looks like English; this voice speaks Spanish"
    )


@pytest.mark.parametrize("text", OF_NO_LANGUAGE)
def test_names_and_quotations_keep_a_text_english(text: str) -> None:
    assert language_of_text(text, "English") == ""


def test_voice_of_fewer_symbols_says_the_nearest() -> None:
    older = TextFrontEnd(language="es-419", symbols=SYMBOLS[:79])
    (sentence,) = older.process("El niño").sentences
    assert sentence.words[1].phonemes == ("N", "IY1", "N", "Y", "OW0")
    assert within(ENGLISH, ("RR", "X", "T")) == ("R", "HH", "T")
    assert max(sentence.symbol_ids()) < 79


def test_symbols_of_1_0_keep_their_places() -> None:
    assert SYMBOLS[:10] == ("_", "^", " ", "-", ",", ";", ":", ".", "!", "?")
    assert SYMBOLS[10 : 10 + len(ENGLISH)] == ENGLISH
    assert known_symbols(SYMBOLS[:79])
    assert not known_symbols(SYMBOLS[1:79])


def test_new_models_know_all_symbols() -> None:
    assert SpectralConfig().symbols == WaveGrad2Config().symbols == len(SYMBOLS)
