"""A damaged state of a run is an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.errors import TrainingError
from dlpo.training.run_state import STATE, UPDATE, saved_progress


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"update": "x"}', '{"update"'])
def test_a_damaged_update_is_an_error_with_advice(tmp_path: Path, content: str) -> None:
    assert saved_progress(tmp_path) == {}
    (tmp_path / STATE).mkdir()
    (tmp_path / STATE / UPDATE).write_text(content)
    with pytest.raises(TrainingError, match=r"can't be resumed.*delete it"):
        saved_progress(tmp_path)
