"""Judges: models that score speech, or transcribe it.

`Judge` scores naturalness (mean opinion scores, 1..5) or the speaker's identity, `Recognizer`
transcribes. Import the one you need: `dlpo.judges.distillmos`, `.nisqa`, `.dnsmos`, `.speaker`,
`.whisper`, `.pocketsphinx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WEIGHTS: Mapping[str, str] = MappingProxyType(
    {"NISQA": "nisqa.tar", "NISQA-TTS": "nisqa_tts.tar", "DNSMOS P.808": "dnsmos_model_v8.onnx"}
)
"""Judge -> file of its weights, which don't come with dlpo."""
