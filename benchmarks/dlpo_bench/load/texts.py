"""Texts of load runs: English of mixed length, reproducible from the generator's seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

SENTENCES = (  # 80 characters each, so that first audio is comparable between versions
    "The quick brown fox jumps over the lazy dogs while seven wise owls watch in awe.",
    "Speech should begin before the thought has ended, or else the talk will feel so.",
    "A small machine in a quiet room can say what it was told, and say it in no time.",
    "Rain fell on the old stone bridge, and nobody crossed it until the sun was high.",
)
PHRASES = (  # about a second each
    "Yes.", "Not today.", "Turn left here.", "Thank you.", "One moment, please.",
    "Your order is ready.", "Door closing.", "It is ten past four.", "Call me later.",
    "Next stop, the museum.", "Two new messages.", "Good morning.",
)  # fmt: skip
LONGER = (
    "The parcel was left with your neighbour at half past eleven this morning.",
    "In 400 metres, take the second exit.",
    "She sold her old bicycle for 120 dollars, and then she walked all the way home,"
    " humming a tune that nobody had heard since the war.",
    "Tomorrow will be cloudy at first, with sunny spells from noon.",
    "Why would anyone keep a piano in the kitchen?",
    "Please hold the line; all of our agents are busy, and your call is the next one.",
    *SENTENCES,
)
SPANISH = (
    "Sí.", "Un momento, por favor.", "Su pedido ya está listo.", "¿Quiere algo más?",
    "En 400 metros, tome la segunda salida.", "La próxima parada es el museo de la ciudad.",
    "Dejamos el paquete con su vecina a las once y media de la mañana.",
    "Mañana estará nublado al principio, con ratos de sol desde el mediodía.",
)  # fmt: skip


SENTENCE_S = 5.4  # of the embedded voice, with the pause after it


def text_of_length(seconds: float) -> str:
    """The four sentences in turn, or one-second phrases, for about that much speech."""
    parts = SENTENCES if seconds >= SENTENCE_S / 2 else PHRASES
    count = max(1, round(seconds / (SENTENCE_S if parts is SENTENCES else 1.0)))
    return " ".join(parts[i % len(parts)] for i in range(count))


def utterances(random: Random) -> Iterator[str]:
    """Endless texts of one to three sentences, about 2 to 20 seconds of speech."""
    while True:
        yield " ".join(random.choices(LONGER, k=random.randint(1, 3)))


def mixed_text(language: str, random: Random) -> str:
    """A text of one word to six sentences, English unless the language is Spanish."""
    parts = SPANISH if language.startswith("es") else (*PHRASES, *LONGER)
    return " ".join(random.choices(parts, k=random.choice((1, 1, 2, 6))))
