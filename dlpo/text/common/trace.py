"""What read a text: which written form each passage, and which others would have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from dlpo.errors import TextError
from dlpo.text.common.reading import TextReading

if TYPE_CHECKING:
    from dlpo.text.common.forms import FormReading
    from dlpo.text.common.front_end import TextFrontEnd


class Trace:
    """Is shown what is decided while a text is read, and notes the forms that fire."""

    def __init__(self) -> None:
        self.fired: list[str] = []
        """names of forms in the order of the text, see `form_names`"""

    def form(self, match: re.Match[str], readings: Iterable[FormReading]) -> None:
        """A form has read a passage: of those that match there the first that says something.

        ``readings``: of all of them, in their order.
        """
        self.fired.append(next(one.form.name for one in readings if one.words is not None))


def forms_fired(front_end: TextFrontEnd, text: str, language: str = "") -> list[str]:
    """The names of the forms that read a text, in its order: one for each thing that they read.

    `form_names` has the names of all. Punctuation is read by none, nor is what SSML's <say-as>
    says. ``language``: BCP 47, by default that of the front end.
    """
    trace = Trace()
    with suppress(TextError):  # nothing to say; forms may have read it
        front_end.process(text, reading=TextReading(language=language, trace=trace))
    return trace.fired
