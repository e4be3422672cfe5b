"""Text in, sentences of words with phonemes and marks out; and every kind of bad text."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlpo.errors import InputError, TextError
from dlpo.text import TextFeed, TextFrontEnd
from dlpo.text.common.front_end import MAX_SYMBOLS
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.symbols import START, SYMBOLS

FRONT_END = TextFrontEnd()
SPANISH = TextFrontEnd(language="es-419")


def test_words_have_phonemes_marks_and_places() -> None:
    text = 'He said: "Pay $5, now!" Then he left.'
    first, second = FRONT_END.process(text).sentences
    assert first.text == 'He said: "Pay $5, now!"'
    assert first.normalized == "he said pay five dollars now"
    assert [(w.word, w.mark, text[w.start : w.end]) for w in first.words] == [
        ("he", " ", "He"),
        ("said", ":", "said"),
        ("pay", " ", "Pay"),
        ("five", " ", "$5"),
        ("dollars", ",", "$5"),
        ("now", "!", "now"),
    ]
    assert first.words[2].phonemes == ("P", "EY1")
    (aside,) = FRONT_END.process("Yes, no; so (well) ran").sentences
    assert [word.mark for word in aside.words] == [",", ";", ",", ",", "."]
    assert (second.text, second.normalized) == ("Then he left.", "then he left")


def test_symbol_ids_are_the_row_that_the_encoder_reads() -> None:
    (sentence,) = FRONT_END.process("Hi, Bob").sentences
    row = [SYMBOLS[index] for index in sentence.symbol_ids()]
    assert row == [START, "HH", "AY1", ",", "B", "AA1", "B", "."]


def test_request_dictionary_overrides_voice_and_lexicon() -> None:
    front_end = TextFrontEnd({"Bob": "B OW1 B", "SQL": "S IY1 K W AH0 L"})

    def said(text: str, dictionary: dict[str, str] | None = None) -> list[str]:
        words = front_end.process(text, dictionary).sentences[0].words
        return [" ".join(word.phonemes) for word in words]

    assert said("Bob's SQL bob") == ["B AA1 B Z", "S IY1 K W AH0 L", "B OW1 B"]
    assert said("bob", {"BOB": "b uw1 b"}) == ["B UW1 B"]
    assert said("bob") == ["B OW1 B"]


@pytest.mark.parametrize("wrong", ["HH AX L", "", "HH AH L OW", "hello"])
def test_wrong_dictionary_names_the_word(wrong: str) -> None:
    with pytest.raises(InputError, match=r"dictionary: 'hello'.*ARPAbet"):
        FRONT_END.process("hello", {"hello": wrong})
    with pytest.raises(InputError, match="dictionary"):
        TextFrontEnd({"hello": wrong})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("\x00\x07\x1b", "nothing in the text can be spoken"),
        ("...!?", "punctuation"),
        ("😀👍", "2 characters"),
        ("Привет, мир", "another script"),
    ],
)
def test_text_without_anything_to_say_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TextError, match=reason):
        FRONT_END.process(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Æthelred met Þórr.", "aethelred met thorr"),
        ("ÆTHELRED met Æthelred.", "aethelred met aethelred"),
        ("Ǽ Ǿre", "ae ore"),
        ("ﬁne, 5 ㎏ at 30℃", "fine five kilograms at thirty degrees celsius"),
    ],
)
def test_letters_of_other_languages_are_read(text: str, said: str) -> None:
    assert FRONT_END.process(text).sentences[0].normalized == said


def test_unspeakable_characters_are_dropped_with_a_count() -> None:
    result = FRONT_END.process("Good 😀 morning\ud83d, мир")
    assert result.dropped == 5
    assert result.sentences[0].normalized == "good morning"
    assert result.warnings == ("not spoken: 😀; мир",)


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("See ([it](https://x.org/a_(b))) as said [1].", ["not spoken: https://x.org/a_(b); [1]"]),
        ("Run:\n```sh\nls -l\n```\nDone.", ["not spoken: ls -l"]),
        ("- [x] **milk**\n- [ ] eggs, `rice`", []),
        ("<speak>Hello 世界 there</speak>", ["not spoken: 世界"]),
        (" ".join(f"no{n} 你" for n in range(9)), ["not spoken: 你; 你; 你; 你; 你; 4 more"]),
        ("a " + "你" * 99, [f"not spoken: {'你' * 60}..."]),
        ("schöne Grüße", ["the text looks like German; this voice speaks English"]),
        ("Où est la gare, les trains ?", ["the text looks like French; this voice speaks English"]),
        ("C'est la vie, as the French say.", []),
        ("Los Angeles and Las Vegas met Del Mar.", []),
    ],
)  # fmt: skip
def test_a_writer_learns_what_is_not_spoken_or_not_english(text: str, warnings: list[str]) -> None:
    assert list(FRONT_END.process(text).warnings) == warnings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ReadingOptions(), "so python code block done"),
        (ReadingOptions(code="speak"), "so one plus one done"),
        (ReadingOptions(code="skip", emoji="name"), "so done party popper u s"),
    ],
)
def test_code_and_emoji_are_read_as_the_request_says(options: ReadingOptions, said: str) -> None:
    read = FRONT_END.process("So:\n```python\n1 + 1\n```\nDone 🎉🇺🇸", None, options)
    assert " ".join(sentence.normalized for sentence in read.sentences) == said


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20_000,
        "a" * 100_000,
        "1" * 100_000,
        "a." * 5_000,
        "x@" * 5_000,
        "1/" * 5_000,
        "1,111" * 2_000,
        "(" * 99_990 + "end",
        "\n" * 99_990 + "end",
        "Dr. " * 2_500,
        "2. Be4 Na2 " * 9_000,
        "the mtg. in " * 8_000,
        "http://" * 2_000,
        "pneumono" * 63,  # a word of 504 letters
    ],
    ids=lambda text: text[:8],
)
def test_long_texts_become_bounded_sentences(text: str) -> None:
    result = FRONT_END.process(text)
    assert all(len(s.symbol_ids()) <= MAX_SYMBOLS + 1 for s in result.sentences)
    last = result.sentences[-1].words[-1]
    assert last.end >= len(text.rstrip(" ./@(,:")) - 1


def test_a_long_spanish_text_of_numbers_is_read_to_its_end() -> None:
    text = "Son 1,755 metros y 20 casas. " * 3_400
    assert SPANISH.process(text).sentences[-1].words[-1].word == "casas"


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("Is it here?", "?"),
        ("Did he say where it is?", "?"),  # the question word doesn't open it
        ("Would you like tea or coffee?", "."),  # names what to choose from
        ("Do you have any questions or comments?", "?"),
        ("Are you coming or not?", "?"),
        ("You did?", "?"),
        ("And at what time does it leave?", "."),
        ("What's your name?", "."),
        ("What a day!", "!"),
        ("Which one it is, nobody knows.", "."),
        ("Where are you? Are you there?", ".?"),
    ],
)
def test_only_questions_for_yes_or_no_keep_their_mark(text: str, marks: str) -> None:
    for found in (FRONT_END.process(text), FRONT_END.process_ssml(f"<speak>{text}</speak>")):
        assert "".join(sentence.words[-1].mark for sentence in found.sentences) == marks


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("¿Está aquí?", "?"),
        ("¿O vienes mañana?", "?"),
        ("¿Vienes o no?", "?"),
        ("¿Quiere pagar en efectivo o con tarjeta?", "."),
        ("¿Es verano u otoño?", "."),
        ("¿Dónde está?", "."),
    ],
)
def test_a_spanish_choice_falls(text: str, mark: str) -> None:
    assert SPANISH.process(text).sentences[-1].words[-1].mark == mark


def test_a_passage_has_no_more_signs_around_it_than_it_may() -> None:
    found = FRONT_END.process("one " + "≠" * 2_000 + " two").sentences
    assert sum(len(sentence.text) for sentence in found) < 100 * len(found) + 2_000


def test_markdown_marks_are_silent_and_spans_hold() -> None:
    text = "## Café\nSee [the `docs`](u), *all* [1].\n> - [x] a\n| b | c |\n|---|:-:|\n---\n5 | d"
    found = FRONT_END.process(text).sentences
    assert [s.normalized for s in found] == ["cafe", "see the docs all", "a", "b c", "five d"]
    places = [text[word.start : word.end] for sentence in found for word in sentence.words]
    assert places == ["Café", "See", "the", "docs", "all", "a", "b", "c", "5", "d"]


def test_a_text_that_begins_with_speak_is_ssml_and_comes_whole() -> None:
    document = " <speak>Hi <sub alias='there'>x</sub>. And more.</speak>"
    assert FRONT_END.process(document) == FRONT_END.process_ssml(document)
    assert FRONT_END.process("Say <speak>.").sentences[0].normalized == "say speak"
    with pytest.raises(TextError, match="in pieces"):
        TextFeed(FRONT_END).push(document)


def test_text_needs_python_alone() -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'rich', 'typer', 'packaging', 'gruut_lang_en'):\n"
        "    sys.modules[name] = None\n"
        "from dlpo.text import TextFrontEnd\n"
        "for sentence in TextFrontEnd().process(sys.argv[1]).sentences:\n"
        "    print(*(' '.join(word.phonemes) for word in sentence.words), sep=', ')\n"
    )
    text = "Dr. Smithereen's blorptang costs $3.50. Frobnicators, quoxily, don't."
    alone = subprocess.run(
        [sys.executable, "-c", program, text], capture_output=True, text=True, check=True
    )
    sentences = TextFrontEnd().process(text).sentences
    here = [", ".join(" ".join(word.phonemes) for word in one.words) for one in sentences]
    assert alone.stdout.splitlines() == here
