"""P.835 and PLCMOS, the judges that only measure."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from dlpo.errors import ConfigError, InputError, MissingExtraError
from dlpo.judges.judge import Waveform
from dlpo.judges.p835 import P835
from dlpo.judges.plcmos import Plcmos
from dlpo.rl.reward_models import parse_weights
from dlpo_bench.endings import EndMovement

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
RATE = 22_050  # Hz


@pytest.fixture(scope="module")
def p835() -> P835:
    return P835()


@pytest.fixture(scope="module")
def acoustics() -> ModuleType:
    """The script that defines the measures of the voice's work."""
    path = SHARED / "tools" / "acoustics.py"
    pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    if not path.is_file():
        pytest.skip(f"{path} is absent: the weights can't be shipped")
    spec = importlib.util.spec_from_file_location("acoustics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recording(clip_id: str) -> Waveform:
    path = SHARED / "data" / "ljspeech" / "wavs" / f"{clip_id}.flac"
    if not path.is_file():
        pytest.skip(f"{path} is absent: the corpus can't be shipped")
    return np.asarray(soundfile.read(path, dtype="float32")[0])


def hum(seconds: float, amplitude: float = 0.1) -> Waveform:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 200 * time) * np.hanning(len(time))).astype(np.float32)


@pytest.mark.parametrize("clip_id", ["LJ001-0002", "LJ001-0003"])
def test_both_equal_the_script_that_defines_them(
    p835: P835, acoustics: ModuleType, clip_id: str
) -> None:
    speech = recording(clip_id)
    found = [*p835.measure(speech, RATE, ""), *Plcmos().score([speech], RATE)]
    np.testing.assert_allclose(found, acoustics.Judges()(speech.astype(np.float64)), atol=1e-3)


@pytest.mark.parametrize("clip_id", ["LJ001-0002", "LJ001-0003", "LJ001-0004"])
def test_the_movement_of_an_end_equals_the_script(acoustics: ModuleType, clip_id: str) -> None:
    speech = recording(clip_id)
    moved, risen = EndMovement().measure(speech, RATE, "")
    assert moved == pytest.approx(acoustics.move(speech.astype(np.float64)), abs=1e-3)
    assert risen == (moved >= 3)


def test_loudness_earns_nothing(p835: P835) -> None:
    loud, quiet = hum(1.0), hum(1.0, 0.01)
    np.testing.assert_allclose(
        p835.measure(loud, RATE, ""), p835.measure(quiet, RATE, ""), atol=0.01
    )
    np.testing.assert_allclose(*Plcmos().score([loud, quiet], RATE), atol=0.01)


def test_silence_has_finite_scores(p835: P835) -> None:
    silence = np.zeros(RATE, np.float32)
    assert np.isfinite([*p835.measure(silence, RATE, ""), *Plcmos().score([silence], RATE)]).all()


def test_unusable_waveforms_are_refused(p835: P835) -> None:
    with pytest.raises(InputError, match=r"at least 0\.2 s"):
        p835.measure(hum(0.1), RATE, "")
    with pytest.raises(InputError, match=r"at least 0\.2 s"):
        Plcmos().score([hum(0.1)], RATE)


def test_missing_package_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "speechmos.plcmos", None)
    with pytest.raises(MissingExtraError, match=r"speechmos is not installed.*\[bench\]"):
        Plcmos()


@pytest.mark.parametrize("reward", ["p835", "plcmos=0.5", "distillmos=1,p835=1"])
def test_neither_can_be_a_reward(reward: str) -> None:
    with pytest.raises(ConfigError, match="PLCMOS take no part in any tuning"):
        parse_weights(reward)
