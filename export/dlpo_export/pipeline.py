"""From a checkpoint to a bundle; on error no bundle is written."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dlpo.bundle import (
    ENCODER_NOISE,
    SOURCE_TAPER,
    VOICES,
    CheckpointInfo,
    GraphInfo,
    Manifest,
    Precision,
    ProsodyInfo,
    ScheduleInfo,
    SourceInfo,
    write_bundle,
)
from dlpo.checkpoint import Checkpoint, Provenance, load_checkpoint
from dlpo.errors import BundleError, InputError
from dlpo.model.build import Model
from dlpo.model.contour import POINTS
from dlpo.model.reach import context_frames_per_step
from dlpo.model.spectral import SpectralWaveGrad2
from dlpo.noise_schedule import named_schedule
from dlpo.text.languages import known_language, language_of
from dlpo.text.symbols import SYMBOLS
from dlpo_export.graphs import (
    DenoiserGraph,
    EncoderGraph,
    FramesGraph,
    frames_context,
)
from dlpo_export.half_precision import to_half
from dlpo_export.needed_context import needed_contexts, needed_frames_context
from dlpo_export.options import ExportOptions
from dlpo_export.parity.cases import CALIBRATION, as_numpy, denoiser_inputs, until_frames
from dlpo_export.parity.check import check_parity, parity_json
from dlpo_export.parity.divergence import Tensors
from dlpo_export.parts import Tracer
from dlpo_export.products import as_products, to_integers
from dlpo_export.progress import stage
from dlpo_export.quantise import chain_to_int8, quantisable_layers, to_int8
from dlpo_export.to_onnx import GraphSource, Shape, graph_info
from dlpo_export.weights import fold_batch_norms, round_weights, write_graphs

if TYPE_CHECKING:
    import onnx

# of the traced inputs; any values work
EXAMPLE_BATCH = 2
EXAMPLE_FRAMES = 12
EXAMPLE_PHONEMES = 9

EIGHT_BITS: tuple[Precision, ...] = ("int8", "int8_symmetric")

PARITY_FILE = "parity.json"  # the output of `check_parity`

# How torch, C++ and onnxruntime report a lack of memory; Python and numpy raise MemoryError.
OUT_OF_MEMORY_SIGNS = (
    "can't allocate memory",
    "bad_alloc",
    "failed to allocate memory",
    "out of memory",
)

Models = dict[Precision, "onnx.ModelProto"]

logger = logging.getLogger(__name__)


def export_bundle(
    checkpoint_dir: Path,
    out: Path,
    options: ExportOptions | None = None,
) -> Path:
    """Export a checkpoint, check every graph against torch, and write the bundle.

    Args:
        checkpoint_dir: as `dlpo train` writes it.
        out: a directory, or a zip if the name ends in `.dlpo`; an existing bundle is replaced.
        options: what to make.

    Returns:
        `out`.

    Raises:
        CheckpointError: the checkpoint can't be loaded.
        BundleError: a graph differs from the checkpoint, or `out` can't be written.
        MissingExtraError: a package of the extra `export` is not installed.
    """
    checkpoint = load_checkpoint(checkpoint_dir)
    options = options or ExportOptions()
    check_names(checkpoint.model, options)
    warn_of_another_chain(checkpoint, options)
    try:
        with (
            naming_lack_of_memory(f"exporting {checkpoint_dir}"),
            tempfile.TemporaryDirectory(prefix="dlpo-export-") as scratch,
        ):
            manifest = _make(checkpoint, options, Path(scratch))
            return write_bundle(out, manifest, Path(scratch))
    except OSError as error:  # from the scratch folder; `write_bundle` reports its own
        raise BundleError(
            f"graphs can't be written to {tempfile.gettempdir()} ({error}); free space there or"
            " set TMPDIR to another folder. No bundle is written"
        ) from error


def check_names(model: Model, options: ExportOptions) -> None:
    """Raise InputError, before minutes of work, if an option names a voice that isn't exported."""
    names = tuple(_voices(model, options)) or (options.voice,)
    for what, given in (("language", options.languages), ("jitter", options.jitter)):
        if unknown := given.keys() - set(names):
            raise InputError(
                f"a {what} is given for {', '.join(sorted(unknown))}; expected {', '.join(names)}"
            )


