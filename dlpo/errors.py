"""Every error that dlpo raises on purpose.

    DlpoError
    ├── InputError        a caller's value is unusable (also a ValueError): text, speed, seed, path
    │   ├── UsageError    a command was given a wrong or missing option (exit code 2)
    │   └── TextError     nothing in the text can be spoken
    │       └── SsmlError an SSML document is malformed or asks for what can't be done
    ├── ConfigError       a configuration has an unknown key or a value out of range
    ├── DataError         a corpus, an alignment or a prepared dataset is unusable
    ├── CheckpointError   a checkpoint is missing, damaged or of another model
    ├── BundleError       a bundle is missing, damaged, too new or not safe to load
    ├── EngineError       a runtime could not load or run a graph
    ├── TrainingError     a run stopped because it could not go on (for example a NaN loss)
    └── MissingExtraError an optional dependency is not installed; the message has the pip line

Each message says what came, what was expected and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False  # typing's, which takes longer to import than all of this
if TYPE_CHECKING:
    from importlib.metadata import Distribution

_ROOT = Path(__file__).resolve().parents[1]  # of the checkout, if it has pyproject.toml
# Packages that an extra brings and that are found without importing them, which takes seconds.
_PACKAGES = {
    "serve": ("grpc", "prometheus_client"), "train": ("torch", "accelerate"),
    "export": ("onnx", "onnxscript"), "bench": ("pocketsphinx",),
    "wyoming": ("wyoming",),
}  # fmt: skip


class DlpoError(Exception):
    """Base of every deliberate error; the command line prints its message and exits with 1."""


class InputError(DlpoError, ValueError):
    """A value given by the caller can't be used."""


class UsageError(InputError):
    """A command's options are wrong or missing; it exits with 2 instead of 1."""


class TextError(InputError):
    """The text holds nothing that can be spoken."""


class SsmlError(TextError):
    """An SSML document is malformed, too large, or asks for what can't be done.

    ``line`` and ``column`` count from 1; both are 0 where it isn't one place.
    """

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class ConfigError(DlpoError):
    """A configuration has an unknown key or a value out of range."""


class DataError(DlpoError):
    """A corpus, an alignment or a prepared dataset can't be used."""


class CheckpointError(DlpoError):
    """A checkpoint is missing, damaged or belongs to another model."""


class BundleError(DlpoError):
    """A bundle is missing, damaged, of a newer format or unsafe."""


class EngineError(DlpoError):
    """A runtime could not load or run a graph."""


class TrainingError(DlpoError):
    """A training run can't go on."""


class MissingExtraError(DlpoError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: {pip_install(extra)}")


@contextmanager
def writing(target: object, advice: str = "choose another path") -> Iterator[None]:
    """Turn a write that fails in the block into an InputError that says why, with the advice."""
    try:
        yield
    except OSError as error:
        raise InputError(f"can't write {target}: {error.strerror}; {advice}") from error


@contextmanager
def reading(path: Path, expected: str, kind: type[DlpoError] = DataError) -> Iterator[None]:
    """Turn a read that fails in the block into a `kind` that says why and what was expected."""
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise kind(f"{path}: can't be read ({error}); expected {expected}") from error


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import packages of ``extra`` inside the block.

    Raises:
        MissingExtraError: one of its packages is not installed.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        if package.startswith("dlpo"):
            raise
        raise MissingExtraError(package, extra) from error


def check_installed(*extras: str) -> None:
    """Check quickly that extras are installed.

    Raises:
        MissingExtraError: a package is not installed.
    """
    from importlib.util import find_spec

    for extra in extras:
        for package in _PACKAGES[extra]:
            if find_spec(package) is None:
                raise MissingExtraError(package, extra)


def pip_install(*extras: str) -> str:
    """The command that adds extras the way dlpo was installed; no package index has it."""
    import shlex  # not at the start of every command
    from importlib import metadata

    wanted = f"[{','.join(extras)}]" if extras else ""
    if (_ROOT / "pyproject.toml").is_file():
        return f"pip install '{'.' if Path.cwd() == _ROOT else _ROOT}{wanted}'"
    try:
        dlpo = metadata.distribution("dlpo")
    except metadata.PackageNotFoundError:
        return f"pip install '.{wanted}' in a checkout of dlpo"
    if url := _origin(dlpo):
        return f"pip install 'dlpo{wanted} @ {url}'"
    rows = (row.partition(";") for row in dlpo.requires or ())
    needed = {
        name.strip()
        for name, _, when in rows
        if any(f"'{one}'" in when.replace('"', "'") for one in extras) or not (extras or when)
    }
    return f"pip install {shlex.join(sorted(needed))}"


def pip_install_checkpoints() -> str:
    """The command that installs the wheel dlpo-checkpoints from where dlpo came from."""
    from importlib import metadata
    from urllib.parse import unquote, urlsplit

    if (_ROOT / "voices" / "pyproject.toml").is_file():
        return f"pip install '{_ROOT / 'voices'}'"
    try:
        url = _origin(metadata.distribution("dlpo"))
    except metadata.PackageNotFoundError:
        url = ""
    if url.startswith("git+"):
        return f"pip install 'dlpo-checkpoints @ {url}#subdirectory=voices'"
    source = Path(unquote(urlsplit(url).path)) if url else Path()
    if (source / "voices" / "pyproject.toml").is_file():
        return f"pip install '{(source / 'voices').resolve()}'"
    for wheel in sorted(source.parent.glob("dlpo_checkpoints-*.whl")) if url else ():
        return f"pip install '{wheel}'"
    return "pip install ./voices in a clone of dlpo, or the release's dlpo_checkpoints-*.whl"


def _origin(dlpo: Distribution) -> str:
    """The URL that dlpo was installed from, if it is still there; else nothing."""
    import json
    from urllib.parse import unquote, urlsplit

    origin = json.loads(dlpo.read_text("direct_url.json") or "{}")
    url: str = origin.get("url", "")
    if vcs := origin.get("vcs_info", {}).get("vcs"):
        return f"{vcs}+{url}"
    return url if url and Path(unquote(urlsplit(url).path)).exists() else ""
