"""Models and trainings of toy size."""

from __future__ import annotations

from dlpo.config import LiteConfig, SpectralConfig, TrainingConfig, WaveGrad2Config

LITE = LiteConfig(
    hidden_channels=16, encoder_blocks=1, prosody_blocks=1, mel_blocks=1, conditioning_channels=16,
    conditioning_blocks=1, up_channels=(16, 8), down_channels=(8, 8), level_channels=8,
)  # fmt: skip
SPECTRAL = SpectralConfig(
    hidden_channels=16, encoder_blocks=1, prosody_blocks=1, mel_blocks=1, conditioning_channels=16,
    conditioning_blocks=1, width=16, blocks=2, level_channels=8,
)  # fmt: skip
BASE = WaveGrad2Config(
    encoder_channels=16, encoder_layers=1, speaker_channels=4, predictor_channels=8,
    conditioning_channels=16, up_channels=(16, 8, 8, 8, 8), waveform_channels=4,
    down_channels=(8, 8, 8, 16),
)  # fmt: skip
LITE_TRAINING = TrainingConfig(
    updates=6, acoustic_updates=2, adversarial_updates=2, batch=2, acoustic_window=24,
    timing_batch=1, window=16, warmup=1, precision="no", log_every=1, validate_every=3,
    save_every=3,
)  # fmt: skip
