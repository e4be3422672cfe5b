"""Spanish as people write it, and the words that a speaker says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from dlpo.text import TextFeed, TextFrontEnd
from dlpo.text.common.reading import ReadingOptions

ROOT = Path(__file__).resolve().parents[3]
judged = runpy.run_path(str(ROOT / "scripts" / "spoken_cases"))["judged"]
FRONT_END = TextFrontEnd(language="es-419")


def said(text: str, language: str = "") -> str:
    text = text.replace("\\n", "\n")
    sentences = FRONT_END.process(text, options=ReadingOptions(language=language)).sentences
    return " / ".join(sentence.normalized for sentence in sentences)


def test_cases_are_read_as_a_speaker_reads_them() -> None:
    wrong = {}
    for line in Path(__file__).with_name("spoken_cases.tsv").read_text("utf-8").splitlines():
        found, passes = judged(FRONT_END, *line.split("\t"))
        if not passes:
            wrong[line] = found
    assert not wrong


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5kg a 100km/h", "cinco kilogramos a cien kilómetros por hora"),
        ("Vive en EE. UU. El Sr. D. Juan no.", "vive en estados unidos / el señor don juan no"),
        ("200 y 300 páginas", "doscientas y trescientas páginas"),
        ("EL 21 DE MAYO", "el veintiuno de mayo"),
        ("archivo.pdf y C:\\temp", "archivo punto pe de efe y ce dos puntos barra invertida temp"),
        ("1939-1945", "mil novecientos treinta y nueve a mil novecientos cuarenta y cinco"),
        ("la II Guerra Mundial, s. XX", "la segunda guerra mundial siglo veinte"),
        ("un USB y la UNAM", "un u ese be y la unam"),
        ("6'2\" y √9", "seis pies dos pulgadas y raíz cuadrada de nueve"),
        ("n\u0303andu\u0301", "ñandú"),
        ("21 turistas, 51 revistas", "veintiún turistas cincuenta y una revistas"),
        ("31 psicópatas y 21 paredes", "treinta y un psicópatas y veintiuna paredes"),
        ("EEUU y las RR. SS.", "estados unidos y las redes sociales"),
        ("Vale $1.500 pesos.", "vale mil quinientos pesos"),
        ("5 €/kg y 20 $/mes", "cinco euros por kilogramo y veinte pesos por mes"),
        ("El km 21, ene. 2024", "el kilómetro veintiuno enero de dos mil veinticuatro"),
        ("Nombre\tEdad\nAna\t31", "nombre edad / ana treinta y uno"),
        ("en proporción 2:1", "en proporción dos a uno"),
    ],
)
def test_further_forms(written: str, expected: str) -> None:
    assert said(written) == expected


def test_question_words_let_the_voice_fall() -> None:
    marks = [s.words[-1].mark for s in FRONT_END.process("¿Y dónde está? ¿Está aquí?").sentences]
    assert marks == [".", "?"]


@pytest.mark.parametrize("size", [1, 3, 50])
def test_pieces_give_the_sentences_of_the_whole(size: int) -> None:
    text = "A las 3 p. m. llegó el Dr. Ruiz. ¿Vienes? Sí, ¡claro! El 2.º día fue el 5/6/2024."
    feed = TextFeed(FRONT_END)
    fed = [s for i in range(0, len(text), size) for s in feed.push(text[i : i + size])]
    found = " ".join(sentence.normalized for sentence in fed + feed.finish())
    assert found == said(text).replace(" / ", " ")


def test_emoji_have_spanish_names() -> None:
    (sentence,) = FRONT_END.process("Hola 👍", options=ReadingOptions(emoji="name")).sentences
    assert sentence.normalized == "hola pulgar arriba"


def test_ordinal_sign_in_a_text_in_capitals_is_caseless() -> None:
    assert said("LA 1ª VEZ ES EL DÍA.") == "la primera vez es el día"