def warn_of_another_chain(checkpoint: Checkpoint, options: ExportOptions) -> None:
    """Warn that a voice is tuned for one chain; what it gained may not carry over to others."""
    provenance = checkpoint.provenance
    spoken = (options.schedule, options.default_steps, options.eta)
    if (provenance.tuned or provenance.searched) and spoken != provenance.chain:
        logger.warning(
            "tuned for %s in %d steps with eta %g; the bundle will speak by %s in %d with eta %g:"
            " omit --default-steps, --schedule and --eta, or listen before you serve it",
            *provenance.chain,
            *spoken,
        )


def _make(checkpoint: Checkpoint, options: ExportOptions, folder: Path) -> Manifest:
    """Fill `folder` with graphs, weights and `PARITY_FILE`."""
    model = fold_batch_norms(checkpoint.model)
    round_weights(model, options.weight_bits)
    voices = tuple(_voices(model, options).values())
    encoder, frames = EncoderGraph(model, voices), FramesGraph(model, voices)
    denoisers = {
        f"denoiser_{n}": DenoiserGraph(model, named_schedule(options.schedule, n, options.eta))
        for n in sorted(set(options.steps))
    }
    sources = graph_sources(encoder, frames, denoisers)
    grid = model.config.grid
    reach = context_frames_per_step(model, int(sources["frames"].outputs["conditioning"][1]))
    graphs = _write_graphs(model, options, sources, folder)
    files = {name: info.files for name, info in graphs.items()}
    with stage("comparing every graph with torch"):
        differences = check_parity(folder, sources, files)
    for difference in differences:
        logger.info("%s", difference)
    (folder / PARITY_FILE).write_text(json.dumps(parity_json(differences), indent=1) + "\n")
    with stage("measuring how much context a chunk needs"):
        manifest = replace(
            _manifest(checkpoint, options, graphs),
            context_frames_per_step=reach,
            needed_context=needed_contexts(encoder, frames, denoisers, reach, grid),
            frames_context=needed_frames_context(encoder, frames, frames_context(model, voices)),
        )
    if "int8" not in options.precisions:
        return manifest
    rounded = {name: folder / graphs[name].files["int8"] for name in denoisers}
    with stage("measuring the same in int8"):
        contexts = needed_contexts(encoder, frames, denoisers, reach, grid, rounded)
    return replace(manifest, precision="int8", needed_context_int8=contexts)


def _voices(model: Model, options: ExportOptions) -> dict[str, str]:
    """Names of the bundle's voices -> the checkpoint's, for a model with several."""
    if not isinstance(model, SpectralWaveGrad2):
        if options.voices:
            raise InputError(
                f"voices are {', '.join(options.voices)}; the checkpoint has one voice: give its "
                "name as voice"
            )
        return {}
    known, speakers = model.config.voices, model.config.speakers
    unknown = [voice for voice in options.voices.values() if voice not in known]
    if unknown and len(options.voices) == len(speakers) == 1 and unknown[0] in options.voices:
        return {unknown[0]: speakers[0]}  # names the only speaker
    if unknown:
        raise InputError(f"voice is {unknown[0]!r}; the checkpoint has {', '.join(known)}")
    return dict(options.voices) or {speaker: speaker for speaker in speakers}


def _languages(
    model: Model, options: ExportOptions, provenance: Provenance, names: Sequence[str]
) -> list[str]:
    """The language of each of the bundle's voices: as given, or as the checkpoint has it."""
    speakers = {name: voice.split("/")[0] for name, voice in _voices(model, options).items()}
    only = next(iter(provenance.languages), "")  # of a model with one voice
    learned = (language_of(speakers.get(n, only), provenance.languages) for n in names)
    given = options.languages
    return [known_language(given.get(n, code)) for n, code in zip(names, learned, strict=True)]


