"""Judges: models that score speech, or transcribe it.

`Judge` scores naturalness (mean opinion scores, 1..5) or the speaker's identity, `Recognizer`
transcribes, `ClipMeasure` gives several figures or knows the text. Import the one you need:
`dlpo.judges.distillmos`, `.nisqa`, `.dnsmos`, `.p835`, `.plcmos`, `.speaker`, `.whisper`,
`.pocketsphinx`.
"""

from __future__ import annotations

WEIGHTS = {
    "NISQA": "nisqa.tar", "NISQA-TTS": "nisqa_tts.tar", "DNSMOS P.808": "dnsmos_model_v8.onnx",
    "P.835": "dnsmos_sig_bak_ovr.onnx",
}  # fmt: skip
"""Judge -> its weights file, which does not come with dlpo."""
SOURCES = {
    "nisqa.tar": "https://github.com/gabrielmittag/NISQA (weights/nisqa.tar)",
    "nisqa_tts.tar": "https://github.com/gabrielmittag/NISQA (weights/nisqa_tts.tar)",
    "dnsmos_model_v8.onnx": (
        "https://github.com/microsoft/DNS-Challenge (DNSMOS/DNSMOS/model_v8.onnx, saved as"
        " dnsmos_model_v8.onnx)"
    ),
    "dnsmos_sig_bak_ovr.onnx": (
        "https://github.com/microsoft/DNS-Challenge (DNSMOS/DNSMOS/sig_bak_ovr.onnx, saved as"
        " dnsmos_sig_bak_ovr.onnx)"
    ),
}
"""Weights file -> where its authors publish it."""
