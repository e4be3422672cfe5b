"""SSML, from the document to the audio of the fake engine."""

from __future__ import annotations

import numpy as np
import pytest

from dlpo_serving.errors import RequestError
from dlpo_serving.request import SpeechRequest
from dlpo_serving.synthesizer import Synthesizer

RATE = 22_050


def speak(synthesizer: Synthesizer, inside: str, **settings: float) -> np.ndarray:
    request = SpeechRequest(f"<speak>{inside}</speak>", ssml=True, **settings)  # type: ignore[arg-type]
    return synthesizer.speak(request)


def test_a_document_of_plain_text_sounds_like_the_text(synthesizer: Synthesizer) -> None:
    text = "Noise becomes speech. Is it not strange?"

    audio = speak(synthesizer, text)

    np.testing.assert_array_equal(audio, synthesizer.speak(SpeechRequest(text)))


def test_prosody_around_everything_is_that_of_the_request(synthesizer: Synthesizer) -> None:
    inside = "<prosody rate='120%' pitch='+2st'>Noise becomes speech.</prosody>"

    audio = speak(synthesizer, inside)

    asked = SpeechRequest("Noise becomes speech.", speed=1.2, pitch_semitones=2)
    np.testing.assert_array_equal(audio, synthesizer.speak(asked))


def test_chunks_joined_equal_the_whole_whatever_is_marked(synthesizer: Synthesizer) -> None:
    document = (
        "<speak>One <prosody pitch='high' volume='soft'>two <emphasis>three</emphasis></prosody>"
        " four<break time='50ms'/> five"
        " <prosody rate='x-slow' volume='silent'>six</prosody></speak>"
    )
    request = SpeechRequest(document, ssml=True)

    chunks = [c.samples for c in synthesizer.stream(synthesizer.read(request), (3, 11, 20))]

    np.testing.assert_allclose(np.concatenate(chunks), synthesizer.speak(request), atol=1e-6)


def test_breaks_last_as_long_as_they_say(synthesizer: Synthesizer) -> None:
    alone = len(speak(synthesizer, "Go home."))

    audio = speak(synthesizer, "<break time='1s'/>Go home.<break time='2s'/>", speed=1.0)

    assert len(audio) == alone + 3 * RATE
    assert not audio[:RATE].any()
    assert not audio[-2 * RATE :].any()


def test_silence_has_the_length_of_its_words(synthesizer: Synthesizer) -> None:
    audio = speak(synthesizer, "<prosody volume='silent'>Go home.</prosody>")

    assert len(audio) == len(speak(synthesizer, "Go home."))
    assert not audio.any()


@pytest.mark.parametrize(
    ("settings", "inside"),
    [
        ({"speed": 1.5}, "<prosody rate='150%'>fast</prosody>"),
        ({"speed": 0.6}, "<prosody rate='x-slow'>slow</prosody>"),
        ({"pitch_semitones": 5}, "<prosody pitch='+2st'>high</prosody>"),
    ],
)
def test_request_and_document_together_keep_to_what_the_voice_can_do(
    synthesizer: Synthesizer, settings: dict[str, float], inside: str
) -> None:
    speak(synthesizer, inside)
    with pytest.raises(RequestError, match=r"line 1, column 8: <prosody>: .* of the request's own"):
        speak(synthesizer, inside, **settings)


def test_emphasis_gives_way_to_what_the_voice_can_do(synthesizer: Synthesizer) -> None:
    audio = speak(synthesizer, "<emphasis level='strong'>slow</emphasis>", speed=0.5)

    assert audio.any()
