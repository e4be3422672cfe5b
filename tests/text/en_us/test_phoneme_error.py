"""How well the front end agrees with the alignments of real speech that voices are trained on."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from dlpo.judges.word_errors import edit_distance
from dlpo.text import TextFrontEnd

LJSPEECH = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "ljspeech"
HELD_OUT_EVERY = 26  # clips, 500 of them: nothing in dlpo.text was tuned on LJ001-0001 and its like


@pytest.mark.skipif(not LJSPEECH.exists(), reason=f"needs the LJSpeech alignments in {LJSPEECH}")
def test_phoneme_error_on_held_out_texts_is_at_most_6_percent() -> None:
    with lzma.open(LJSPEECH / "alignments.tsv.xz", "rt", encoding="utf-8") as lines:
        held_out = [line.split("\t") for line in list(lines)[1::HELD_OUT_EVERY]][:500]
    metadata = (LJSPEECH / "metadata.csv").read_text(encoding="utf-8").splitlines()
    transcripts = {clip: text for clip, text, _ in (line.split("|") for line in metadata)}
    front_end = TextFrontEnd()
    edits = phonemes = 0
    for clip, aligned, *_ in held_out:
        heard = [phoneme for phoneme in aligned.split() if phoneme not in ("sil", "spn")]
        said = [
            phoneme
            for sentence in front_end.process(transcripts[clip]).sentences
            for word in sentence.words
            for phoneme in word.phonemes
        ]
        edits += edit_distance(said, heard)
        phonemes += len(heard)
    assert edits / phonemes <= 0.06
