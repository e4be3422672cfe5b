"""A bundle with voices of two languages: which of them speaks a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest

from dlpo.bundle import Manifest
from dlpo.errors import BundleError
from dlpo.v1 import speech_pb2
from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest, check_request
from tests.callers import fake_voice
from tests.fake_engine import FakeEngine, fake_manifest

LANGUAGES = {"ann": "en-US", "dora": "es-419"}
BILINGUAL = replace(fake_manifest("ann"), voices=("ann", "dora"), voice_languages=LANGUAGES)


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
    ],
)
def test_voice_of_the_americas_speaks_their_languages(
    language: str, asked: str, speaks: bool
) -> None:
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


SPANISH = "veintiuna niñas"


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


@pytest.fixture(scope="module")
def bilingual_server():  # type: ignore[no-untyped-def]
    from tests.serving.conftest import running_server

    with running_server(fake_voice(Bilingual())) as server:
        yield server


@pytest.fixture
def bilingual(bilingual_server) -> Callable[..., tuple[str, str]]:  # type: ignore[no-untyped-def]
    """Text, voice, language -> the voice that speaks it, and its words."""

    def speak(text: str, voice: str, language: str) -> tuple[str, str]:
        config = speech_pb2.SynthesisConfig(voice=voice, language=language)
        document = {"ssml" if text.startswith("<speak") else "text": text}
        request = speech_pb2.SynthesizeRequest(config=config, **document)
        info = next(bilingual_server.stub.StreamSynthesize(request)).info
        return info.voice, info.processed_text

    return speak
