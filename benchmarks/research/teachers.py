"""Every voice beside the teacher that it learned from, on texts that nothing learned from.

    python -m recipe.speech speak SPOKEN --held-out --teachers T --weights W --texts TEXTS
        --spanish spanish.tsv
    python -m research.teachers BUNDLE --texts TEXTS --pair heart=SPOKEN/af_heart/wavs
        --tools ../shared/tools/acoustics.py --weights ../shared/models --whisper W/base
        --speaker W/resemblyzer.pt --record

A pair is a voice of the bundle and a folder of its teacher's clips, named by the ids of the texts.
Voices speak from text alone, as served. Differences are paired by sentence; every tenth clip of the
teacher is what the speaker cosine compares with, and isn't judged. Half an hour of a core a voice
without AVX-512; a voice's figures are kept in OUT/voices, and a run that was stopped goes on from
them.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from dlpo.errors import DataError, InputError
from dlpo.judges.speaker import SpeakerEncoder, SpeakerSimilarity
from dlpo.judges.whisper import Whisper
from dlpo_bench.clips import SAMPLE_RATE, Clip, Waveform, find_audio, read_audio
from dlpo_bench.eval import figures_of
from dlpo_bench.judging import WORD_ERRORS, JudgePanel, evaluate
from dlpo_bench.options import SpeakingOptions
from dlpo_bench.panel import REFERENCE_EVERY, load_panel
from dlpo_bench.record import Measured, check_recordable, write_record
from dlpo_bench.systems import TextVoice, audio_files, only_bundle, open_voices, text_to_speech
from recipe.speech.speaking import EVERYDAY
from recipe.speech.texts import read_texts
from research import RECORDS, run_study, study_command

TEACHER = "teacher"
JUDGES = ("p835", "plcmos", "dnsmos", "nisqa")
SPREAD = "F0 spread, st"
WIDTH = "F0 spread / teacher's"
SHOWN = ("P.835 OVRL", "PLCMOS", "DNSMOS P.808", "NISQA", "speaker cosine")
SHORT = Path(__file__).with_name("short.tsv")


def clips_of(folder: Path, texts: Path, language: str) -> list[Clip]:
    """The held-out texts of a language that a folder has clips of; questions are a kind.

    Raises:
        DataError: there is none.
    """
    file = texts / ("spanish.csv" if language.startswith("es") else EVERYDAY)
    known = read_texts(file, "", digits=True, measured=True)
    spoken = [text for text in known if find_audio(folder, text.id)]
    if not spoken:
        raise DataError(
            f"{folder} has no clip of the {len(known)} held-out texts of {file}; expected some"
        )
    return [
        Clip(one.id, one.text, None, kind="question" if one.text.endswith("?") else "other")
        for one in spoken
    ]


def evenly(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most so many, from all over a list in which those of a kind stand together."""
    places = np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)
    return [clips[place] for place in places]


def acoustics(path: Path) -> Any:
    """The measures' own module, which isn't part of the repository.

    Raises:
        InputError: it can't be loaded.
    """
    spec = importlib.util.spec_from_file_location("acoustics", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"--tools {path}: no such file; expected acoustics.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def roughness(
    measures: Any, spoken: Sequence[Waveform], texts: Sequence[str], frame_rate: float
) -> dict[str, float]:
    """Means over clips, as `acoustics.py` defines them; the comb at the frame rate, in Hz."""
    clips = [one.astype(np.float64) for one in spoken]
    bursts = [measures.burst(*pair) for pair in zip(clips, texts, strict=True)]
    return {
        "hnr_db": float(np.nanmean([measures.hnr(one) for one in clips])),
        "burst_db": float(np.mean(bursts)),
        f"comb_{frame_rate:g}_db": measures.comb(clips, frame_rate),
    }


def beside(
    voice: TextVoice, folder: Path, clips: Sequence[Clip], panel: JudgePanel, measures: Any
) -> dict[str, Any]:
    """System -> measure -> figure: the voice's and its teacher's, roughness among them."""
    name = voice.synthesizer.manifest.voice
    heard: dict[str, list[Waveform]] = {TEACHER: [], name: []}
    systems = {TEACHER: audio_files(folder), name: text_to_speech(voice.synthesizer)}

    def keep(system: str, take: int, clip: Clip, judged: Waveform) -> None:
        heard[system].append(judged)

    quality = evaluate(systems, clips, panel, baseline=TEACHER, keep=keep)
    texts = [clip.text for clip in clips]
    rate = voice.synthesizer.manifest.grid.frames_per_s
    found = {
        system: figures_of(quality, system) | roughness(measures, heard[system], texts, rate)
        for system in systems
    }
    found[name][WIDTH] = found[name][SPREAD]["value"] / found[TEACHER][SPREAD]["value"]
    found["questions"] = {s: figures_of(quality.of_kind("question"), s) for s in systems}
    return found


def alone(language: str) -> list[str]:
    """What screen readers and agents say alone in a language, "en" or "es"."""
    lines = (line.split("\t") for line in SHORT.read_text(encoding="utf-8").splitlines())
    return [text for spoken_in, text in lines if spoken_in == language]


