"""Other engines beside ours: their processes, their turns, and what is said where one is absent."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dlpo.cli import app
from dlpo.errors import EngineError, InputError, MissingExtraError
from dlpo_bench.machine import choose_cores
from dlpo_bench.options import PeersOptions
from dlpo_bench.peers import piper as piper_module
from dlpo_bench.peers.measure import (
    OWN_WHOLE,
    TEXTS,
    Peer,
    compare_peers,
    measure_peers,
    own_voice,
    peer_process,
    program,
    programs,
    whole_sentences,
)
from dlpo_bench.peers.piper import HOME, PYTHON, install_piper, piper
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


def script(name: str, code: str) -> Peer:
    """A peer that is a few lines of Python."""
    settings = {
        "command": [sys.executable, "-c", code, "{text}", "{out}"],
        "version": [sys.executable, "--version"],
    }
    return Peer(name, "a script", "command", settings, starts_each_time=True)


SCRIPT = script("script", SPEAKS)
SILENT = script("silent", SPEAKS.replace("len(text.split())", "0"))
FAILING = script("failing", "raise SystemExit(3)")
ABSENT = program("no-such-engine", "none")


def core() -> int:
    return choose_cores()[0]


def test_a_program_is_timed_with_its_children_and_its_audio_is_what_it_wrote() -> None:
    with peer_process(SCRIPT, core()) as process:
        assert process.version.startswith("Python 3")
        assert process.prepare("one two", None) == 2
        spoken = process.speak("one two three", 0)
        assert spoken["audio_s"] == 3
        assert spoken["rtf"] > 0
        assert 3 * spoken["cpu_rtf"] > 0.005  # a Python that starts: more than this process alone
        assert process.peak_mb("one") > 1


def test_our_voice_speaks_in_its_own_process(tiny_bundle: Path) -> None:
    with peer_process(own_voice(str(tiny_bundle), "fp32"), core()) as process:
        assert process.version.startswith("dlpo ")
        assert process.prepare("One two.", None) == process.speak("One two.", 1)["audio_s"] > 0
        assert process.peak_mb("One two.") > 1


def test_turns_give_each_contestant_every_text_every_round(tiny_bundle: Path) -> None:
    ours = own_voice(str(tiny_bundle), "fp32")
    contenders = [whole_sentences(str(tiny_bundle), "fp32"), SCRIPT, ABSENT, SILENT, FAILING]

    measured = compare_peers(ours, contenders, 2, core())

    assert set(measured.samples) == {"dlpo", OWN_WHOLE, "script"}
    assert set(measured.figures["ratios"]) == {OWN_WHOLE, "script"}
    assert set(measured.figures["ratios_to_whole"]) == {"dlpo", "script"}
    lengths = [one["5 s"]["audio_s"] for one in (measured.samples[n] for n in ("dlpo", OWN_WHOLE))]
    assert lengths[0] == lengths[1]
    for by_length in measured.samples.values():
        assert by_length.keys() == TEXTS.keys()
        assert {len(one["rtf"]) for one in by_length.values()} == {2}
    skipped = measured.figures["skipped"]
    assert set(skipped) == {"no-such-engine", "silent", "failing"}
    assert "apt install no-such-engine" in skipped["no-such-engine"]
    assert "made no audio" in skipped["silent"]
    assert "CalledProcessError" in skipped["failing"]
    ratio = measured.figures["ratios"]["script"]["5 s"]["rtf"]
    texts = {name: one["texts"]["5 s"] for name, one in measured.figures["contestants"].items()}
    assert ratio["value"] == pytest.approx(
        texts["script"]["rtf_median"] / texts["dlpo"]["rtf_median"]
    )
    assert "load_s" not in measured.figures["contestants"]["script"]
    assert measured.figures["contestants"]["dlpo"]["load_s"] > 0
    assert "no-such-engine" in markdown(peers_blocks(measured.figures))


def test_our_own_failure_ends_the_comparison(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="dlpo: InputError: no voice"):
        compare_peers(own_voice(str(tmp_path / "none"), "fp32"), [], 2, core())


def test_a_process_that_dies_says_so() -> None:
    dies = replace(SCRIPT, kind="no-such-kind")

    with (
        pytest.raises(EngineError, match="script: KeyError"),
        peer_process(dies, core()),
    ):
        pass

    with peer_process(SCRIPT, core()) as process:
        process._process.kill()
        process._process.wait()
        with pytest.raises(EngineError, match=r"its process ended with -9"):
            process.speak("one", 0)


def test_only_a_core_of_this_process_can_be_used() -> None:
    assert choose_cores() == [max(os.sched_getaffinity(0))]
    with pytest.raises(InputError, match="this process may use"):
        choose_cores(1, 4096)
    with pytest.raises(InputError, match="this process may use"):
        choose_cores(10_000)


def test_what_piper_lacks_is_shown_with_what_to_do(tmp_path: Path) -> None:
    assert 'run "dlpo bench peers --install piper"' in piper(tmp_path).missing

    (tmp_path / PYTHON).parent.mkdir(parents=True)
    (tmp_path / PYTHON).touch()
    assert "medium.onnx does not exist" in piper(tmp_path).missing

    for name in ("medium.onnx", "medium.onnx.json", "lessac.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "facts.json").write_text('{"parameters": 1}')
    assert not piper(tmp_path).missing
    assert piper(tmp_path).facts["parameters"] == 1

    trained = piper(tmp_path, tmp_path / "lessac.onnx")
    assert trained.missing.endswith("lessac.onnx.json does not exist")
    assert trained.settings["adjust"] is False  # its own durations
    assert trained.facts == {"weights": "trained"}


def test_piper_is_not_installed_without_what_makes_its_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piper_module, "find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match="torch"):
        install_piper(tmp_path / "piper")
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
    from dlpo_bench.peers.driver import PiperRunner as Driven

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
    peer = piper(HOME)
    if peer.missing:
        pytest.skip(peer.missing)
    assert peer.facts["parameters"] == pytest.approx(peer.facts["published_parameters"], rel=0.02)
    with peer_process(peer, core()) as process:
        process.prepare("One two three.", 1.0)
        assert 0.5 < process.speak("One two three.", 0)["audio_s"] < 2  # durations are random


def test_espeak_speaks_where_it_is_installed() -> None:
    espeak = programs()[0]
    if espeak.missing:
        pytest.skip(espeak.missing)
    with peer_process(espeak, core()) as process:
        assert "1." in process.version
        assert 0.2 < process.prepare("One two three.", None) < 3


@pytest.mark.parametrize("changed", [{"peer": ["festival"]}, {"voice": "no"}, {"core": 4096}])
def test_what_can_not_be_compared_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no peer 'festival'|no voice|may use"):
        measure_peers(PeersOptions(**changed), piper(tmp_path))


def test_only_piper_can_be_installed() -> None:
    assert CliRunner().invoke(app, ["bench", "peers", "--install", "flite"]).exit_code == 1
