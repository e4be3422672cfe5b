"""What Riva's clients call voices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlpo_serving.engines.fake_engine import FakeEngine
from dlpo_serving.errors import RequestError
from dlpo_serving.riva.messages import check_language, voice_config, voice_named

KNOWN = ("lj", "amy")


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        ("", ""),
        ("lj", "lj"),
        ("dlpo.amy", "amy"),
        ("English-US.Female-1", ""),
        ("English-US-RadTTS.Male-1", ""),
        ("Magpie-Multilingual.EN-US.Aria", ""),
        ("Magpie-Multilingual.EN-US.Sofia.Happy", ""),
        ("Chatterbox-Multilingual.en-US.Male", ""),
    ],
)
def test_own_names_and_the_stock_voices_of_clients_are_known(name: str, voice: str) -> None:
    assert voice_named(name, KNOWN) == voice


@pytest.mark.parametrize(
    "name", ["ljx", "dlpo.nobody", "German-DE.Male-1", "Magpie-Multilingual.FR-FR.Louise", "EN-US"]
)
def test_other_names_stay_what_they_are_for_the_refusal_to_quote(name: str) -> None:
    assert voice_named(name, KNOWN) == name


def test_the_names_that_clients_join_from_a_listing_are_known() -> None:
    config = voice_config(FakeEngine().manifest)

    family, members = config.parameters["voice_name"], config.parameters["subvoices"]

    joined = [f"{family}.{member.split(':')[0]}" for member in members.split(",")]
    assert [voice_named(name, [config.model_name]) for name in joined] == [config.model_name]


@pytest.mark.parametrize("code", ["", "en", "EN-us", "en-US"])
def test_a_voice_speaks_its_own_language(code: str) -> None:
    check_language(code, replace(FakeEngine().manifest, language="en-US"))


@pytest.mark.parametrize("code", ["de-DE", "en-GB", "e", "en-US-x", "-", "\x00"])
def test_other_languages_are_refused_by_the_field_of_the_caller(code: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_language(code, replace(FakeEngine().manifest, language="en-US"))

    assert caught.value.violations[0].field == "language_code"
