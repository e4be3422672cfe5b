"""Which written forms read a text."""

from __future__ import annotations

from contextlib import suppress

from dlpo.errors import TextError
from dlpo.text import TextFrontEnd
from dlpo.text.common.reading import ReadingOptions
from dlpo.text.common.trace import Trace


def forms_fired(front_end: TextFrontEnd, text: str, language: str = "") -> list[str]:
    """The names of the forms that read a text, in its order: one for each thing that they read.

    Punctuation is read by none, nor is what SSML's <say-as> says. ``language``: BCP 47, by default
    that of the front end.
    """
    trace = Trace()
    with suppress(TextError):  # nothing to say; forms may have read it
        front_end.process(text, options=ReadingOptions(language=language, trace=trace))
    return trace.fired
