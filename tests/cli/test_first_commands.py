"""What a newcomer types first: a file, a voice by a name known elsewhere, a wrong name, --help."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpo.bundle import DEFAULT_VOICE
from dlpo_serving.local.player import Loudspeaker
from dlpo_serving.local.say import pace
from dlpo_serving.settings.server_settings import ServerSettings
from dlpo_serving.settings.sources import read_settings
from dlpo_serving.voices import built_in_name, known_voices
from dlpo_serving.voices.names import about_voices
from tests.callers import command

TEXT = "Hum, hum."


def test_a_file_is_spoken_as_its_text_is(tiny_bundle: Path, tmp_path: Path) -> None:
    written, heard, expected = (tmp_path / name for name in ("a.md", "heard.wav", "expected.wav"))
    written.write_text(TEXT)

    result = command("say", "-f", written, "-o", heard, "-v", tiny_bundle)
    command("say", TEXT, "-o", expected, "--voice", tiny_bundle)

    assert result.exit_code == 0
    assert heard.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "can't read"), (b"%PDF-1.7 \xff\xfe", "is not text in UTF-8")],
    ids=["absent", "a PDF"],
)
def test_binary_file_is_refused_by_name(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.pdf"
    if content is not None:
        path.write_bytes(content)

    result = command("say", "--file", path, "-o", tmp_path / "heard.wav")

    assert result.exit_code == 1
    assert f"{path}" in result.stderr
    assert message in result.stderr


@pytest.mark.parametrize("words", [(), ("Hello.", "--file", "a.txt")], ids=["none", "both"])
def test_one_text_is_expected(words: tuple[str, ...]) -> None:
    result = command("say", *words)

    assert result.exit_code == 2
    assert "expected one of them" in result.stderr


def test_a_text_that_names_a_file_gets_a_hint(tiny_bundle: Path, tmp_path: Path) -> None:
    named = tmp_path / "README.md"
    named.write_text(TEXT)

    result = command("say", named, "-o", tmp_path / "heard.wav", "-v", tiny_bundle)
    missing = command("say", "nosuch.txt", "-o", tmp_path / "heard.wav", "-v", tiny_bundle)
    others = [
        command("say", text, "-o", tmp_path / "heard.wav", "-v", tiny_bundle).stderr
        for text in ("x" * 300, "https://example.org/a.html")
    ]

    assert f"dlpo say --file {named}" in result.stderr
    assert "dlpo say --file nosuch.txt" in missing.stderr
    assert not any("--file" in stderr for stderr in others)


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        ("alloy", DEFAULT_VOICE), ("onyx", "michael"), ("nova", "nova"), ("af_heart", "heart"),
        ("bm_george", "michael"), ("heart", "heart"), ("no one", "no one"),
        ("lj*0.5+nova*0.5", "lj*0.5+nova*0.5"),
    ],
)  # fmt: skip
def test_stock_names_are_known(name: str, voice: str) -> None:
    assert built_in_name(name) == voice


def test_an_unknown_voice_lists_the_known_ones() -> None:
    message = command("say", TEXT, "-v", "nobody").stderr

    for name, about in about_voices().items():
        assert f"{name} ({about.speaker}, {about.sounds})" in message


def test_each_voice_is_described_in_80_columns() -> None:
    listed = command("voices", COLUMNS="80").stdout

    assert list(about_voices()) == known_voices()
    assert max(map(len, listed.splitlines())) <= 80
    for name, about in about_voices().items():
        assert f"  {name}  " in listed
        assert about.speaker in ("woman", "man")


@pytest.mark.parametrize(
    ("rtf", "said"),
    [
        (0.038, "26 times faster than real time"),
        (0.5, "2.0 times faster than real time"),
        (1.25, "1.2 times slower than real time"),
        (float("inf"), "no audio"),
    ],
)
def test_a_pace_is_said_in_words(rtf: float, said: str) -> None:
    assert pace(rtf) == said


def test_an_error_of_serve_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--port", "80080"])

    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert message.startswith("dlpo serve: port is '80080'")
    assert message.count("\n") == 1


def test_help_of_serve_begins_with_the_usual_settings() -> None:
    shown = command("serve", "--help").stdout

    assert shown.index("The usual ones") < shown.index("--http-port") < shown.index("Network")
    assert shown.count("--http-port ") == 1
    assert "--install-completion" not in shown


@pytest.mark.parametrize(
    ("settings", "open_at", "wyoming_at"),
    [
        ({}, "", ""),
        ({"host": "0.0.0.0"}, "0.0.0.0:50051", ""),
        ({"http_host": "::", "http_port": 80}, "[::]:80", ""),
        ({"http_host": "0.0.0.0"}, "", ""),
        ({"host": "0.0.0.0", "keys_file": Path("keys.toml")}, "", ""),
        ({"wyoming_host": "192.168.1.2", "wyoming_port": 10200}, "", "192.168.1.2:10200"),
    ],
)
def test_a_server_knows_where_it_is_open(
    settings: dict[str, object], open_at: str, wyoming_at: str
) -> None:
    known = ServerSettings(**settings)  # type: ignore[arg-type]
    assert (known.open_address, known.open_wyoming) == (open_at, wyoming_at)


def test_verbose_keeps_its_short_name_elsewhere() -> None:
    words = command("export", "--help").stdout.split()

    assert words[words.index("--verbose") + 1] == "-v"


def test_a_missing_player_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with Loudspeaker(22_050, or_in=None) as silent:
        assert "apt-get install alsa-utils" in silent.summary