def line_of(voice: str, found: Mapping[str, Any]) -> str:
    """What is printed of a voice: differences from its teacher with intervals, and roughness."""
    own, teacher = found[voice], found[TEACHER]
    parts = []
    words = [measure for measure in own if measure.startswith(WORD_ERRORS)]
    for measure in (*SHOWN, *words):
        apart = own[measure].get("difference")
        if apart is not None:
            low, high = apart["interval_95"]
            parts.append(f"{measure} {apart['value']:+.3f} [{low:+.3f}, {high:+.3f}]")
    parts.append(f"{WIDTH} {own[WIDTH]:.2f}")
    rough = [name for name, figure in teacher.items() if isinstance(figure, float)]
    parts += [f"{name} {own[name]:.1f} ({teacher[name]:.1f})" for name in rough]
    return f"{voice}: {'; '.join(parts)}"


def pairs_of(given: Sequence[str]) -> dict[str, Path]:
    """Voice -> folder of its teacher's clips.

    Raises:
        InputError: a pair has another form, names no folder, or a voice comes twice.
    """
    pairs = dict[str, Path]()
    for pair in given:
        voice, _, place = pair.partition("=")
        if not voice or not place or voice in pairs or not Path(place).is_dir():
            raise InputError(f"--pair {pair}: expected VOICE=FOLDER, a folder that exists, once")
        pairs[voice] = Path(place)
    return pairs


@cache
def panel_of(weights: Path) -> JudgePanel:
    """The judges that a process asks of all its voices."""
    return load_panel(weights, only=JUDGES)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What voices are compared with, and by which judges."""

    bundle: Path
    texts: Path
    tools: Path
    weights: Path
    whisper: Path
    speaker: Path
    clips: int
    kept: Path
    """folder of the figures of voices so far"""

    def voice(self, name: str) -> TextVoice:
        (voice,) = open_voices([str(self.bundle)], SpeakingOptions(voices=(name,)))
        return voice

    def of(self, name: str, folder: Path) -> dict[str, Any]:
        """Figures of a voice and of its teacher, perhaps kept; prints their differences."""
        torch.set_num_threads(1)
        voice = self.voice(name)
        kept = self.kept / f"{name}.json"
        of = {"bundle": voice.about["sha256"], "teacher": str(folder), "clips": self.clips}
        stored = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
        if stored.get("of") != of:
            stored = {"of": of, "figures": self._measured(name, voice, folder)}
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(stored), "utf-8")
            part.replace(kept)
        found: dict[str, Any] = stored["figures"]
        print(line_of(name, found), flush=True)
        return found

    def _measured(self, name: str, voice: TextVoice, folder: Path) -> dict[str, Any]:
        language = voice.synthesizer.manifest.language
        spoken = evenly(clips_of(folder, self.texts, language), self.clips)
        examples = [
            read_audio(path)
            for clip in spoken[::REFERENCE_EVERY]
            if (path := find_audio(folder, clip.clip_id))
        ]
        judged = [clip for i, clip in enumerate(spoken) if i % REFERENCE_EVERY]
        panel = panel_of(self.weights)
        likeness = SpeakerSimilarity(SpeakerEncoder(self.speaker), examples, SAMPLE_RATE)
        recognizer = Whisper(self.whisper, language)
        own_panel = replace(
            panel,
            judges=[*panel.judges, likeness],
            recognizers={f"{WORD_ERRORS}, {self.whisper.name}": recognizer},
        )
        return beside(voice, folder, judged, own_panel, acoustics(self.tools))


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that speaks.")],
    texts: Annotated[Path, typer.Option(help="Folder of conversation-a.csv and spanish.csv.")],
    pair: Annotated[list[str], typer.Option(help="VOICE=FOLDER of its teacher; repeatable.")],
    tools: Annotated[Path, typer.Option(help="acoustics.py.")],
    weights: Annotated[Path, typer.Option(help="Directory of the judges' weights.")],
    whisper: Annotated[Path, typer.Option(help="Recognizer of several languages.")],
    speaker: Annotated[Path, typer.Option(help="Weights of the speaker encoder.")],
    clips: Annotated[int, typer.Option(min=1, help="Texts a voice, at most.")] = 150,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 1,
    record: bool = False,
    out: Annotated[Path, typer.Option(help="Directory of records.")] = RECORDS,
) -> None:
    """Speak, measure, print and record."""
    if record:
        check_recordable(out)
    pairs = pairs_of(pair)
    kept = out / "voices"
    comparison = Comparison(bundle, texts, tools, weights, whisper, speaker, clips, kept)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        found = dict(zip(pairs, pool.map(comparison.of, pairs, pairs.values()), strict=True))
    if record:
        used = only_bundle([comparison.voice(name).about for name in pairs])
        measured = Measured({"voices": found}, bundle_sha256=used)
        print(write_record("teachers", measured, study_command("teachers"), out))


if __name__ == "__main__":
    run_study(main)
