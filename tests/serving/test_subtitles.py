"""Subtitles that are spoken in their slots, and texts that last as long as they are to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from dlpo.audio import read_wav
from dlpo.errors import InputError
from dlpo_serving.client import ReplyFormat, SpeechClient
from dlpo_serving.client.connection import Connection
from dlpo_serving.encodings.formats import Encoding
from dlpo_serving.local.say import InProcess, say
from dlpo_serving.local.subtitles import Cue, cues_of
from dlpo_serving.request import SpeechRequest
from tests.callers import WAIT_S, command, fake_voice
from tests.serving.conftest import RunningServer

RATE = 22_050  # of the fake voice
TEXT = "Noise becomes speech. Is it not strange?\n\nIt takes one step."
SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Noise becomes speech.</i>

2
00:00:03,000 --> 00:00:03,700 X1:40 X2:600
{\\an8}It takes
one step.

3
00:00:04,000 --> 00:00:05,000
\u266a
"""


def samples(text: str, **how: Any) -> int:
    return len(fake_voice().speak(SpeechRequest(text, **how)))


@pytest.mark.parametrize("text", [TEXT, f"<speak>One. <break time='1s'/>{TEXT}</speak>"])
def test_a_text_lasts_as_long_as_it_is_to(text: str) -> None:
    own = samples(text)
    for share in (0.7, 0.9, 1.0, 1.1, 1.37):
        wanted = round(share * own)
        assert samples(text, duration_s=wanted / RATE) == wanted
    voice = fake_voice()
    chunks = [*voice.stream(voice.read(SpeechRequest(text, duration_s=own / RATE)))]
    totals = {chunk.total_samples for chunk in chunks} - {None}
    assert totals <= {own}  # what the headers of short files promise
    assert not any(chunk.warning for chunk in chunks)


def test_every_api_fits_a_text_into_its_time(server: RunningServer) -> None:
    own = samples(TEXT)
    wanted = round(0.8 * own)
    request = SpeechRequest(TEXT, duration_s=wanted / RATE)
    reply = ReplyFormat(Encoding.PCM_F32)
    with SpeechClient(server.address) as client:
        result = client.speak(request, reply=reply)
        assert len(result.samples) == result.message.totals.samples == wanted
        short = client.speak(SpeechRequest(TEXT, duration_s=0.4), reply=reply)
        assert "too long" in short.message.totals.warnings[0]
        with pytest.raises(InputError, match="duration_s: needs the whole text"):
            client.stream_pieces([TEXT], SpeechRequest("", duration_s=2.0))


def test_http_fits_a_text_and_warns_where_it_cannot(start_server: Any) -> None:
    url = f"{start_server(fake_voice(), http_port=0).http_url}v1/audio/speech"

    def ask(duration_s: float) -> tuple[bytes, str]:
        body = {"input": TEXT, "response_format": "pcm", "sample_rate": RATE,
                "duration_s": duration_s}  # fmt: skip
        asked = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(asked, timeout=WAIT_S) as reply:
            return reply.read(), reply.headers.get("X-Warning", "")

    wanted = round(0.9 * samples(TEXT))
    audio, warning = ask(wanted / RATE)
    assert len(audio) == 2 * wanted
    assert not warning
    assert "too long" in ask(0.5)[1]


def test_cues_are_read_from_srt_and_vtt() -> None:
    expected = [
        Cue("Noise becomes speech.", 1.0, 2.5, 2),
        Cue("It takes one step.", 3.0, 3.7, 6),
        Cue("\u266a", 4.0, 5.0, 11),
    ]
    assert cues_of(SRT) == cues_of("\ufeff" + SRT.replace("\n", "\r\n")) == expected
    vtt = "WEBVTT\n\n" + SRT.replace("00:00:0", "00:0").replace(",", ".")
    assert [(cue.text, cue.start_s) for cue in cues_of(vtt)] == [
        (cue.text, cue.start_s) for cue in expected
    ]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (SRT.replace("00:00:03,000 -->", "00:00:03 -->"), 6),
        (SRT.replace("00:00:05,000", "00:00:04,050"), 11),
        (SRT.replace("00:00:04,000", "00:00:02,900"), 11),
        ("1\nno times\n", 2),
        ("lonely", 1),
    ],
)
def test_a_cue_that_does_not_parse_is_named_with_its_line(broken: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"subtitles, line {line}: "):
        cues_of(broken)


def test_cues_are_spoken_in_their_slots(server: RunningServer, tmp_path: Path) -> None:
    heard = []
    for where, voice in ((InProcess(), "heart"), (Connection(server.address), None)):
        spoken = say(
            SpeechRequest(""), cues=cues_of(SRT), voice=voice, where=where,
            out=tmp_path / "cues.wav",
        )  # fmt: skip
        waveform, rate = read_wav(tmp_path / "cues.wav")
        assert not waveform[:rate].any()
        assert waveform[rate : round(2.5 * rate)].any()
        assert not waveform[round(2.5 * rate) : 3 * rate].any()
        assert waveform[3 * rate :].any()
        heard.append(len(waveform) / rate)
        assert any("line 11: nothing to speak" in one for one in spoken.warnings)
    assert heard[0] >= 3.7


def test_the_command_speaks_subtitles(tmp_path: Path) -> None:
    subtitles, out = tmp_path / "a.srt", tmp_path / "a.wav"
    subtitles.write_text(SRT.replace("3,700", "4,000"))
    command("say", "--srt", subtitles, "-o", out)
    waveform, rate = read_wav(out)
    assert len(waveform) == 4 * rate
    refused = command("say", "Hello.", "--srt", subtitles, "-o", out)
    assert refused.exit_code == 2
    assert "--srt" in refused.stderr
