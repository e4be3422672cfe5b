"""What kind of ending an English text asks for."""

from __future__ import annotations

import pytest

from dlpo.text.en_us.endings import ENDINGS


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Can you hear me?", "yes_no"),
        ("Um, did I hear you?", "yes_no"),
        ("Isn't that nice?", "yes_no"),
        ("Where did you put it?", "wh"),
        ("And at what time?", "wh"),
        ("You closed it already?", "declarative"),
        ("Fifty dollars?", "declarative"),
        ("Would you like tea or coffee?", "alternative"),
        ("Are you coming or not?", "yes_no"),
        ("It's freezing, isn't it?", "tag"),
        ("You don’t take sugar, do you?", "tag"),
        ("He said, “Is it far?”", "declarative"),
        ("It is far.", "statement"),
        ("Stop!", "statement"),
    ],
)
def test_kind_of_ending(text: str, kind: str) -> None:
    assert ENDINGS.kind(text) == kind


def test_lists_have_commas_that_stay_up() -> None:
    assert ENDINGS.lists("We need bread, cheese, olives, and something sweet.")
    assert not ENDINGS.lists("If you like, come on over.")
