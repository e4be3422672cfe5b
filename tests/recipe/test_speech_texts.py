"""What is spoken, and in which order."""

import re
from collections import Counter

import pytest

from recipe.speech.plan import HELD_OUT_TARGETS, SHARES, TARGETS, order_for, share_out
from recipe.speech.prompts import number, synthetic_prompts
from recipe.speech.texts import Text, held_out, read_letters, read_texts

SOURCE = [
    Text("CA0001", "Not yet, of course. Could we wait for the bus, or not?", "conversation"),
    Text("CA0002", "Sounds good! The lighthouse was cheap, really cheap.", "conversation"),
]


def test_held_out_is_every_tenth_id():
    ids = held_out()
    english = {f"C{file}{n:04d}" for file in "AB" for n in range(10, 1501, 10)}
    assert ids == english | {f"ES{n:04d}" for n in range(20, 1601, 20)}


def test_held_out_and_test_texts_are_left_out(tmp_path):
    file = tmp_path / "texts.csv"
    file.write_text("CA0009|One.\nCA0010|Two.\nLJ002-0161|Three.\nLJ002-0181|raw|Four.\n")
    assert [(t.id, t.text) for t in read_texts(file, "prose")] == [
        ("CA0009", "One."),
        ("LJ002-0181", "Four."),
    ]
    assert [t.id for t in read_texts(file, "prose", measured=True)] == ["CA0010", "LJ002-0161"]


@pytest.mark.parametrize("line", ["CA0001", "CA 1|x", "CA0001|", "CA0001|At 5 o'clock."])
def test_bad_line_is_reported(tmp_path, line):
    file = tmp_path / "texts.csv"
    file.write_text(f"CA0002|Fine.\n{line}\n")
    with pytest.raises(ValueError, match=r"texts\.csv:2.*expected id\|text"):
        read_texts(file, "prose")


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("in being comparatively modern.", True, False),
        ("He said,", False, True),
        ('"Why not?"', False, False),
    ],
)
def test_open_ends_are_known(text, begins, ends):
    assert (Text("a", text, "prose").begins_open, Text("a", text, "prose").ends_open) == (
        begins,
        ends,
    )


def test_numbers_in_words():
    assert number(0) == "zero"
    assert number(17) == "seventeen"
    assert number(90) == "ninety"
    assert number(804) == "eight hundred four"
    assert number(999_999) == ("nine hundred ninety-nine thousand nine hundred ninety-nine")


def test_prompts_have_no_digits_and_new_ids():
    made = synthetic_prompts(SOURCE, [])
    assert len({t.id for t in made}) == len(made)
    assert not any(re.search(r"\d", t.text) for t in made)
    assert made == synthetic_prompts(SOURCE, [])


def test_prompts_say_every_letter_alone():
    texts = {t.text for t in synthetic_prompts(SOURCE, [])}
    assert {f"{letter}." for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} <= texts


def test_prompts_avoid_texts_held_out():
    def bare(texts):
        return {re.sub(r"\W+", " ", text.lower()).strip() for text in texts}

    out = ["Not yet!", "Q?", "twelve"]
    assert bare(out) & bare(t.text for t in synthetic_prompts(SOURCE, []))
    assert not bare(out) & bare(t.text for t in synthetic_prompts(SOURCE, out))


def many(pool, count):
    return [Text(f"{pool[0]}{n:04d}", "x" * 30, pool) for n in range(count)]


def test_order_has_every_text_once():
    texts = many("conversation", 50) + many("prose", 90) + many("drill", 20)
    order = order_for("af_heart", texts)
    assert sorted(t.id for t in order) == sorted(t.id for t in texts)


def test_order_mixes_pools_by_their_shares():
    texts = many("conversation", 500) + many("prose", 500) + many("drill", 500)
    counts = Counter(t.pool for t in order_for("am_puck", texts)[:400])
    assert counts == pytest.approx({pool: 400 * share for pool, share in SHARES.items()}, abs=2)


def test_voices_begin_with_different_texts():
    texts = many("conversation", 1000)
    english = [target.voice for target in TARGETS if target.shares == SHARES]
    firsts = [{t.id for t in order_for(voice, texts)[:100]} for voice in english]
    assert len(set.union(*firsts)) == 100 * len(english)


def test_voices_say_the_texts_of_their_language():
    texts = many("conversation", 5) + many("spanish", 4)
    assert {t.pool for t in order_for("ef_dora", texts)} == {"spanish"}
    assert {t.pool for t in order_for("af_nova", texts)} == {"conversation"}


def test_letters_are_read_by_text(tmp_path):
    file = tmp_path / "spanish.tsv"
    file.write_text('ES0001\tsˈi.\t["sí", "sí", "sí", "."]\nES0001\tno.\t["no", "no", "."]\n')
    assert read_letters(file) == {
        "ES0001": [("sˈi.", ("sí", "sí", "sí", ".")), ("no.", ("no", "no", "."))]
    }


def test_names_of_the_released_voices_are_planned():
    assert {"af_heart", "am_michael", "am_fenrir", "af_nova"} <= {t.voice for t in TARGETS}
    assert all(t.hours >= 3 for t in TARGETS)
    assert sum(t.voice.startswith("am_") for t in TARGETS) >= 4


def test_jobs_share_all_voices_about_equally():
    first, second = share_out(2)
    assert {t.voice for t in first}.isdisjoint(t.voice for t in second)
    assert len(first) + len(second) == len(TARGETS)
    hours = [sum(t.hours for t in share) for share in (first, second)]
    assert max(hours) - min(hours) <= 3.2
    assert len(share_out(99)) == len(TARGETS)
    assert len(share_out(1)) == 1
    assert [len(share) for share in share_out(2, HELD_OUT_TARGETS)] == [5, 5]
