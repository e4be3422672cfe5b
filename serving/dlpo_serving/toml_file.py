"""Reading a TOML file that a user wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dlpo.errors import ConfigError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Its content.

    Args:
        what: a message calls the file so, such as "keys file".

    Raises:
        ConfigError: it can't be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{what} {path} can't be read: {error.strerror}; it must be there, and the user"
            " who serves be let read it"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{what} {path} can't be read as TOML: {error}") from error
