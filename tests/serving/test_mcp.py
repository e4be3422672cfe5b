"""`dlpo mcp` by the official client, as a process and its tools alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp", reason="needs mcp, which the extra of that name installs")

from mcp import Client
from mcp.client.stdio import StdioServerParameters

from dlpo_serving.local import mcp_tools
from dlpo_serving.local.mcp_tools import mcp_server
from dlpo_serving.local.say import say
from dlpo_serving.request import SpeechRequest

TEXT = "Noise becomes speech."


async def test_an_agent_lists_voices_and_gets_a_file(tmp_path: Path) -> None:
    command = ["-m", "dlpo", "mcp", "--folder", str(tmp_path)]
    async with Client(StdioServerParameters(command=sys.executable, args=command)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"speak", "voices"}
        listed = await client.call_tool("voices", {})
        assert "lj: woman" in str(listed.content)
        spoken = await client.call_tool("speak", {"text": TEXT, "file": "a.wav"})
        assert not spoken.is_error
        assert "wrote" in str(spoken.content)
    say(SpeechRequest(TEXT), out=tmp_path / "b.wav")
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


async def test_what_cannot_be_done_is_an_error(tmp_path: Path) -> None:
    async with Client(mcp_server(tmp_path)) as client:
        for asked, message in (
            ({"file": "../a.wav"}, "files are written to"),
            ({"file": "a.xyz"}, "names no audio format"),
            ({"file": "a.wav", "voice": "nobody"}, "no voice"),
            ({"file": "a.wav", "speed": 9.0}, "expected 0.5 to 2"),
        ):
            refused = await client.call_tool("speak", {"text": TEXT, **asked})
            assert refused.is_error
            assert message in str(refused.content)
    assert list(tmp_path.iterdir()) == []


async def test_speech_without_a_file_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def played(request: SpeechRequest, **how: object) -> object:
        assert how["play"] == tmp_path
        assert how["out"] is None
        return say(request, out=tmp_path / "a.wav")

    monkeypatch.setattr(mcp_tools, "say", played)
    async with Client(mcp_server(tmp_path)) as client:
        spoken = await client.call_tool("speak", {"text": TEXT})
        assert "s of speech" in str(spoken.content)
