"""Builds images without a registry: a base with debootstrap, the Dockerfile with buildah."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dlpo
from dlpo.errors import EngineError, InputError

SUITE = "bookworm"
BASE = f"localhost/dlpo-base:{SUITE}"
PACKAGES = "python3,python3-venv,ca-certificates"
NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info",
              "var/cache/apt", "var/lib/apt/lists", "var/log")  # fmt: skip
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")  # this machine's, for pip during the build


def run(*command: str | Path, check: bool = True, timeout_s: float = 60.0) -> str:
    """Run a program and return what it printed.

    Raises:
        EngineError: its exit code is not 0, or it timed out.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{words[0]} took longer than {timeout_s:g} s: {words}") from error
    if check and done.returncode:
        found = (done.stderr or done.stdout).strip()[-2000:]
        raise EngineError(f"{' '.join(words[:8])} … ended with {done.returncode}:\n{found}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Checkout:
    """The source of a build."""

    root: Path
    """of the checkout"""
    commit: str
    """the hash of what is built, fixed because others may commit meanwhile"""
    worktree: bool = False
    """build the working tree instead of the commit"""

    @classmethod
    def of(cls, root: Path, worktree: bool) -> Checkout:
        """The last commit of a checkout or, with `worktree`, its files."""
        return cls(root, run("git", "-C", root, "rev-parse", "HEAD").strip(), worktree)

    def git(self, *arguments: str) -> str:
        """Run git and return what it printed."""
        return run("git", "-C", self.root, *arguments).strip()

    @property
    def revision(self) -> str:
        """Hash of the commit, with a + if there are uncommitted changes."""
        return self.commit + "+" * self.worktree

    def context(self, folder: Path) -> Path:
        """The build context: the checkout itself, or its commit extracted into `folder`."""
        if self.worktree:
            return self.root
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        archive = subprocess.Popen(
            ["git", "-C", self.root, "archive", self.commit], stdout=subprocess.PIPE
        )
        subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
        if archive.wait():
            raise EngineError("git archive failed; see its message above")
        return folder


@dataclass(frozen=True, slots=True)
class Image:
    """A built image and its storage."""

    name: str
    storage: tuple[str, ...]
    """options for buildah and podman"""
    revision: str
    """commit that its label must name"""

    def podman(self, *arguments: str | Path, check: bool = True, timeout_s: float = 60.0) -> str:
        """Run podman and return what it printed; see `run`."""
        runtime = ("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--log-level", "fatal")
        return run("podman", *self.storage, *runtime, *arguments, check=check, timeout_s=timeout_s)

    def inspect(self) -> dict[str, object]:
        """Its configuration, size and layers."""
        found: list[dict[str, object]] = json.loads(self.podman("image", "inspect", self.name))
        return found[0]


class Builder:
    """Keeps its base image, layers and pip's cache in one folder."""

    def __init__(self, work: Path, checkout: Checkout) -> None:
        self._work = work
        self._checkout = checkout
        work.mkdir(parents=True, exist_ok=True)
        folders = ("--root", f"{work}/storage", "--runroot", f"{work}/run")
        self._storage = (*folders, "--storage-driver", os.environ.get("STORAGE_DRIVER", "overlay"))

    def make_base(self) -> None:
        """Create a Debian image with Python from this machine's apt mirror, unless it exists."""
        if run("buildah", *self._storage, "images", "--quiet", BASE, check=False):
            return
        print(f"==> {BASE} by debootstrap, some minutes, once", flush=True)
        root = self._work / "base"
        shutil.rmtree(root, ignore_errors=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root, _mirror(),
            timeout_s=1800)  # fmt: skip
        for folder in NOT_NEEDED:
            shutil.rmtree(root / folder, ignore_errors=True)
            (root / folder).mkdir()
        archive = self._work / "base.tar"
        run("tar", "-C", root, "--numeric-owner", "-cf", archive, ".", timeout_s=300)
        run("podman", *self._storage, "import", archive, BASE, timeout_s=300)
        archive.unlink()
        shutil.rmtree(root)

    def build(self, target: str, *, again: bool = False) -> Image:
        """Build a target of the Dockerfile; `again` ignores layers of earlier builds."""
        checkout = self._checkout
        print(f"==> {target} of {checkout.revision[:7]} by buildah", flush=True)
        name = f"localhost/dlpo:{target}" + "-again" * again
        then = checkout.git("log", "-1", "--format=%ct", checkout.commit)
        arguments = {
            "BASE_IMAGE": BASE,
            "REVISION": checkout.revision,
            "SOURCE_DATE_EPOCH": then,
            "VERSION": dlpo.__version__,
        }
        run(
            "buildah", *self._storage, "build", "--isolation", "chroot", "--format", "docker",
            "--timestamp", then, "--target", target, "--tag", name,
            "--layers", *(("--no-cache",) if again else ()),
            *(word for pair in arguments.items() for word in ("--build-arg", "=".join(pair))),
            # buildah 1.28 takes a LABEL from its cache even if its arguments have changed.
            "--label", f"org.opencontainers.image.revision={checkout.revision}",
            "--label", f"org.opencontainers.image.version={dlpo.__version__}",
            *self._index(),
            checkout.context(self._work / "context"),
            timeout_s=3600,
        )  # fmt: skip
        return Image(name, self._storage, checkout.revision)

    def layers(self, target: str, *, again: bool = False) -> list[str]:
        """Hashes of a target's layers; builds it, see `build`."""
        found = self.build(target, again=again).inspect()["RootFS"]
        assert isinstance(found, dict)  # podman's format
        layers: list[str] = found["Layers"]
        return layers

    def _index(self) -> list[str]:
        """pip options for reaching this machine's index during the build."""
        options = []
        if AUTHORITIES.exists():
            options += ["--volume", f"{AUTHORITIES}:{AUTHORITIES}:ro"]
        if index := os.environ.get("PIP_INDEX_URL"):
            options += ["--build-arg", f"PIP_INDEX_URL={index}"]
        return options


def _mirror() -> str:
    """The Debian mirror in this machine's apt sources."""
    found = run("apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {SUITE}")
    for line in sorted(set(found.split())):
        if line.rstrip("/").endswith("/debian"):
            return line
    raise InputError(f"apt knows no mirror of Debian {SUITE}; run this on {SUITE}")
