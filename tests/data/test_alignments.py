"""Alignments become symbols with lengths, whichever file they come from."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from dlpo.data.alignments import AlignedWord, Alignment, read_alignments, read_textgrid
from dlpo.errors import DataError
from tests.toys import praat_tier

HEADER = "id\tphonemes\tdurations_ms\twords\n"
CLIP = Alignment(
    "a",
    ("sil", "HH", "AY1", "sil", "DH", "EH1", "R", "sil"),
    (0.1, 0.05, 0.2, 0.3, 0.05, 0.1, 0.1, 0.25),
    (AlignedWord("hi", 1, 3), AlignedWord("there", 4, 7)),
)
TEXTGRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\nxmin = 0\nxmax = 0.6\ntiers? <exists>\n'
    "size = 2\nitem []:\n"
    + praat_tier(1, "words", [(0, 0.2, ""), (0.2, 0.6, "hi")])
    + praat_tier(2, "phones", [(0, 0.2, ""), (0.2, 0.3, "HH"), (0.3, 0.6, "AY1")])
)


def test_pauses_go_to_the_mark_after_the_word() -> None:
    symbols, seconds = CLIP.utterance("Hi; there!")
    assert symbols == ["^", "HH", "AY1", ";", "DH", "EH1", "R", "!"]
    assert seconds == pytest.approx([0.1, 0.05, 0.2, 0.3, 0.05, 0.1, 0.1, 0.25])


def test_unknown_word_keeps_its_time_and_punctuation() -> None:
    clip = Alignment(
        "b",
        ("HH", "AY1", "spn", "R"),
        (0.1, 0.1, 0.4, 0.1),
        (AlignedWord("hi", 0, 2), AlignedWord("<unk>", 2, 3), AlignedWord("r", 3, 4)),
    )
    symbols, seconds = clip.utterance("Hi, Xyzzy: r?")
    assert symbols == ["^", "HH", "AY1", ",", "_", ":", "R", "?"]
    assert seconds[4] == pytest.approx(0.4)


def test_missing_final_punctuation_means_a_statement() -> None:
    assert CLIP.utterance("hi there")[0][-1] == "."


def test_overlapping_words_are_refused() -> None:
    clip = Alignment(
        "c", ("HH", "AY1"), (0.1, 0.1), (AlignedWord("x", 0, 2), AlignedWord("y", 1, 2))
    )
    with pytest.raises(DataError, match="'y' covers phonemes 1 to 2"):
        clip.utterance("x y")


def test_a_phoneme_that_is_not_arpabet_is_refused() -> None:
    clip = Alignment("d", ("ʃ",), (0.1,), (AlignedWord("sh", 0, 1),))
    with pytest.raises(DataError, match="not ARPAbet"):
        clip.utterance("sh")


def test_plain_and_compressed_tables_read_alike(tmp_path: Path) -> None:
    text = HEADER + "a\tHH AY1\t50 200\thi:0-2\n"
    (tmp_path / "a.tsv").write_text(text)
    with lzma.open(tmp_path / "a.tsv.xz", "wt") as file:
        file.write(text)
    plain = list(read_alignments(tmp_path / "a.tsv"))
    assert plain == list(read_alignments(tmp_path / "a.tsv.xz"))
    assert plain[0].words == (AlignedWord("hi", 0, 2),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense\n", "header is"),
        (HEADER + "a\tHH\t50\n", ":2: not an alignment"),
        (HEADER + "a\tHH AY1\t50\thi:0-2\n", "2 phonemes but 1 durations"),
        (HEADER + "a\tHH\tlong\thi:0-1\n", ":2: not an alignment"),
    ],
)
def test_a_damaged_table_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_alignments(tmp_path / "a.tsv"))


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    whole = lzma.compress((HEADER + "a\tHH\t50\thi:0-1\n" * 100).encode())
    (tmp_path / "a.tsv.xz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="can't be read"):
        list(read_alignments(tmp_path / "a.tsv.xz"))


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_alignments(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"no \*\.TextGrid"):
        list(read_alignments(tmp_path))


def test_a_textgrid_reads_like_a_table_row(tmp_path: Path) -> None:
    (tmp_path / "x.TextGrid").write_text(TEXTGRID)
    (alignment,) = read_alignments(tmp_path)
    assert alignment.id == "x"
    symbols, seconds = alignment.utterance("Hi.")
    assert symbols == ["^", "HH", "AY1", "."]
    assert seconds == pytest.approx([0.2, 0.1, 0.3, 0.0])


def test_a_textgrid_without_phones_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.TextGrid").write_text(TEXTGRID.replace('"phones"', '"notes"'))
    with pytest.raises(DataError, match="expected words and phones"):
        read_textgrid(tmp_path / "x.TextGrid")


def test_endless_line_and_bad_times_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tsv.xz"
    for content in (b"a" * 50_000_000, HEADER.encode() + b"a" * 50_000_000):
        bomb.write_bytes(lzma.compress(content))
        assert bomb.stat().st_size < 20_000
        with pytest.raises(DataError, match="more than 1000000 characters"):
            list(read_alignments(bomb))
    grid = tmp_path / "a.TextGrid"
    grid.write_text('name = "phones"\nxmin = 1.2.3 xmax = 2 text = "HH"')
    with pytest.raises(DataError, match="no number"):
        read_textgrid(grid)
