"""What scripts/publish uploads and refuses, and which commit the code says it is of."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import dlpo
from dlpo import commit
from dlpo.commit import COMMIT_FILE, source_commit

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    f"dlpo-{dlpo.__version__}.tar.gz",
    f"dlpo-{dlpo.__version__}-py3-none-any.whl",
    f"dlpo_checkpoints-{dlpo.__version__}-py3-none-any.whl",
    "chart-dlpo-1.tgz",
]


def git(tree: Path, *words: str) -> None:
    known = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *known, *words], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tagged commit with a release in dist/."""
    for name in ("scripts/publish", "dlpo/version.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "dlpo/other.py").touch()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Release")
    git(tmp_path, "tag", f"v{dlpo.__version__}")
    (tmp_path / "dist").mkdir()
    sums = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in FILES]
    for name in FILES:
        (tmp_path / "dist" / name).write_text(name)
    (tmp_path / "dist/SHA256SUMS").write_text("".join(sums))
    return tmp_path


def published(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "REGISTRY": "registry.example/speech"}
    command = [tree / "scripts/publish"]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_the_uploads_are_listed(tree: Path) -> None:
    done = published(tree)

    assert (done.returncode, done.stderr) == (0, "")
    twine, cpu, gpu, chart = done.stdout.splitlines()
    assert twine.split()[4:] == [f"dist/{name}" for name in FILES[:3]]
    assert "linux/amd64,linux/arm64" in cpu
    assert f"registry.example/speech/dlpo:{dlpo.__version__}-gpu" in gpu
    assert chart == "helm push dist/chart-dlpo-1.tgz oci://registry.example/speech/charts"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tree: (tree / "dist" / FILES[0]).write_text("other"), "is not what"),
        (lambda tree: (tree / "dist/SHA256SUMS").unlink(), "run scripts/release"),
        (lambda tree: git(tree, "tag", "--delete", f"v{dlpo.__version__}"), "there is no tag"),
        (lambda tree: (tree / "dlpo/other.py").write_text("#"), "files were changed"),
    ],
    ids=["damaged", "missing", "untagged", "changed"],
)
def test_another_release_is_refused(
    tree: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(tree)

    done = published(tree)

    assert done.returncode == 1
    assert message in done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's repository, with one commit of one file."""
    (tmp_path / "README").write_text("theirs\n")
    for arguments in ("init -q", "add README", "commit -q -m one"):
        git(tmp_path, *arguments.split())
    return tmp_path


def test_what_the_build_wrote_goes_before_git(repository: Path) -> None:
    (repository / COMMIT_FILE).write_text("60911d3\n")
    assert source_commit(repository) == "60911d3"


def test_installed_package_ignores_an_enclosing_repository(repository: Path) -> None:
    package = repository / ".venv" / "dlpo"
    package.mkdir(parents=True)
    (package / "commit.py").touch()
    assert source_commit(package) is None


def test_checkout_reports_commit_and_changes(repository: Path) -> None:
    module = repository / Path(commit.__file__).name
    module.touch()
    git(repository, "add", module.name)
    changed = source_commit(repository)
    git(repository, "commit", "-q", "-m", "two")
    clean = source_commit(repository)
    assert changed is not None
    assert clean is not None
    assert changed.endswith("+")
    assert not clean.endswith("+")
