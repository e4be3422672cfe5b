"""Heteronyms as a reader of LJSpeech said them, by the alignments of all her clips."""

from __future__ import annotations

import lzma
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest

from dlpo.text import TextFrontEnd
from dlpo.text.common.chooser import Candidate
from dlpo.text.common.language import Phonemes
from dlpo.text.common.tables import Tables
from dlpo.text.en_us import heteronyms as module
from dlpo.text.en_us.heteronyms import heteronyms
from dlpo.text.en_us.tables import TABLES
from scripts import train_chooser

LJSPEECH = Path(__file__).resolve().parents[4] / "shared" / "data" / "ljspeech"
SHIPPED = Path(module.__file__).parents[1]
SENTENCES = Path(__file__).resolve().parents[3] / "recipe" / "texts" / "readings"
READINGS = {
    word: sorted({tuple(row.phonemes.split()) for row in rows})
    for word, rows in heteronyms().items()
    if word != "can"  # speakers also stress the verb
}
MODELS = ("en_us/readings", "en_us/periods", "en_us/kinds", "es/periods")
FRONT_END = TextFrontEnd()


def distance(said: Phonemes, listed: Phonemes) -> float:
    """Edits from one to the other; a vowel with another stress is half of one."""
    before = [float(index) for index in range(len(listed) + 1)]
    for index, one in enumerate(said, 1):
        row = [float(index)]
        for place, other in enumerate(listed, 1):
            alike = re.sub(r"\d", "", one) == re.sub(r"\d", "", other)
            changed = 0.0 if one == other else 0.5 if alike else 1.0
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + changed))
        before = row
    return before[-1]


def nearest(word: str, phonemes: Phonemes) -> Phonemes:
    return min(READINGS[word], key=partial(distance, phonemes))


def aligned() -> Iterator[tuple[str, list[tuple[str, Phonemes]]]]:
    with lzma.open(LJSPEECH / "alignments.tsv.xz", "rt", encoding="utf-8") as file:
        next(file)
        for line in file:
            clip, phonemes, _, words = line.rstrip("\n").split("\t")
            symbols, found = phonemes.split(), []
            for placed in words.split():
                word, _, span = placed.rpartition(":")
                start, end = map(int, span.split("-"))
                found.append((word.lower(), tuple(symbols[start:end])))
            yield clip, found


@pytest.mark.skipif(not LJSPEECH.exists(), reason="needs ../shared/data/ljspeech")
def test_heteronyms_agree_with_a_speaker() -> None:
    lines = (LJSPEECH / "metadata.csv").read_text(encoding="utf-8").splitlines()
    texts = {clip: text for clip, _, text in (line.split("|") for line in lines)}
    right, all_of = Counter[str](), Counter[str]()
    for clip, heard in aligned():
        wanted = defaultdict(list)
        for word, phonemes in heard:
            if len(READINGS.get(word, ())) > 1:
                wanted[word].append(phonemes)
        if not wanted:
            continue
        chosen = defaultdict(list)
        for sentence in FRONT_END.process(texts[clip]).sentences:
            for said in sentence.words:
                chosen[said.word].append(said.phonemes)
        for word, spoken in wanted.items():
            if len(spoken) == len(chosen[word]):
                for one, own in zip(spoken, chosen[word], strict=True):
                    all_of[word] += 1
                    right[word] += nearest(word, one) == nearest(word, own)
    share = right.total() / all_of.total()
    assert all_of.total() > 1_000
    assert share >= 0.92, f"{share:.3f}: {all_of - right}"


def test_held_out_sentences_are_read_right() -> None:
    rows = Tables(str(SENTENCES / "_")).rows("held_out")
    right = 0
    for word, phonemes, sentence in rows:
        said = [one for part in FRONT_END.process(sentence).sentences for one in part.words]
        found = next((one.phonemes for one in said if one.word == word), ())
        right += found == tuple(phonemes.split())
    assert right >= 598, f"{right} of {len(rows)}"


def test_reasons_sum_to_the_score() -> None:
    words = ["they", "ate", "the", "bass", "that", "she", "had", "caught"]
    model = TABLES.model("readings")
    assert model is not None
    candidates = [Candidate(f"bass {said}", "") for said in ("B EY1 S", "B AE1 S")]
    choice = model.choose(candidates, words, 3)
    assert choice is not None
    reasons = model.reasons(candidates, choice, words, 3)
    assert sum(part for _, part in reasons) == choice.score
    assert {"near ate", "near caught"} <= {name for name, part in reasons if part > 0}


def test_rows_decide_alone_without_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLES, "model", lambda name: None)
    words = FRONT_END.process("Two thousand won in cash is what she won.").sentences[0].words
    said = [word.phonemes for word in words if word.word == "won"]
    assert said == [("W", "AA1", "N"), ("W", "AH1", "N")]


@pytest.mark.full
def test_sentences_give_the_model_that_ships(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(train_chooser, "TEXT", tmp_path)
    for language in ("en_us", "es"):
        (tmp_path / language).mkdir()
    train_chooser.main()
    for model in (f"{one}.zip" for one in MODELS):
        with ZipFile(tmp_path / model) as new, ZipFile(SHIPPED / model) as shipped:
            for name in shipped.namelist():
                assert new.read(name) == shipped.read(name), (model, name)
