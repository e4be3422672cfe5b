"""What `dlpo tune --reward endings --probe` asks: the reward of endings, and a judge of questions.

Questions of `dlpo.rl.probe`; the second is asked of held-out questions, and what takes no part is a
speech recognizer: its logit of "?" against "." after the words that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlpo.audio import Waveform
from dlpo.rl.ending_prompts import EndingPrompt, in_voice
from dlpo.rl.endings import RISING, ending_reward, movement_weights
from dlpo.rl.pitch_conditioning import in_time
from dlpo.rl.pitch_flow import PitchFlow
from dlpo.rl.probe import Score, Speaker
from dlpo.rl.prompts import Prompt
from dlpo.text.languages import LANGUAGES, language_of, open_language

QUESTIONS = 60  # and recordings, to compare


class HearsQuestions(Protocol):
    """A recognizer, such as `dlpo.judges.whisper.Whisper`."""

    def question_logit(self, waveform: Waveform, sample_rate_hz: int, text: str) -> float:
        """How much more a clip of some text sounds like a question than like a statement, nats."""
        ...


def ending_score(policy: PitchFlow, languages: Mapping[str, str] = MappingProxyType({})) -> Score:
    """The reward of how contours end, for what their sentence asks for; `dlpo.rl.endings`.

    ``languages``: speaker -> language, of those that don't speak American English.
    """
    endings = {code: open_language(code).endings for code in (LANGUAGES[0], *languages.values())}

    def score(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> NDArray[np.float64]:
        (sentence,) = policy.conditions([prompt]).sentences
        weights = movement_weights(
            sentence.point_weights, sentence.voiced.numpy(), sentence.frames_per_s
        )
        if weights is None:
            return np.zeros(len(contours))
        kind = endings[language_of(prompt.voice, languages)].kind(prompt.text)
        return np.array(
            [float(ending_reward(in_time(contour) @ weights, kind)) for contour in contours]
        )

    return score


def question_score(speaker: Speaker, recognizer: HearsQuestions) -> Score:
    """How much like questions contours sound to a recognizer when they are spoken."""

    def score(prompt: Prompt, contours: Sequence[Tensor], seed: int) -> NDArray[np.float64]:
        clips = [speaker.speak(prompt, contour, seed) for contour in contours]
        heard = [recognizer.question_logit(clip, speaker.rate_hz, prompt.text) for clip in clips]
        return np.array(heard)

    return score


def held_out_questions(
    prompts: Sequence[EndingPrompt], voices: Sequence[str], count: int = QUESTIONS
) -> list[Prompt]:
    """Held-out questions in American English that should rise; voices that speak it take turns."""
    rising = [
        ending
        for ending in prompts
        if ending.held_out and ending.kind in RISING and ending.language == LANGUAGES[0]
    ]
    return [in_voice(e, voice).prompt for e, voice in zip(rising[:count], cycle(voices))]
