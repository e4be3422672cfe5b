"""Other engines beside ours: their processes, their turns, and what is said where one is absent."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo_bench.machine import usable_core
from dlpo_bench.peers import piper as piper_module
from dlpo_bench.peers.comparison import (
    ESPEAK,
    TEXTS,
    WHOLE,
    Contestant,
    PeersOptions,
    Program,
    WholeSentences,
    contestant_process,
    measure_peers,
    own_voice,
)
from dlpo_bench.peers.piper import Piper, install_piper, peers_cache
from dlpo_bench.report.speed import peers_blocks
from dlpo_bench.tables import markdown

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="holds processes to a core")

# Writes a second of silence for each word.
SPEAKS = """
import sys, wave
text, out = sys.argv[1:]
print("noise on standard output")
with wave.open(out, "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(bytes(2 * 8000 * len(text.split())))
"""


def ignore(line: str) -> None:
    """What is done."""


@dataclass(frozen=True)
class Script:
    """A peer that is a few lines of Python."""

    name: str
    code: str

    def missing(self) -> str | None:
        return None

    def contestant(self) -> Contestant:
        settings = {
            "command": [sys.executable, "-c", self.code, "{text}", "{out}"],
            "version": [sys.executable, "--version"],
        }
        return Contestant(self.name, "a script", "command", settings, starts_each_time=True)


SCRIPT = Script("script", SPEAKS)
SILENT = Script("silent", SPEAKS.replace("len(text.split())", "0"))
FAILING = Script("failing", "raise SystemExit(3)")
ABSENT = Program("no-such-engine", "none", "no-such-package", ())


def core() -> int:
    return usable_core(None)


def test_a_program_is_timed_with_its_children_and_its_audio_is_what_it_wrote() -> None:
    with contestant_process(SCRIPT.contestant(), core()) as process:
        assert process.version.startswith("Python 3")
        assert process.prepare("one two", None) == 2
        spoken = process.speak("one two three", 0)
        assert spoken.audio_s == 3
        assert spoken.wall_s > 0
        assert spoken.cpu_s > 0.005  # a Python that starts: more than this process alone
        assert process.peak_mb("one") > 1


def test_our_voice_speaks_in_its_own_process(tiny_bundle: Path) -> None:
    with contestant_process(own_voice(str(tiny_bundle), "fp32"), core()) as process:
        assert process.version.startswith("dlpo ")
        assert process.prepare("One two.", None) == process.speak("One two.", 1).audio_s > 0
        assert process.peak_mb("One two.") > 1


def test_turns_give_each_contestant_every_text_every_round(tiny_bundle: Path) -> None:
    ours = own_voice(str(tiny_bundle), "fp32")
    contenders = [WholeSentences(str(tiny_bundle), "fp32"), SCRIPT, ABSENT, SILENT, FAILING]

    measured = measure_peers(ours, contenders, PeersOptions(rounds=2, core=core()), ignore)

    assert set(measured.samples) == {"dlpo", WHOLE, "script"}
    assert set(measured.figures["ratios"]) == {WHOLE, "script"}
    assert set(measured.figures["ratios_to_whole"]) == {"dlpo", "script"}
    lengths = [one["5 s"]["audio_s"] for one in (measured.samples[n] for n in ("dlpo", WHOLE))]
    assert lengths[0] == lengths[1]
    for by_length in measured.samples.values():
        assert by_length.keys() == TEXTS.keys()
        assert {len(one["rtf"]) for one in by_length.values()} == {2}
    skipped = measured.figures["skipped"]
    assert set(skipped) == {"no-such-engine", "silent", "failing"}
    assert "apt install no-such-package" in skipped["no-such-engine"]
    assert "made no audio" in skipped["silent"]
    assert "CalledProcessError" in skipped["failing"]
    ratio = measured.figures["ratios"]["script"]["5 s"]["rtf"]
    texts = {name: one["texts"]["5 s"] for name, one in measured.figures["contestants"].items()}
    assert ratio["value"] == pytest.approx(
        texts["script"]["rtf_median"] / texts["dlpo"]["rtf_median"]
    )
    assert "load_s" not in measured.figures["contestants"]["script"]
    assert measured.figures["contestants"]["dlpo"]["load_s"] > 0
    assert "no-such-package" in markdown(peers_blocks(measured.figures))


def test_our_own_failure_ends_the_comparison(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="dlpo: InputError: no voice"):
        measure_peers(
            own_voice(str(tmp_path / "none"), "fp32"), [], PeersOptions(2, core()), ignore
        )


def test_a_process_that_dies_says_so() -> None:
    dies = replace(SCRIPT.contestant(), kind="no-such-kind")

    with (
        pytest.raises(EngineError, match="script: KeyError"),
        contestant_process(dies, core()),
    ):
        pass

    with contestant_process(SCRIPT.contestant(), core()) as process:
        process._process.kill()
        process._process.wait()
        with pytest.raises(EngineError, match=r"its process ended with -9"):
            process.speak("one", 0)


def test_only_a_core_of_this_process_can_be_used() -> None:
    assert usable_core(None) == max(os.sched_getaffinity(0))
    with pytest.raises(InputError, match="core is 4096; this process may use"):
        usable_core(4096)


def test_what_piper_lacks_is_told_with_what_to_do(tmp_path: Path) -> None:
    piper = Piper(tmp_path)
    assert 'run "dlpo bench peers --install piper"' in str(piper.missing())

    piper.python.parent.mkdir(parents=True)
    piper.python.touch()
    assert "medium.onnx is not there" in str(piper.missing())

    for name in ("medium.onnx", "medium.onnx.json"):
        (tmp_path / name).touch()
    assert piper.missing() is None

    trained = replace(piper, voice=tmp_path / "lessac.onnx")
    assert str(trained.missing()).endswith("lessac.onnx is not there")


def test_a_trained_piper_voice_keeps_its_own_durations(tmp_path: Path) -> None:
    contestant = Piper(tmp_path, tmp_path / "lessac.onnx").contestant()

    assert contestant.settings["adjust"] is False
    assert contestant.facts == {"weights": "trained"}


def test_piper_is_not_installed_without_what_makes_its_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_module, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match="torch"):
        install_piper(tmp_path / "piper", ignore)
    assert not (tmp_path / "piper").exists()


def test_multiplications_are_counted_as_the_kernels_make_them() -> None:
    torch = pytest.importorskip("torch")
    from dlpo_bench.peers.piper_model import _counted

    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.flow = torch.nn.Conv1d(4, 6, 3, groups=2, padding=1)
            self.dec = torch.nn.ModuleList([torch.nn.ConvTranspose1d(6, 2, 8, stride=4)])

        def forward(self, x: Any) -> Any:
            return self.dec[0](self.flow(x))

    model = Model()
    with torch.no_grad(), _counted(model) as counts:
        model(torch.zeros(1, 4, 10))

    # Each weight meets each of the 10 places once.
    assert counts == {
        "flow": 10 * model.flow.weight.numel(),
        "dec": 10 * model.dec[0].weight.numel(),
    }


def test_random_durations_are_stretched_to_the_length_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver's own arithmetic, with a voice that takes two seconds at scale 1."""
    from dlpo_bench.peers.driver import Piper as Driven

    class Voice:
        def synthesize(self, text: str, scale: float | None) -> list[Any]:
            samples = [0.0] * round(2 * 1000 * (scale or 1.0))
            return [type("Chunk", (), {"audio_float_array": samples, "sample_rate": 1000})]

    driven = Driven.__new__(Driven)  # without Piper's packages
    driven._voice, driven._adjust, driven._scales = Voice(), True, {}
    driven._settings = lambda length_scale: length_scale

    assert driven.prepare("A text.", 5.0) == pytest.approx(5.0)
    assert driven.seconds(driven.speak("Another.", 0)) == 2
    driven._adjust = False
    assert driven.prepare("A third.", 5.0) == 2


def test_piper_speaks_with_the_published_number_of_parameters() -> None:
    piper = Piper(peers_cache() / "piper")
    if reason := piper.missing():
        pytest.skip(reason)
    contestant = piper.contestant()

    published = contestant.facts["published_parameters"]
    assert contestant.facts["parameters"] == pytest.approx(published, rel=0.02)
    with contestant_process(contestant, core()) as process:
        process.prepare("One two three.", 1.0)
        assert 0.5 < process.speak("One two three.", 0).audio_s < 2  # durations are random


def test_espeak_speaks_where_it_is_installed() -> None:
    if reason := ESPEAK.missing():
        pytest.skip(reason)
    with contestant_process(ESPEAK.contestant(), core()) as process:
        assert "1." in process.version
        assert 0.2 < process.prepare("One two three.", None) < 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--peer", "festival"],
            "no peer 'festival'; expected one of dlpo-whole, piper, espeak-ng, flite",
        ),
        (["--install", "flite"], "can't install 'flite'"),
        (["--voice", "nobody"], "no voice 'nobody'"),
        (["--core", "4096"], "core is 4096"),
    ],
)
def test_the_command_refuses_what_it_can_not_use(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", "peers", *arguments])

    assert result.exit_code == 1
    assert message in str(result.exception) + result.output