def _write_graphs(
    model: Model, options: ExportOptions, sources: Mapping[str, GraphSource], folder: Path
) -> dict[str, GraphInfo]:
    """Make every graph in every precision; returns the manifest's entries for them."""
    with stage(f"speaking {len(CALIBRATION)} sentences, to calibrate on"):
        spoken = [(sentence.seed, *until_frames(sources, sentence)) for sentence in CALIBRATION]
    tracer, spectral = Tracer(), isinstance(model, SpectralWaveGrad2)
    infos: dict[str, GraphInfo] = {}
    files: dict[str, onnx.ModelProto] = {}
    for name, source in sources.items():
        with stage(f"{name}: tracing"):
            made: Models = {"fp32": tracer.to_onnx(source)}
        if name in ("encoder", "frames"):
            rollouts: list[Tensors] = [
                as_numpy((encoder if name == "encoder" else frames).inputs)
                for _, encoder, frames in spoken
            ]
            rounded = [p for p in options.precisions if p in EIGHT_BITS]
            if spectral:
                integers = to_integers(made["fp32"], rollouts) if rounded else None
                made |= dict.fromkeys(rounded, integers) if integers else {}
                made["fp32"] = as_products(made["fp32"])
            elif name == "frames" and rounded and quantisable_layers(made["fp32"]):
                made |= dict.fromkeys(rounded, to_int8(made["fp32"], rollouts)[0])
        else:
            rollouts = [
                as_numpy(denoiser_inputs(source, frames, seed)) for seed, _, frames in spoken
            ]
            for precision in options.precisions:
                if precision != "fp32":
                    with stage(f"{name}: to {precision}"):
                        made[precision] = _rounded(made["fp32"], precision, rollouts, spectral)
        infos[name] = graph_info(source, {p: _file(name, p) for p in made})
        files |= {_file(name, precision): graph for precision, graph in made.items()}
    write_graphs(files, folder)
    return infos


def _rounded(
    denoiser: onnx.ModelProto, precision: Precision, rollouts: list[Tensors], spectral: bool
) -> onnx.ModelProto:
    """A denoiser in a precision other than fp32."""
    if precision in ("fp16", "bf16"):
        return to_half(denoiser, rollouts, precision)
    if precision == "int8" and spectral:
        return to_integers(denoiser, rollouts) or copy.deepcopy(denoiser)
    to_8_bits = to_int8 if spectral else chain_to_int8
    return to_8_bits(denoiser, rollouts, symmetric=precision == "int8_symmetric")[0]


def _file(graph: str, precision: Precision) -> str:
    if graph in ("encoder", "frames") and precision in EIGHT_BITS:
        precision = "int8"  # the CPU computes it even if there is a GPU
    return f"{graph}.onnx" if precision == "fp32" else f"{graph}.{precision}.onnx"


def _manifest(
    checkpoint: Checkpoint, options: ExportOptions, graphs: dict[str, GraphInfo]
) -> Manifest:
    """The part of the manifest that needs no measurements."""
    model, provenance = checkpoint.model, checkpoint.provenance
    voices = tuple(_voices(model, options))
    names = voices or (options.voice,)
    spoken = _languages(model, options, checkpoint.provenance, names)
    draws_pitch = EncoderGraph(model).draws_pitch
    taper_hz = model.config.grid.taper_hz
    needed = {ENCODER_NOISE: draws_pitch, VOICES: bool(voices), SOURCE_TAPER: taper_hz > 0}
    return Manifest(
        voice=voices[0] if voices else options.voice,
        voices=voices,
        language=spoken[0],
        voice_languages=dict(zip(voices, spoken, strict=True)) if len({*spoken}) > 1 else {},
        sample_rate_hz=model.config.grid.sample_rate_hz,
        hop_length=model.config.grid.hop_length,
        symbols=SYMBOLS[: checkpoint.config.symbols],
        parametrisation=model.parametrisation,
        noise_schedule=ScheduleInfo(options.schedule, options.eta),
        steps=options.default_steps,
        context_frames_per_step=0,
        graphs=graphs,
        licence="Apache-2.0",
        corpus=provenance.corpus,
        checkpoint=CheckpointInfo(checkpoint.sha256, provenance.commit, provenance.updates),
        gain=options.gain,
        jitter=dict(options.jitter),
        own_pitch_noise=draws_pitch,
        dictionary=dict(options.dictionary),
        prosody=ProsodyInfo() if model.uses_source else ProsodyInfo(pitch_semitones=(0.0, 0.0)),
        uses_source=model.uses_source,
        requires=tuple(feature for feature, used in needed.items() if used),
        source=SourceInfo(model.uses_source, taper_hz=taper_hz),
        scores=dict(options.scores),
    )


