"""`from dlpo import Client, AsyncClient`: a voice of a server, with the verbs of `Voice`."""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, Unpack

from dlpo.audio import Waveform
from dlpo.errors import InputError
from dlpo_serving.client import AsyncSpeechClient, SpeechClient
from dlpo_serving.encodings.sound_file import SoundFile, check_sound_file
from dlpo_serving.request import Encoding
from dlpo_serving.speaking import Settings, Speaking, checked, heard, request_of, warn
from dlpo_serving.speech import Speech, spoken_by_server, spoken_there
from dlpo_serving.spoken import Account, SpokenText, as_out
from dlpo_serving.voices.names import voice_named

if TYPE_CHECKING:
    from dlpo.v1.speech_pb2 import Voice as OfferedVoice
    from dlpo_serving.client import Tls

Text = str | Iterable[str] | AsyncIterable[str]


class _Connected:
    """Where a voice of a server is, and how to get there."""

    def __init__(self, address: str, name: str, tls: Tls | None, token: str | None) -> None:
        self.address = address
        self.name = name
        self._opened = partial(type(self), address, name, tls=tls, token=token)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, {self.name!r})"

    def __reduce__(self) -> tuple[Callable[[], _Connected], tuple[()]]:
        return self._opened, ()

    def _rate_of(self, voices: Sequence[OfferedVoice]) -> int:
        rates = {voice.name: int(voice.sample_rate_hz) for voice in voices}
        if not rates:
            raise InputError(f"{self.address} is still loading its voice; try again shortly")
        name = voice_named(self.name, [*rates]) or next(iter(rates))
        for part in name.split("+"):  # the voices of a mix have one rate
            if rate := rates.get(part.partition("*")[0].strip()):
                return rate
        raise InputError(f"{self.address} has no voice {self.name!r}; it has {', '.join(rates)}")


class Client(_Connected, Speaking):
    """A voice of a server, with the verbs of `Voice`; `dlpo_serving.client` has each call.

        with Client("127.0.0.1:50051", "heart") as voice:
            voice.save("Hello.", "hello.wav")

    Args:
        address: of the gRPC port, such as 127.0.0.1:50051.
        name: one of the server's voices; its default if empty.
        tls: encrypts; see `dlpo_serving.client.Tls`.
        token: sent as the bearer token; the variable DLPO_TOKEN by default.

    Raises:
        InputError: the address is no address, or a setting is wrong.
    """

    def __init__(
        self, address: str, name: str = "", *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        super().__init__(address, name, tls, token)
        self._client = SpeechClient(address, tls=tls, token=token)

    def close(self) -> None:
        self._client.close()

    def list(self) -> list[str]:
        """Names of the server's voices, the default one first.

        Raises:
            CallError: the server can't be reached.
        """
        return [voice.name for voice in self._client.voices()]

    @property
    def sample_rate(self) -> int:
        return self._rate_of(self._client.voices())

    def _speech(
        self, text: str | Iterable[str], settings: Settings
    ) -> AbstractContextManager[Speech]:
        request = request_of(text, settings)
        pieces = None if isinstance(text, str) else checked(text)
        return spoken_there(self._client, request, pieces, self.name, Encoding.PCM_F32)

    def stream(self, text: str | Iterable[str], **settings: Unpack[Settings]) -> Iterator[Waveform]:
        spoken = self._speech(text, settings)

        def received() -> Iterator[Waveform]:
            with spoken as speech:
                yield from heard(speech)

        return received()


class AsyncClient(_Connected):
    """A voice of a server for asyncio, with the verbs of `Client`; tasks may share it.

        async with AsyncClient("127.0.0.1:50051", "heart") as voice:
            await voice.save("Hello.", "hello.wav")

    Create it in the event loop that will use it. See `Client` for arguments, and `Voice` for what
    the verbs take and raise; a text may also come in pieces from an asynchronous iterator.
    """

    def __init__(
        self, address: str, name: str = "", *, tls: Tls | None = None, token: str | None = None
    ) -> None:
        super().__init__(address, name, tls, token)
        self._client = AsyncSpeechClient(address, tls=tls, token=token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that run are cut."""
        await self._client.close()

    async def list(self) -> list[str]:
        """Names of the server's voices, the default one first."""
        return [voice.name for voice in await self._client.voices()]

    @property
    async def sample_rate(self) -> int:
        """Samples a second: `await client.sample_rate`."""
        return self._rate_of(await self._client.voices())

    async def stream(self, text: Text, **settings: Unpack[Settings]) -> AsyncIterator[Waveform]:
        """The audio of a text while it is made; closing the iterator stops the work."""
        async with self._speech(text, settings) as speech:
            async for piece in speech:
                yield piece.samples
        warn(speech.warnings)

    async def __call__(self, text: Text, **settings: Unpack[Settings]) -> Waveform:
        """All of the audio at once, (T,) float32."""
        return (await self.speak(text, **settings)).samples

    async def speak(self, text: Text, **settings: Unpack[Settings]) -> SpokenText:
        """The audio with times of words, sentences, captions and what was not spoken."""
        async with self._speech(text, settings) as speech:
            account = Account(speech)
            async for piece in speech:
                account.add(piece)
        warn(speech.warnings)
        return account.whole()

    async def save(
        self,
        text: Text,
        path: str | PathLike[str] | BinaryIO,
        *,
        format: str | None = None,
        **settings: Unpack[Settings],
    ) -> Path | BinaryIO:
        """Speak into a file of the kind that its ending or `format` names; returns the file."""
        out = as_out(path)
        check_sound_file(out, format=format)
        rate_hz = await self.sample_rate  # first, as it says which voices a server has
        async with self._speech(text, settings) as speech:
            with SoundFile(out, rate_hz, about=speech.about, format=format) as file:
                async for piece in speech:
                    file.write(piece.samples)
        warn(speech.warnings)
        return out

    def _speech(self, text: Text, settings: Settings) -> AbstractAsyncContextManager[Speech]:
        request = request_of(text, settings)
        pieces = None if isinstance(text, str) else _each(text)
        return spoken_by_server(self._client, request, pieces, self.name, Encoding.PCM_F32)


async def _each(text: Iterable[str] | AsyncIterable[str]) -> AsyncIterator[str]:
    """The pieces of a text, checked."""
    if isinstance(text, AsyncIterable):
        async for piece in text:
            yield next(checked([piece]))
    else:
        for piece in checked(text):
            yield piece
