"""Speech Synthesis Markup Language 1.1, the part of it that a voice can do; see docs/ssml.md.

Reference: https://www.w3.org/TR/speech-synthesis11/
"""

from __future__ import annotations

from dlpo.text.ssml.prosody import ProsodyLimits
from dlpo.text.ssml.reader import is_ssml, read_ssml
from dlpo.text.ssml.script import Script, spoken_script

__all__ = ["ProsodyLimits", "Script", "is_ssml", "read_ssml", "spoken_script"]
