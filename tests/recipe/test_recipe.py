"""A recipe is followed in order, resumes, and says what it cost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from filelock import FileLock

from dlpo.errors import ConfigError
from recipe.run import LOG, Attempt, Runner, core_hours
from recipe.stages import jobs, needed, read_recipe

ROOT = Path(__file__).resolve().parents[2]
NOTE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(' '.join(sys.argv[2:]))"
SMALL = f"""
[places]
work = "work"

[shares.all]
ann = 0.75
ben = 0.25

[[stages]]
name = "speech"
what = "Speech of each voice."
each = ["af_ann", "am_ben"]
command = '''python -c "{NOTE}" {{work}}/{{speaker}} {{voice}}'''
makes = "{{work}}/{{speaker}}"

[[stages]]
name = "corpus"
what = "The same, measured."
needs = ["speech"]
each = ["af_ann", "am_ben"]
command = '''python -c "{NOTE}" {{work}}/{{speaker}}.corpus {{speaker}}'''
makes = "{{work}}/{{speaker}}.corpus"

[[stages]]
name = "train"
what = "All voices."
needs = ["corpus"]
data = "all"
command = '''python -c "{NOTE}" {{work}}/model'''
makes = "{{work}}/model"
"""


@pytest.fixture
def follow(tmp_path: Path) -> Callable[[str], Runner]:
    """A runner of a recipe's text, in one folder."""

    def runner(text: str) -> Runner:
        file = tmp_path / "recipe.toml"
        file.write_text(text)
        todo = jobs(read_recipe(file, {"work": str(tmp_path / "work")}))
        return Runner(tmp_path / "work", todo, lambda line: None)

    return runner


def test_a_stage_runs_for_each_voice_and_shares_become_data(
    follow: Callable[[str], Runner], tmp_path: Path
) -> None:
    assert follow(SMALL).run(2)
    work = tmp_path / "work"
    assert (work / "ben").read_text() == "am_ben"
    assert (work / "ann.corpus").read_text() == "ann"
    expected = f"--data {work}/data/ann=0.75 --data {work}/data/ben=0.25"
    assert (work / "model").read_text() == expected


def test_a_voice_waits_for_its_own_stage_alone(follow: Callable[[str], Runner]) -> None:
    needs = {job.name: set(job.needs) for job in follow(SMALL).todo}
    assert needs["corpus am_ben"] == {"speech am_ben"}
    assert needs["train"] == {"corpus af_ann", "corpus am_ben"}


def test_what_is_done_is_not_done_again(follow: Callable[[str], Runner]) -> None:
    assert follow(SMALL).run(1)
    before = len(follow(SMALL).attempts())
    again = follow(SMALL)
    assert again.run(1)
    assert len(again.attempts()) == before == 5


def test_what_was_removed_is_made_again(follow: Callable[[str], Runner], tmp_path: Path) -> None:
    assert follow(SMALL).run(1)
    (tmp_path / "work" / "model").unlink()
    assert [job.name for job in follow(SMALL).waiting()] == ["train"]


def test_a_changed_command_of_a_finished_stage_is_refused(
    follow: Callable[[str], Runner],
) -> None:
    assert follow(SMALL).run(1)
    changed = follow(SMALL.replace("{work}/{speaker} {voice}", "{work}/{speaker} other"))
    with pytest.raises(ConfigError, match=r"speech af_ann .*has changed"):
        changed.run(1)


def test_a_lost_attempt_replaces_an_older_one(
    follow: Callable[[str], Runner], tmp_path: Path
) -> None:
    changed = SMALL.replace("{work}/{speaker} {voice}", "{work}/{speaker} other")
    assert follow(SMALL).run(1)
    with (tmp_path / "work" / LOG).open("a") as log:
        for job in follow(changed).todo:  # each wrote what it makes again, and was lost
            begun = Attempt(job.name, job.sha256, "c", "2026-11-26T00:00:00+00:00")
            log.write(json.dumps(asdict(begun)) + "\n")
    again = follow(changed)
    assert again.waiting() == again.todo
    assert again.run(1)


def test_a_failure_stops_what_needs_it(follow: Callable[[str], Runner]) -> None:
    runner = follow(SMALL.replace("{work}/{speaker}.corpus {speaker}", "/nowhere/at/all x"))
    assert not runner.run(1)
    ended = {one.job: one.ended for one in runner.attempts()}
    assert ended["corpus af_ann"] == "failed"
    assert "train" not in ended


