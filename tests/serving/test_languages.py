"""A bundle with voices of two languages: which of them speaks a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import grpc
import pytest

from dlpo.bundle import Manifest
from dlpo.errors import BundleError
from dlpo.v1 import speech_pb2
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest, check_request
from tests.callers import fake_voice
from tests.fake_engine import FakeEngine, fake_manifest
from tests.serving.conftest import RunningServer, running_server
from tests.serving.protocols.callers import by_way

LANGUAGES = {"ann": "en-US", "dora": "es-419"}
BILINGUAL = replace(fake_manifest("ann"), voices=("ann", "dora"), voice_languages=LANGUAGES)
SPANISH = "veintiuna niñas"
TEXT = "21 niñas."
RACHEL = "hpp4J3VqNfWAUOO0d1Us"
WAYS = {  # way -> its own name for our default voice
    "speech": "alloy", "our socket": "alloy", "OpenAI Realtime": "alloy", "Riva": "", "Wyoming": "",
    "ElevenLabs' socket": RACHEL, "ElevenLabs' contexts": RACHEL,
}  # fmt: skip


class Bilingual(FakeEngine):
    def __init__(self, manifest: Manifest = BILINGUAL) -> None:
        super().__init__()
        self.manifest = manifest

    def speaking(self, voice: str) -> Bilingual:
        return Bilingual(self.manifest.with_voice(voice))


def test_manifest_names_a_language_per_voice() -> None:
    assert BILINGUAL.with_voice("dora").language == "es-419"
    assert BILINGUAL.with_voice("dora").with_voice("ann").language == "en-US"
    assert BILINGUAL.with_voice("ann*0.3+dora*0.7").language == "es-419"
    assert BILINGUAL.named("x").voice_languages == {"x": "en-US", "x-1": "es-419"}
    assert b"voice_languages" not in fake_manifest().to_json()
    with pytest.raises(BundleError, match="voice_languages has ann; expected each of voices once"):
        Manifest.from_json(replace(BILINGUAL, voice_languages={"ann": "en-US"}).to_json())


@pytest.mark.parametrize(
    ("language", "asked", "speaks"),
    [
        ("es-419", "es", True),
        ("es-419", "es-MX", True),
        ("es-419", "es-ES", False),
        ("es-ES", "es", True),
        ("es-419", "en", False),
        ("es-419", "", True),
        *(("en-US", code, True) for code in ("", "en", "EN-us", "en-US")),
        *(("en-US", code, False) for code in ("de-DE", "en-GB", "e", "en-US-x", "-", "\x00")),
    ],
)
def test_a_voice_speaks_its_own_language_alone(language: str, asked: str, speaks: bool) -> None:
    assert replace(fake_manifest(), language=language).speaks(asked) is speaks


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (SpeechRequest("Hola", language="es"), "language"),
        (SpeechRequest('<speak xml:lang="es">Hola</speak>'), "text"),
    ],
)
def test_language_that_a_voice_lacks_is_refused(request_: SpeechRequest, field: str) -> None:
    with pytest.raises(RequestError, match="speaks en-US") as caught:
        check_request(request_, fake_manifest())
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    ("text", "voice", "language", "expected"),
    [
        ("21 niñas", "", "es", ("dora", SPANISH)),
        ("21 niñas", "", "es-MX", ("dora", SPANISH)),
        ("21 niñas", "dora", "", ("dora", SPANISH)),
        ('<speak xml:lang="es">21 niñas</speak>', "", "", ("dora", SPANISH)),
        ("21 girls", "", "", ("ann", "twenty one girls")),
        ("Esta es una prueba de que el 1 no está.", "", "", ("dora", None)),
        ("21 girls", "", "en", ("ann", "twenty one girls")),
    ],
)
def test_voice_is_chosen_by_the_language(
    bilingual: Callable[..., tuple[str, str]],
    text: str,
    voice: str,
    language: str,
    expected: tuple[str, str | None],
) -> None:
    spoken_by, said = bilingual(text, voice, language)
    assert spoken_by == expected[0]
    assert expected[1] is None or said == expected[1]


def test_named_voice_of_another_language_is_an_error(
    bilingual: Callable[..., tuple[str, str]],
) -> None:
    with pytest.raises(grpc.RpcError, match="'es'; voice 'ann' speaks en-US"):
        bilingual("21 niñas", "ann", "es")


@pytest.mark.parametrize(("way", "voice"), WAYS.items())
def test_every_protocol_reads_its_language_field(
    bilingual_server: RunningServer, way: str, voice: str
) -> None:
    speak = partial(by_way, way, bilingual_server, TEXT)
    dora = by_way("gRPC, whole", bilingual_server, TEXT, voice="dora", language="es")
    assert speak(voice=voice, language="es") == dora
    assert speak(voice=voice, language="en") != dora
    assert b"'de'" in speak(voice=voice, language="de")


@pytest.fixture(scope="module")
def bilingual_server() -> Iterator[RunningServer]:
    with running_server(fake_voice(Bilingual()), http_port=0, wyoming_port=0) as server:
        yield server


@pytest.fixture
def bilingual(bilingual_server: RunningServer) -> Callable[..., tuple[str, str]]:
    """Text, voice, language -> the voice that speaks it, and its words."""

    def speak(text: str, voice: str, language: str) -> tuple[str, str]:
        config = speech_pb2.SynthesisConfig(voice=voice, language=language)
        document = {"ssml" if text.startswith("<speak") else "text": text}
        request = speech_pb2.SynthesizeRequest(config=config, **document)
        info = next(bilingual_server.stub.StreamSynthesize(request)).info
        return info.voice, info.processed_text

    return speak
