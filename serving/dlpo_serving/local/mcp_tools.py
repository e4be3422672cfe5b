"""Tools for agents over the Model Context Protocol: speak a text aloud or into a file.

The official SDK does the protocol; a tool's docstring is what the agent's model reads of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dlpo.errors import DlpoError, InputError, needs
from dlpo.version import __version__
from dlpo_serving.local.say import say
from dlpo_serving.request import SpeechRequest
from dlpo_serving.voices.names import about_voices

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer


def mcp_server(folder: Path) -> MCPServer:
    """The server, to be run on standard input and output.

    Args:
        folder: where files are written, and nowhere else.

    Raises:
        MissingExtraError: the SDK is not installed.
    """
    with needs("mcp"):
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    server = MCPServer("dlpo", version=__version__)

    @server.tool()
    def speak(text: str, voice: str = "", speed: float = 1.0, file: str = "") -> str:
        """Speak a text aloud on this machine, or write it to an audio file.

        Args:
            text: plain text, Markdown or SSML, in English or Spanish.
            voice: a name from the tool `voices`, or a mix such as heart*0.6+nova*0.4; by default
                one that speaks the text's language.
            speed: 1 is the voice's own pace, 2 twice as fast.
            file: name of a file to write instead: .wav, .flac, .ogg, .mp3.
        """
        try:
            out = _within(folder, file) if file else None
            play = folder if out is None else None
            spoken = say(SpeechRequest(text, speed), voice=voice or None, out=out, play=play)
        except DlpoError as error:
            raise ToolError(str(error)) from error
        warnings = "".join(f"; warning: {one}" for one in spoken.warnings)
        where = f"wrote {out}" if out else spoken.played
        return f"{spoken.audio_s:.2f} s of speech; {where}{warnings}"

    @server.tool()
    def voices() -> list[str]:
        """The voices that can speak, each with who it sounds like."""
        return [f"{name}: {about}" for name, about in about_voices().items()]

    return server


def _within(folder: Path, file: str) -> Path:
    """The path of a file in the folder.

    Raises:
        InputError: it would be elsewhere.
    """
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"file is {file!r}; files are written to {folder} only, give a name in it")
    return path
