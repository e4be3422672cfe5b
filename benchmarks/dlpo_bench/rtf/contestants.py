"""Who takes part: PyTorch in three ways, and every engine in every precision."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from dlpo.bundle import Manifest
from dlpo.errors import DlpoError, EngineError, InputError
from dlpo.noise_schedule import MAX_STEPS
from dlpo.text import TextFrontEnd
from dlpo_bench.rtf.models import MeasuredModel
from dlpo_bench.rtf.torch_chains import CompiledEngine, PaperSampler
from dlpo_bench.torch_engine import TorchEngine
from dlpo_serving.chunks import STREAM_LADDER
from dlpo_serving.engine import Encoding, Engine, Floats, Frames, Ids
from dlpo_serving.engines import PRECISIONS, EngineName, EnginePrecision, open_engine
from dlpo_serving.synthesizer import Synthesizer

PAPER, EAGER, COMPILED = f"eager-{MAX_STEPS}", "eager", "compile"
IN_SENTENCES = "whole"  # suffix of an engine's name: without chunks
EAGER_IN_CHUNKS = f"{EAGER} streamed"
REFERENCE = "cpu:fp32"  # whose audio the others' is compared with
SERVED = tuple(f"{engine}:{p}" for engine, offered in PRECISIONS.items() for p in offered)
CONTESTANTS = (PAPER, EAGER, COMPILED, *SERVED)
WHOLE = (1 << 20,)  # frames: a sentence in one piece
FRAMES_PER_SYMBOL = 6.0  # 82 ms, about as English is spoken


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to speak, loaded."""

    name: str
    engine: Engine
    speaker: Synthesizer
    ladder: Sequence[int]
    """frames of the chunks that it speaks in"""
    load_s: float
    paper: PaperSampler | None = None
    """the engine, where it can leave steps out"""
    variant: bool = False
    """the same engine takes part with another ladder: no need to time its denoiser twice"""


@dataclass(slots=True)
class Field:
    """All contestants of a run."""

    present: dict[str, Contestant] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    """who or what is not measured -> why"""


class EvenlyPaced:
    """An engine of random weights, all of whose symbols last equally long.

    What random weights predict are no durations, and audio of any length would come of a text.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def manifest(self) -> Manifest:
        return self._engine.manifest

    @property
    def max_batch(self) -> int:
        return self._engine.max_batch

    def context_frames(self, steps: int) -> int:
        return self._engine.context_frames(steps)

    def encode(self, phonemes: Ids, noise: Floats | None = None) -> Encoding:
        made = self._engine.encode(phonemes, noise)
        even = np.full(made.durations.shape, FRAMES_PER_SYMBOL, np.float32)
        return Encoding(made.hidden, even, np.ones_like(even))

    def frames(
        self, encoding: Encoding, counts: Ids, start: int, stop: int, pitch_semitones: float
    ) -> Frames:
        return self._engine.frames(encoding, counts, start, stop, pitch_semitones)

    def denoise(self, steps: int, conditioning: Floats, source: Floats, noise: Floats) -> Floats:
        return self._engine.denoise(steps, conditioning, source, noise)


def check_names(names: Sequence[str]) -> None:
    """Raise InputError for a name that is no contestant's, and for none at all."""
    for name in names:
        if name not in CONTESTANTS:
            raise InputError(f"contestant {name!r} is unknown; expected {', '.join(CONTESTANTS)}")
    if not names:
        raise InputError(f"no contestant; choose from {', '.join(CONTESTANTS)}")


def open_field(
    model: MeasuredModel, names: Sequence[str], tell: Callable[[str], None] = lambda line: None
) -> Field:
    """Load every contestant that can run here.

    Args:
        names: of `CONTESTANTS`.
        tell: takes a line for each that can't.

    Raises:
        EngineError: none can.
    """
    found = Field()
    for name in names:
        try:
            opened = _open(name, model)
        except DlpoError as error:
            found.skipped[name] = str(error)
            tell(f"skipped {name}: {error}")
            continue
        found.present |= {one.name: one for one in opened}
    if not found.present:
        raise EngineError(
            "none of the contestants runs on this machine; see the reasons above, or choose others"
        )
    return found


def _open(name: str, model: MeasuredModel) -> list[Contestant]:
    """Load one; where both are possible it speaks in chunks as served, and whole sentences."""
    start = time.perf_counter()
    paper: PaperSampler | None = None
    engine: Engine
    if name in SERVED:
        if model.bundle is None:
            raise EngineError(model.no_bundle)
        runtime, _, precision = name.partition(":")
        engine = open_engine(
            model.bundle, cast(EngineName, runtime), cast(EnginePrecision, precision)
        )
    elif name == PAPER:
        engine = paper = PaperSampler(model.checkpoint, model.like)
    else:
        kind = CompiledEngine if name == COMPILED else TorchEngine
        engine = torch_engine = kind(model.checkpoint, model.like, model.chain, (model.steps,))
        if model.bundle:  # as measured at export, so that it need not compute more than the others
            context = model.bundle.manifest.needed_context
            torch_engine.manifest = replace(torch_engine.manifest, needed_context=context)
    load_s = time.perf_counter() - start
    if model.random:
        engine = EvenlyPaced(engine)
    speaker = Synthesizer(engine, TextFrontEnd(model.like.dictionary))
    if name in SERVED:
        return [
            Contestant(name, engine, speaker, STREAM_LADDER, load_s),
            Contestant(f"{name} {IN_SENTENCES}", engine, speaker, WHOLE, load_s, variant=True),
        ]
    whole = Contestant(name, engine, speaker, WHOLE, load_s, paper)
    if name != EAGER:
        return [whole]
    return [whole, replace(whole, name=EAGER_IN_CHUNKS, ladder=STREAM_LADDER, variant=True)]


def steps_of(contestant: Contestant, model: MeasuredModel) -> int:
    """Reverse steps that it takes."""
    return MAX_STEPS if contestant.paper else model.steps


def describe(field: Field) -> dict[str, dict[str, object]]:
    """What a record says of each contestant beside its times."""
    return {
        name: {
            "load_s": one.load_s,
            "speaks in": "whole sentences" if one.ladder == WHOLE else "chunks, as served",
        }
        for name, one in field.present.items()
    }
