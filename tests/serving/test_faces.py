"""`Voice`, `Client` and `AsyncClient` have the same verbs, which give the same."""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from html.parser import HTMLParser
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dlpo import AsyncClient, Client, Voice
from dlpo.errors import InputError
from dlpo_serving import speech
from dlpo_serving.errors import RequestError
from dlpo_serving.spoken import SpokenText
from dlpo_serving.voices import open_voice
from tests.serving.conftest import RunningServer, running_server

TEXT = "Dr. Smith paid $42. Did he?"
PIECES = ("Dr. Smi", "th paid $4", "2. Did he?")
Face = Voice | Client


class Awaited:
    """An `AsyncClient` whose verbs are awaited here, so that the same tests run over it."""

    def __init__(self, address: str) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._open(address))
        self.address = address

    async def _open(self, address: str) -> AsyncClient:
        return AsyncClient(address)

    def __getattr__(self, name: str) -> Any:
        if name == "sample_rate":
            return self._runner.run(_awaited(self._client.sample_rate))
        verb = getattr(self._client, name)
        return lambda *given, **how: self._runner.run(_awaited(verb(*given, **how)))

    def __call__(self, *given: Any, **how: Any) -> Any:
        return self._runner.run(self._client(*given, **how))

    def stream(self, *given: Any, **how: Any) -> list[Any]:
        async def all_of() -> list[Any]:
            return [piece async for piece in self._client.stream(*given, **how)]

        return self._runner.run(all_of())

    def __enter__(self) -> Awaited:
        self._runner.run(self._client.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.run(self._client.__aexit__(*error))
        self._runner.close()


async def _awaited(result: Any) -> Any:
    return await result


@pytest.fixture(scope="module")
def heart() -> Iterator[RunningServer]:
    with running_server(open_voice("heart")) as server:
        yield server


OPEN: dict[str, Callable[[str], Any]] = {
    "Voice": lambda _: Voice("heart"),
    "Client": Client,
    "AsyncClient": Awaited,
}


@pytest.fixture(params=OPEN)
def face(request: pytest.FixtureRequest, heart: RunningServer) -> Iterator[Any]:
    with OPEN[request.param](heart.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def said() -> SpokenText:
    """What every face is to give."""
    return Voice("heart").speak(TEXT, seed=3)


def test_all_have_the_same_names() -> None:
    names = [{name for name in dir(one) if name[0] != "_"} for one in (Voice, Client, AsyncClient)]
    assert names[0] == names[1] == names[2]
    for verb in ("speak", "stream", "save", "__call__"):
        asked = [set(inspect.signature(getattr(one, verb)).parameters)
                 for one in (Voice, Client, AsyncClient)]  # fmt: skip
        assert asked[0] == asked[1] == asked[2]


def test_speech_is_known_in_full(face: Any, said: SpokenText) -> None:
    spoken = face.speak(TEXT, seed=3)
    np.testing.assert_array_equal(spoken.samples, said.samples)
    assert spoken.sample_rate == said.sample_rate == face.sample_rate
    assert spoken.words == said.words
    assert spoken.sentences == said.sentences
    assert [s.text for s in spoken.sentences] == ["doctor smith paid forty two dollars", "did he"]
    assert spoken.captions() == said.captions()
    dollars = [word for word in spoken.words if TEXT[word.text_start : word.text_end] == "$42"]
    assert [word.word for word in dollars] == ["forty", "two", "dollars"]
    assert 0 < spoken.sentences[1].start_s < spoken.sentences[1].end_s <= spoken.duration_s


def test_a_list_and_a_generator_speak_as_the_text_does(face: Any, said: SpokenText) -> None:
    for pieces in (list(PIECES), (piece for piece in PIECES)):
        spoken = face.speak(pieces, seed=3)
        np.testing.assert_array_equal(spoken.samples, said.samples)
        assert (spoken.text, spoken.words) == (said.text, said.words)
        assert spoken.sentences == said.sentences
    heard = np.concatenate([*face.stream(list(PIECES), seed=3)])
    np.testing.assert_array_equal(heard, said.samples)
    np.testing.assert_array_equal(face(TEXT, seed=3), said.samples)


def test_files_go_to_paths_and_to_memory(face: Any, said: SpokenText, tmp_path: Path) -> None:
    assert face.save(TEXT, tmp_path / "a.flac", seed=3) == tmp_path / "a.flac"
    memory = io.BytesIO()
    assert face.save(TEXT, memory, format="flac", seed=3) is memory
    for file in (tmp_path / "a.flac", io.BytesIO(memory.getvalue())):
        samples, rate = soundfile.read(file, dtype="float32")
        assert rate == said.sample_rate
        np.testing.assert_allclose(samples, said.samples, atol=1e-4)
    with pytest.raises(RequestError, match=r"format: '\.xyz' names no audio format"):
        face.save(TEXT, io.BytesIO(), format="xyz")


def test_what_was_not_spoken_is_known(face: Any) -> None:
    with pytest.warns(UserWarning, match="not spoken: 世界") as seen:
        spoken = face.speak("Hello 世界, hello there.")
    assert seen[0].filename in (__file__, asyncio.runners.__file__)
    assert spoken.not_spoken == ("世界",)
    assert spoken.warnings == ("not spoken: 世界",)
    assert "<s> 世界, </s>" in spoken._repr_html_()


def test_a_duration_is_exact(face: Any, said: SpokenText) -> None:
    rate = said.sample_rate
    for share in (0.8, 1.25):
        wanted = round(share * len(said.samples))
        assert len(face(TEXT, duration_s=wanted / rate)) == wanted
    with pytest.warns(UserWarning, match="too long"):
        spoken = face.speak(TEXT, duration_s=0.4 * said.duration_s)
    assert 0.5 * said.duration_s < spoken.duration_s < 0.75 * said.duration_s
    with pytest.warns(UserWarning, match="the rest is silence"):
        spoken = face.speak(TEXT, duration_s=9.0)
    assert len(spoken.samples) == 9 * rate
    with pytest.raises(InputError, match="leave one out"):
        face(TEXT, duration_s=2.0, speed=1.5)
    with pytest.raises(InputError, match="needs the whole text"):
        face(list(PIECES), duration_s=2.0)


def test_a_closed_one_says_so(heart: RunningServer) -> None:
    for name in ("Voice", "Client"):
        with OPEN[name](heart.address) as face:
            pass
        with pytest.raises((InputError, ValueError), match="closed"):
            face("Hello.")


def test_another_process_opens_its_own(heart: RunningServer, said: SpokenText) -> None:
    for name in ("Voice", "Client"):
        with (
            OPEN[name](heart.address) as face,
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes,
        ):  # a pickle has the name alone
            spoken = processes.submit(face, TEXT, seed=3).result()
            np.testing.assert_array_equal(spoken, said.samples)
            assert repr(copy.copy(face)) == repr(face)


def test_threads_share_one(heart: RunningServer, said: SpokenText) -> None:
    for name in ("Voice", "Client"):
        with OPEN[name](heart.address) as face, ThreadPoolExecutor(3) as threads:
            for spoken in threads.map(lambda _, face=face: face.speak(TEXT, seed=3), range(3)):
                np.testing.assert_array_equal(spoken.samples, said.samples)


def test_tasks_share_one_and_send_text_as_it_comes(heart: RunningServer, said: SpokenText) -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in PIECES:
            await asyncio.sleep(0)
            yield piece

    async def speak() -> list[SpokenText]:
        async with AsyncClient(heart.address) as client:
            return await asyncio.gather(client.speak(pieces(), seed=3), client.speak(TEXT, seed=3))

    for spoken in asyncio.run(speak()):
        np.testing.assert_array_equal(spoken.samples, said.samples)


def test_a_client_places_the_words_of_a_text_of_many_calls(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "CALL_CHARACTERS", 1_000)  # this server takes 2,000
    sentences = 150
    text = "This sentence has seven words in all.  " * sentences
    with Client(server.address) as client:
        for given in (text, [text[:1_000], text[1_000:]]):
            spoken = client.speak(given, speed=2.0)
            words = [spoken.text[word.text_start : word.text_end] for word in spoken.words]
            assert words == text.replace(".", "").split()
            # The first words of a call in pieces may be a sentence of their own.
            assert sentences <= len(spoken.sentences) <= sentences * (1 if given is text else 1.05)
            ends = [word.end_s for word in spoken.words]
            assert ends == sorted(ends)
            assert ends[-1] <= spoken.duration_s


def test_jupyter_shows_a_player_a_waveform_and_the_words(said: SpokenText) -> None:
    found: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Reader().feed(said._repr_html_())
    tags = [tag for tag, _ in found]
    assert tags.count("audio") == tags.count("svg") == 1
    assert tags.count("span") == len(TEXT.split())
    assert "s" not in tags  # all of it was spoken
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        html = Voice("heart").speak("Is 1 < 2? <b>Yes</b>")._repr_html_()
    assert "<b>" not in html
