"""The command line's contract with a shell: what it prints, where, and with which exit code."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import dlpo
from dlpo.commit import source_commit
from dlpo.errors import DataError, pip_install
from dlpo_bench import record
from dlpo_cli import PACKAGES
from dlpo_serving.operations.keys import KeyRing
from tests.callers import command as run

ROOT = Path(dlpo.__file__).resolve().parents[1]
DLPO = (sys.executable, "-c", "from dlpo_cli import app; app()")


def test_version_is_that_of_the_package_and_of_its_commit() -> None:
    commit = source_commit()

    message = f"dlpo {dlpo.__version__} ({commit})" if commit else f"dlpo {dlpo.__version__}"
    assert run("--version").stdout == f"{message}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sing", "la"),
        ("say", "text", "--speed", "fast", "-o", "out.wav"),
        ("serve", "--port", "70000"),
        ("prepare", "ljspeech", "no such folder", "--alignments", ".", "--out", "data"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert result.stdout == ""


def test_our_error_is_a_line_on_stderr_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fail = Mock(side_effect=DataError("metadata.csv: lone surrogate \ud800"))
    monkeypatch.setattr("dlpo.data.launch.prepare", fail)
    folder = str(tmp_path)
    result = run("prepare", "ljspeech", folder, "--alignments", folder, "--out", folder)

    assert result.exit_code == 1
    assert result.stderr == "dlpo: metadata.csv: lone surrogate \\ud800\n"


def test_logs_of_all_packages_are_shown() -> None:
    root = Path(__file__).parents[2]
    folders = (root, *(root / part for part in ("serving", "export", "benchmarks")))
    packages = {init.parent.name for folder in folders for init in folder.glob("dlpo*/__init__.py")}

    assert packages == set(PACKAGES)


def test_interrupted_command_exits_with_130_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dlpo.text.TextFrontEnd.process", Mock(side_effect=KeyboardInterrupt))
    result = run("phonemes", "hello")

    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_closed_pipe_prints_no_error() -> None:
    command = [*DLPO, "phonemes", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(b"Nobody listens. " * 2000)  # more JSON than a pipe holds
        process.stdin.close()

        assert process.stderr.read() == b""


def test_phonemes_lists_sentences_of_standard_input() -> None:
    text = "A cat, asleep! It costs $5."
    plain = run("phonemes", "-", stdin=text)
    marked = run("phonemes", "-", stdin=b"\xef\xbb\xbf" + text.encode())
    first, second = json.loads(plain.stdout)
    assert [first, second] == json.loads(marked.stdout) == json.loads(run("phonemes", text).stdout)
    assert first["normalized"] == "a cat asleep"
    assert first["words"][1] == {"word": "cat", "phonemes": ["K", "AE1", "T"]}
    assert second["normalized"] == "it costs five dollars"


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("grpc", ("serve", "--port", "0"), "serve"),
        ("torch", ("train", "spectral", "--data", ".", "--out", "run"), "train"),
    ],
)
def test_absent_package_is_named_with_its_extra(
    package: str, command: tuple[str, ...], extra: str, tmp_path: Path
) -> None:
    (tmp_path / "checkpoint.json").touch()  # so that `export` takes it for a checkpoint
    code = f"import sys; sys.modules[{package!r}] = None; from dlpo_cli import app; app()"

    result = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tmp_path, capture_output=True, text=True
    )

    assert result.returncode == 1
    install = f"pip install '{ROOT}[{extra}]'"
    assert result.stderr == f"dlpo: {package} is not installed; run: {install}\n"


def test_without_a_checkout_the_packages_themselves_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No index has dlpo, so that its name in a pip line would fetch nothing, or a stranger's."""
    wheel, info = tmp_path / "dlpo.whl", tmp_path / "dlpo-1.dist-info"
    info.mkdir()
    needed = "Requires-Dist: av>=14.0; extra == 'codecs'\nRequires-Dist: torch; extra == 'train'\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: dlpo\nVersion: 1\n{needed}")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    (info / "direct_url.json").write_text(json.dumps({"url": wheel.as_uri()}))

    monkeypatch.setattr("dlpo.errors._ROOT", tmp_path)
    assert pip_install("codecs") == "pip install 'av>=14.0'"
    wheel.touch()
    assert pip_install("codecs") == f"pip install 'dlpo[codecs] @ {wheel.as_uri()}'"


def test_saying_hi_needs_one_thread_and_few_packages(tmp_path: Path) -> None:
    code = "import os, sys; from dlpo_cli import app\ntry: app()\n"
    code += "finally: print(len(os.listdir('/proc/self/task')), *sys.modules)"
    words = ("say", "hi", "-q", "-o", str(tmp_path / "hi.wav"))

    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)

    assert ended.stderr == ""
    needless = {
        "torch", "onnx", "dlpo_export", "rich", "asyncio", "grpc", "google",
        "soundfile", "dlpo.config.training",
    }  # fmt: skip
    threads, *loaded = ended.stdout.split()
    assert (threads, needless & set(loaded)) == ("1", set())


def test_dictionary_decides_how_words_are_said(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Tomato  T AH0 M AA1 T OW2\n\ncat K AA1 T\n")

    (sentence,) = json.loads(run("phonemes", "Tomato, cat.", "--dictionary", str(words)).stdout)

    spoken = [" ".join(word["phonemes"]) for word in sentence["words"]]
    assert spoken == ["T AH0 M AA1 T OW2", "K AA1 T"]


def test_keys_are_printed_once_and_listed_with_quotas(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    made = [run("keys", "new", caller, "-f", str(path)) for caller in ("bob", "alice", "alice")]
    assert made[1].exit_code == 0
    assert [one.stderr for one in made[:2]] == ["", ""]
    assert "alice now has 2 keys" in made[2].stderr
    assert KeyRing(path, lambda: 0.0).authorize(made[1].stdout.strip()) == "alice"
    with path.open("a") as file:
        file.write("[quota.alice]\nmax_streams = 4\ncharacters_per_minute = 20000\n")
    assert run("keys", "list", "--file", str(path)).stdout.splitlines() == [
        "alice: 2 keys, 4 streams, 20000 characters a minute",
        "bob: 1 key, no limits",
    ]


def test_standard_output_that_is_full_ends_say_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [*DLPO, "say", "Hello.", "-o", "-"],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    assert ended.returncode == 1
    assert ended.stderr.startswith("dlpo: can't write standard output: No space left on device")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", ["rtf", "stream", "peers"])
def test_full_disk_is_reported_before_measuring(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(record.tempfile, "TemporaryFile", full)

    result = run("bench", command, "--record", *(["knee"] if command == "stream" else []))

    assert result.exit_code == 1, result.output
    assert "nothing was measured" in result.stderr
    assert list((tmp_path / "benchmarks" / "records").iterdir()) == []
