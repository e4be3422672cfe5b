"""The two systems of a listening test, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dlpo.errors import DataError, InputError
from dlpo_bench.candidates import RECORDED, Candidate, Speaking, open_candidates
from dlpo_bench.clips import TEST_SPLIT, Clip, clips_of_texts, load_clips
from dlpo_bench.quality import clips_in_common
from dlpo_bench.systems import RECORDINGS


def open_pair(a: str, b: str, steps: int | None = None) -> tuple[Candidate, Candidate]:
    """Open two systems by their names, see `dlpo_bench.candidates`; "recordings" is the speaker.

    Raises:
        InputError: nothing is there, or both are the same system.
        BundleError, CheckpointError, EngineError: one can't be opened.
    """
    if a == b:
        raise InputError(f"A and B are both {a}; name two systems that differ")
    speaking = Speaking(steps=(steps,) if steps else ())
    opened = iter(open_candidates([name for name in (a, b) if name != RECORDINGS], speaking))
    first, second = (RECORDED if name == RECORDINGS else next(opened) for name in (a, b))
    if _identity(first) == _identity(second):
        raise InputError(f"{first.label} and {second.label} are the same system; name another")
    return first, second


def choose_clips(
    pair: Sequence[Candidate], corpus: Path, texts: Path | None = None, count: int | None = None
) -> list[Clip]:
    """What the systems say.

    Args:
        pair: the systems; of folders of wavs, the clips that all have.
        corpus: texts and recordings in LJSpeech's layout.
        texts: file of sentences, one a line, instead.
        count: only the first so many.

    Raises:
        DataError: unreadable texts, or none for what a voice is to say.
        InputError: the systems have no clip in common.
    """
    folders = [Path(one.about["path"]) for one in pair if one.about["kind"] == "files"]
    names = clips_in_common(folders) if folders else list(TEST_SPLIT)
    if texts is not None:
        clips = [clip for clip in clips_of_texts(texts) if not folders or clip.clip_id in names]
        if not clips:
            raise InputError(
                f"{', '.join(map(str, folders))}: none of the wavs says a line of {texts};"
                " expected names like line-0001.wav"
            )
        return clips[:count]
    try:
        return load_clips(corpus, names[:count])
    except DataError:
        if len(folders) < len(pair):
            raise  # who is to speak needs a text
        return [Clip(name, "", None) for name in names[:count]]


def _identity(candidate: Candidate) -> dict[str, object]:
    """What it is, whatever it is called."""
    about = dict(candidate.about)
    if path := about.pop("path", None):
        about.setdefault("sha256", Path(path).resolve())
    return about
