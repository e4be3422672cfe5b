"""Each command that does real work, run on a corpus, a checkpoint and a voice of toy size."""

from __future__ import annotations

import io
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlpo.bundle import Bundle, copy_bundle
from dlpo.config.strict import to_dict
from dlpo_bench.loudness import integrated_loudness, spoken_sentences
from dlpo_export.options import ExportOptions
from dlpo_serving.voices import open_voice
from tests.callers import command as run
from tests.toys import BASE


def test_prepare_counts_what_it_took_and_names_what_it_left_out(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    alignments = tmp_path / "alignments.tsv"
    lines = (tiny_corpus / "alignments.tsv").read_text().splitlines()
    alignments.write_text("\n".join(line for line in lines if "LJ001-0002" not in line) + "\n")

    result = run(
        "prepare", "ljspeech", tiny_corpus, "--alignments", alignments, "--out", tmp_path / "data"
    )

    assert result.exit_code == 0
    assert "3 clips with audio, 1 with timing only" in result.stdout
    assert "left out LJ001-0002: no alignment" in result.stdout


def test_train_builds_the_published_model_in_any_size(
    tiny_dataset: Path, tmp_path: Path, base_checkpoint: Path
) -> None:
    words = ["train", "base", "--data", tiny_dataset, "--out", tmp_path / "run"]
    sizes = [f"model.{key}={json.dumps(value)}" for key, value in to_dict(BASE).items()]
    for setting in ("updates=1", "batch=2", "window=8", "precision=no", *sizes[1:]):
        words += ["--set", setting]

    result = run(*words)

    assert result.exit_code == 0, result.stderr
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["model"] == to_dict(BASE)
    assert described["training"]["learning_rate"] == 3e-4
    wrong = run(*words, "--set", "acoustic_updates=3")
    assert "WaveGrad2Training has the unknown key 'acoustic_updates'" in wrong.stderr
    other = run(*words, "--init", base_checkpoint)
    assert "the model is that of --init" in other.stderr
    assert wrong.exit_code == other.exit_code == 1


def test_export_hands_every_option_on(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("hum HH AH1 M\n")
    calls: list[tuple[Any, ...]] = []
    out = tmp_path / "toy"

    def export_bundle(*arguments: Any) -> None:
        calls.append(arguments)
        shutil.copytree(tiny_bundle, out)

    monkeypatch.setattr("dlpo_export.pipeline.export_bundle", export_bundle)

    chain = ("--steps", "1", "--steps", "3", "--default-steps", "3", "--eta", "0.5")
    voice = ("--voice", "toy", "--gain", "2", "--dictionary", words)
    numbers = ("--precision", "fp16", "--weight-bits", "8")
    result = run("export", tiny_checkpoint, "--out", out, *chain, *voice, *numbers)

    assert result.stdout == f"{out}\n"
    expected = ExportOptions(
        steps=(1, 3),
        default_steps=3,
        schedule="cosine:1.25",
        eta=0.5,
        precisions=("fp16",),
        weight_bits=8,
        voice="toy",
        voices={"toy": "toy"},
        gain=2.0,
        dictionary={"hum": "HH AH1 M"},
    )
    assert calls == [(tiny_checkpoint, out, expected)]


@pytest.mark.parametrize("name", ["heart", "toy.dlpo"])
def test_export_sets_the_gain_by_what_is_heard(
    name: str,
    tiny_checkpoint: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "dlpo_export.pipeline.export_bundle",
        lambda *_: copy_bundle(Bundle.load(tiny_bundle), Path(name)),
    )
    assert run("export", tiny_checkpoint, "--out", name, "--loudness", -30).exit_code == 0
    voice = open_voice(tmp_path / name)
    joined = np.concatenate(spoken_sentences(voice))
    assert integrated_loudness(joined, voice.manifest.sample_rate_hz) == pytest.approx(-30, abs=0.1)
    both = run("export", tiny_checkpoint, "--out", name, "--loudness", -30, "--gain", 2)
    assert (both.exit_code, "--gain or --loudness" in both.stderr) == (2, True)


def test_export_names_what_it_lacks(tiny_bundle: Path, tmp_path: Path) -> None:
    neither = run("export", tmp_path, "--out", tmp_path / "out")
    assert (neither.exit_code, "neither a checkpoint" in neither.stderr) == (1, True)
    asked = run("export", tiny_bundle)
    assert asked.exit_code == 2
    assert "is a bundle already" in " ".join(asked.stderr.replace("│", " ").split())


def test_voice_speaks_to_a_file_and_to_standard_output_alike(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    heard = tmp_path / "heard.wav"
    prosody = ("--speed", "1.5", "--pitch", "2", "--seed", "7", "--steps", "1")

    to_file = run("say", "Hum, hum.", "-o", heard, "--voice", tiny_bundle, *prosody)
    to_stdout = run("say", "Hum, hum.", "-o", "-", "--voice", tiny_bundle, *prosody)

    assert to_file.exit_code == to_stdout.exit_code == 0
    assert to_stdout.stdout_bytes == heard.read_bytes()
    with wave.open(io.BytesIO(to_stdout.stdout_bytes)) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (22050, 1, 2)
    assert "than real time" in to_file.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--speed", "nan"), 2, "'--speed': is nan; expected a number"),
        (("--pitch", "7"), 2, "'--pitch': is 7; expected -6 to 6"),
        (("--steps", "3"), 2, "'--steps': is 3; voice 'lj' has 1, 2"),
        (("-o", "x.foo"), 2, "'--out': 'x.foo' names no audio format"),
        (("-o", "/nowhere/x.wav"), 1, "can't write /nowhere/x.wav"),
        (("-x",), 2, "No such option: -x; to say it, put -- first"),
        (("there",), 2, "put the text in quotes"),
    ],
)
def test_say_refuses_what_the_voice_or_the_disk_can_not_do(
    options: tuple[str, ...],
    code: int,
    message: str,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dlpo_serving.engines.open_engine", pytest.fail)  # all is found before

    result = run("say", "Hum.", "-o", tmp_path / "out.wav", "--voice", tiny_bundle, *options)

    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out.wav").exists()


def test_schedule_lists_the_best_first(tiny_checkpoint: Path, tiny_dataset: Path) -> None:
    result = run(
        "schedule", tiny_checkpoint, "--data", tiny_dataset, "--steps", "1", "--clips", "1"
    )
    header, *rows = (line.split("\t") for line in result.stdout.splitlines())
    assert header == ["schedule", "eta", "distance"]
    assert {"cosine", "linear", "logarithmic"} <= {name for name, _, _ in rows}
    distances = [float(distance) for _, _, distance in rows]
    assert distances == sorted(distances)


def test_a_checkpoint_keeps_the_chain_that_was_found(
    tiny_checkpoint: Path, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = ("--steps", "2", "--schedule", "cosine", "--eta", "0.5", "--gains", "--clips", "1")
    out = tmp_path / "found"
    listed = run("schedule", tiny_checkpoint, "--data", tiny_dataset, *tried, "--out", out)
    _, scaled, plain = (line.split("\t") for line in listed.stdout.splitlines())
    assert (plain[:2], float(scaled[2]) <= float(plain[2])) == (["cosine", "0.5"], True)

    options: list[ExportOptions] = []
    monkeypatch.setattr(
        "dlpo_export.pipeline.export_bundle", lambda *given: options.append(given[2])
    )
    run("export", out, "--out", tmp_path / "bundle")
    assert options[0] == ExportOptions(
        steps=(2,), default_steps=2, schedule=scaled[0], eta=0.5, voices=options[0].voices
    )


def test_a_contour_is_trained_for_the_voice_of_init(
    tiny_dataset: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    settings = ("updates=2", "reading_updates=1", "batch=2", "precision=no", "model.blocks=2")
    options = [option for setting in settings for option in ("--set", setting)]
    words = ("train", "contour", "--data", tiny_dataset, "--out", tmp_path / "run")
    trained = run(*words, "--init", tiny_checkpoint, *options)
    assert trained.exit_code == 0
    checkpoint = tmp_path / "run" / "checkpoint"
    assert Path(trained.stdout.split()[-1]) == checkpoint
    config = json.loads((checkpoint / "checkpoint.json").read_text())["config"]
    assert config["contour"]["blocks"] == 2
    alone = run(*words)
    assert (alone.exit_code, "give it with --init" in alone.stderr) == (1, True)