def test_an_interrupted_run_stops_its_command_and_goes_on(tmp_path: Path) -> None:
    file, work = tmp_path / "r.toml", tmp_path / "work"
    patient = (
        "import pathlib, sys, time\n"
        "place = pathlib.Path(sys.argv[1]); begun = place.with_suffix('.begun')\n"
        "if begun.exists(): place.touch(); sys.exit()\n"
        "begun.touch()\n"
        "try: time.sleep(600)\n"
        "except KeyboardInterrupt: sys.exit(130)\n"
    )
    (tmp_path / "patient.py").write_text(patient)
    file.write_text(
        f'[places]\nwork = "{work}"\n[[stages]]\nname = "long"\nwhat = "Long."\n'
        f'command = "python {tmp_path}/patient.py {{work}}/made"\nmakes = "{{work}}/made"\n'
    )
    command = [sys.executable, "-m", "recipe", "run", str(file)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while not (work / "made.begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    lines = [json.loads(line) for line in (work / LOG).read_text().splitlines()]
    assert [line["ended"] for line in lines] == ["lost", "stopped", "lost", "done"]


def test_a_stage_with_a_time_limit_saves_and_is_done(
    follow: Callable[[str], Runner], tmp_path: Path
) -> None:
    (tmp_path / "long.py").write_text(
        "import pathlib, sys, time\n"
        "try: time.sleep(600)\n"
        "except KeyboardInterrupt: pathlib.Path(sys.argv[1]).touch()\n"
    )
    limited = follow(
        f'[places]\nwork = "{tmp_path}/work"\n[[stages]]\nname = "long"\nwhat = "Long."\n'
        f'seconds = 1.5\ncommand = "python {tmp_path}/long.py {{work}}/made"\n'
        'makes = "{work}/made"\n'
    )
    assert limited.run(1)
    assert [one.ended for one in limited.attempts()] == ["done"]


def test_a_stage_brings_what_it_needs_and_no_more(follow: Callable[[str], Runner]) -> None:
    todo = follow(SMALL + SMALL[SMALL.index("[[stages]]") :].replace('name = "', 'name = "b-')).todo
    names = [job.name for job in needed(todo, ["train"])]
    assert names == [
        "speech af_ann", "speech am_ben", "corpus af_ann", "corpus am_ben", "train",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="no stage is named tarin"):
        needed(todo, ["tarin"])


def test_time_of_all_attempts_counts() -> None:
    one = Attempt("train", "0" * 64, "c", "2026-11-26T00:00:00+00:00", "stopped", 7200.0, 9000.0)
    assert core_hours([one, replace(one, ended="done", cpu_s=3600.0)]) == {"train": 3.0}


def test_a_folder_is_worked_in_by_one_process(
    follow: Callable[[str], Runner], tmp_path: Path
) -> None:
    runner = follow(SMALL)
    with FileLock(tmp_path / "work" / "lock"), pytest.raises(ConfigError, match="another process"):
        runner.run(1)
    assert runner.waiting() == runner.todo
    assert runner.run(1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('needs = ["speech"]', 'needs = ["talk"]', "no stage is named talk before corpus"),
        (
            'data = "all"',
            'data = "most"',
            "no table of shares is named most for train; expected all",
        ),
        ("{work}/model'''", "{wrok}/model'''", "wrok"),
        ('what = "All voices."', 'waht = "All voices."', "did you mean 'what'"),
        ('name = "train"', 'name = "corpus"', "two stages are named corpus"),
        ('work = "work"', 'play = "work"', "work"),
    ],
)
def test_a_recipe_that_cannot_be_followed_says_why(
    follow: Callable[[str], Runner], old: str, new: str, message: str
) -> None:
    assert old in SMALL
    with pytest.raises(ConfigError, match=message):
        follow(SMALL.replace(old, new))


def test_each_voice_is_prepared_in_its_language() -> None:
    words = {job.name: job.words for job in jobs(read_recipe(ROOT / "recipe/voice.toml"))}
    for voice, language in (("af_heart", "en-US"), ("ef_dora", "es-419")):
        for stage in ("data", "prosody-data"):
            prepared = words[f"{stage} {voice}"]
            assert prepared[prepared.index("--language") + 1] == language