@torch.no_grad()
def graph_sources(
    encoder: EncoderGraph, frames: FramesGraph, denoisers: Mapping[str, DenoiserGraph]
) -> dict[str, GraphSource]:
    """Every graph with example inputs and the names and shapes of the bundle's contract."""
    phonemes = torch.arange(1, 1 + EXAMPLE_PHONEMES)[None]
    hidden, _, ranges = encoder(phonemes)
    positions = torch.arange(EXAMPLE_FRAMES) + 0.5
    durations, pitch = torch.ones_like(ranges), torch.zeros(1)
    conditioning, _ = frames(hidden, durations, ranges, positions, pitch)
    c, c2 = hidden.shape[1], conditioning.shape[1]
    batch = conditioning.expand(EXAMPLE_BATCH, -1, -1).contiguous()
    hop = encoder.model.config.grid.hop_length
    samples = torch.zeros(EXAMPLE_BATCH, EXAMPLE_FRAMES, hop)
    window = ("B", "F", hop)
    read: dict[str, tuple[torch.Tensor, Shape]] = {"phonemes": (phonemes, (1, "P"))}
    if encoder.draws_pitch:
        read["noise"] = (torch.zeros(1, POINTS, EXAMPLE_PHONEMES), (1, POINTS, "P"))
    voice: dict[str, tuple[torch.Tensor, Shape]] = {}
    if encoder.voices is not None:
        shares = torch.full((1, len(encoder.voices)), 1 / len(encoder.voices))
        voice = {"voice": (shares, tuple(shares.shape))}
    sources = {
        "encoder": GraphSource(
            encoder,
            read | voice,
            {"hidden": (1, c, "P"), "durations": (1, "P"), "ranges": (1, "P")},
        ),
        "frames": GraphSource(
            frames,
            {
                "hidden": (hidden, (1, c, "P")),
                "durations": (durations, (1, "P")),
                "ranges": (ranges, (1, "P")),
                "positions": (positions, ("F",)),
                "pitch": (pitch, (1,)),
                **voice,
            },
            {"conditioning": (1, c2, "F"), "f0": (1, "F")},
        ),
    }
    for name, denoiser in denoisers.items():
        k = denoiser.schedule.noise_count
        sources[name] = GraphSource(
            denoiser,
            {
                "conditioning": (batch, ("B", c2, "F")),
                "source": (samples, window),
                "noise": (samples.expand(k, -1, -1, -1).contiguous(), (k, *window)),
            },
            {"waveform": window},
        )
    return sources


@contextlib.contextmanager
def naming_lack_of_memory(doing: str) -> Iterator[None]:
    """Turn a failed allocation, however deeply wrapped, into an error that says what to do.

    Args:
        doing: what needs the memory, such as "exporting denoiser_6".

    Raises:
        BundleError: memory ran out inside. Every other error passes through unchanged.
    """
    try:
        yield
    except Exception as error:
        cause = _lack_of_memory(error)
        if cause is None:
            raise
        raise BundleError(
            f"{doing}: out of memory ({str(cause).splitlines()[0] if str(cause) else 'no detail'});"
            " nothing is written. Export fewer numbers of steps at once, or on a machine with more;"
            " large with 2 and 6 steps takes 3 GB"
        ) from error


def _lack_of_memory(error: BaseException) -> BaseException | None:
    """The failed allocation behind an exception, or None."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        text = str(current).lower()
        if isinstance(current, MemoryError) or any(sign in text for sign in OUT_OF_MEMORY_SIGNS):
            return current
        seen.add(id(current))
        current = current.__cause__ or current.__context__
    return None
