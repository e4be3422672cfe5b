"""Other engines beside ours: their processes, their turns, and what is said where one is absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dlpo.errors import EngineError, InputError
from dlpo_bench.clips import read_audio
from dlpo_bench.machine import choose_cores
from dlpo_bench.options import PeersOptions
from dlpo_bench.peers import measure
from dlpo_bench.peers.measure import Peer, compare_peers, own_voice, peer_process
from dlpo_bench.report.page import shown

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
ABSENT = measure.program("no-such-engine", "none")


def script(name: str, code: str) -> Peer:
    """A peer that is a few lines of Python."""
    settings = {
        "command": [sys.executable, "-c", code, "{text}", "{out}"],
        "version": [sys.executable, "--version"],
    }
    return Peer(name, "a script", "command", settings)


SCRIPT = script("script", SPEAKS)
SILENT = script("silent", SPEAKS.replace("len(text.split())", "0"))
FAILING = script("failing", "raise SystemExit(3)")


def core() -> int:
    return choose_cores()[0]


def test_a_program_is_timed_with_its_children_and_writes_audio(tmp_path: Path) -> None:
    with peer_process(SCRIPT, core()) as process:
        assert process.version.startswith("Python 3")
        spoken = process.speak("one two three", 0)
        assert spoken["audio_s"] == 3
        assert spoken["rtf"] > 0
        assert 3 * spoken["cpu_rtf"] > 0.005  # a Python that starts: more than this process alone
        assert process.ask(do="memory", text="one")["peak_mb"] > 1
        process.ask(do="write", text="one two", path=str(tmp_path / "two.wav"))
    assert len(read_audio(tmp_path / "two.wav")) == 2 * 22_050  # from 8,000 Hz


def test_turns_give_each_contestant_every_text_every_round(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "WORDS_PER_S", 100)
    ours = own_voice(str(tiny_bundle), "fp32")
    contenders = [own_voice(str(tiny_bundle), "fp32", whole=True), SCRIPT, ABSENT, SILENT, FAILING]

    measured = compare_peers(ours, contenders, 2, core())

    assert set(measured.samples) == {"dlpo", measure.OWN_WHOLE, "script"}
    assert set(measured.figures["ratios"]) == {measure.OWN_WHOLE, "script"}
    assert set(measured.figures["ratios_to_whole"]) == {"dlpo", "script"}
    lengths = [
        one["5 s"]["audio_s"] for one in (measured.samples[n] for n in ("dlpo", measure.OWN_WHOLE))
    ]
    assert lengths[0] == lengths[1]
    for name, by_length in measured.samples.items():
        assert by_length.keys() == {*measure.TEXTS, measure.STREAMED}
        streamed = by_length.pop(measure.STREAMED)["first_ms"]
        # the shortest first sentence is 7 words; dlpo speaks its first three once a phrase ends
        assert min(streamed) > (6 if name == "script" else 3) * 10
        assert {len(one["rtf"]) for one in by_length.values()} == {2}
        for one in by_length.values():
            whole_ms = 1000 * one["rtf"][0] * one["audio_s"][0]
            assert 0 < one["first_ms"][0] < whole_ms + 1e-6
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
    ours_found = measured.figures["contestants"]["dlpo"]
    assert ours_found["load_s"] > 0
    assert ours_found["size_mb"] > sum(p.stat().st_size for p in tiny_bundle.iterdir()) / 1e6
    assert "no-such-engine" in shown("peers", measured.figures)


def test_contestants_speak_the_lines_of_a_file_for_eval(tiny_bundle: Path, tmp_path: Path) -> None:
    texts, ours = tmp_path / "texts.txt", {"voice": str(tiny_bundle), "precision": "fp32"}
    texts.write_text("Hum.\n\nOne two.\n")
    asked = PeersOptions(**ours, peer=["dlpo-whole", "piper"], texts=texts, speak=tmp_path / "out")
    (tmp_path / "out/dlpo").mkdir(parents=True)
    (tmp_path / "out/dlpo/line-0009.wav").touch()  # of an earlier run
    folders = measure.speak_with_peers(asked)
    assert [folder.name for folder in folders] == ["dlpo", "dlpo-whole"]
    chunked, whole = ([len(read_audio(path)) for path in sorted(one.iterdir())] for one in folders)
    assert (len(chunked), chunked) == (2, whole)
    with pytest.raises(InputError, match="needs --texts"):
        measure.speak_with_peers(PeersOptions(speak=tmp_path))


def test_our_own_failure_ends_the_comparison(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="dlpo: InputError: no voice"):
        compare_peers(own_voice(str(tmp_path / "none"), "fp32"), [], 2, core())


def test_all_peers_to_install_are_known_before_the_first_is() -> None:
    options = PeersOptions(install=["hibari", "kokoro"])
    with pytest.raises(InputError, match="can't install 'kokoro'; expected one of piper, hibari"):
        measure.measure_peers(options)
