"""The level of the voices that ship."""

from __future__ import annotations

import pytest

from dlpo_bench.level import gain_for
from dlpo_bench.loudness import TARGET_LUFS
from dlpo_serving.voice_names import DEFAULT_VOICE
from dlpo_serving.voices import open_voice


def test_the_default_voice_speaks_at_the_target() -> None:
    voice = open_voice(DEFAULT_VOICE)
    assert voice.manifest.gain == pytest.approx(gain_for(voice, TARGET_LUFS), rel=0.02)
