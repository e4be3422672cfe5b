"""Our Spanish phonemes in the teacher's letters, and back."""

import pytest

from dlpo.text import TextFrontEnd
from recipe.speech.spanish import lines, read, said
from recipe.speech.texts import read_letters

TEXTS = (
    "¿Un buen vino, o un álbum bueno?",
    "También enviamos un informe enfático a San Pedro.",
    "El dedo del guante, ¡qué gol! Un gato y once huevos.",
    "Ciudad de México — llueve; el niño llega a las 15:45.",
    "Con Pablo, con Félix y con Berta: 1.234,5 euros.",
)


@pytest.fixture(scope="module")
def front_end() -> TextFrontEnd:
    return TextFrontEnd(language="es-419")


@pytest.mark.parametrize("text", TEXTS)
def test_letters_are_read_back_as_our_phonemes(front_end, text):
    for sentence in front_end.process(text).sentences:
        letters, words = said(sentence)
        read_back = [phone.label for phone in read(letters, words).phones]
        assert read_back == [phoneme for word in sentence.words for phoneme in word.phonemes]


def test_neighbors_change_b_d_g_and_n(front_end):
    (sentence,) = front_end.process("Un beso, un dado de la bodega con gas.").sentences
    assert said(sentence)[0] == "um bˈeso, un dˈaðo ðe la βoðˈeɣa koŋ ɡˈas."


def test_words_and_pauses_are_where_the_letters_are():
    letters = "sˈi, bjˈen."
    reading = read(letters, ["sí"] * 3 + [""] * 2 + ["bien"] * 5 + [""])
    assert [(phone.label, phone.word) for phone in reading.phones] == [
        ("S", 0), ("I1", 0), ("B", 1), ("Y", 1), ("E1", 1), ("N", 1),
    ]  # fmt: skip
    assert [letters[gap.first : gap.end] for gap in reading.gaps] == ["", ", ", "."]
    assert [gap.pause for gap in reading.gaps] == [False, True, True]


def test_foreign_letters_are_refused():
    with pytest.raises(ValueError, match="'ə'"):
        read("lə", ["la", "la"])


def test_texts_become_letters_for_the_queue(tmp_path):
    path = tmp_path / "spanish.tsv"
    path.write_text("".join(f"{line}\n" for line in lines("ES1|Hola. ¿Qué tal?\nES2|Sí.")))
    found = read_letters(path)
    assert [letters for letters, _ in found["ES1"]] == ["ˈola.", "kˈe tˈal?"]
    assert [words for _, words in found["ES2"]] == [("sí", "sí", "sí", "")]
