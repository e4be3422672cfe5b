"""Contour training: what it learns from, what it minimizes and how it is validated.

The targets are two points per symbol, fitted to the F0 of recordings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from dlpo.config.training import ContourTraining
from dlpo.data.dataset import Corpora
from dlpo.errors import DataError
from dlpo.model.blocks import conv
from dlpo.model.contour import POINTS, Contour, Reader, point_weights
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.text.symbols import FIRST_PHONEME
from dlpo.training.batches import OnDevice, Sentences, sentences_of, whole_frames
from dlpo.training.losses import masked_mean

SYMBOL_WEIGHT = 0.3
HOTTEST = 1.6
HALVINGS = 5
CALIBRATION_DRAWS = 4
FULLY_SHOWN = 0.9  # share of the sentences whose durations are shown to the flow
UNVOICED_WEIGHT = 0.05  # F0 is only interpolated there
SMOOTHNESS = 0.3  # of neighboring points, against frames of weight 1; decides where none is voiced
MOST_WEIGHT = 8.0  # frames, so that a long vowel does not outweigh a word
LEAST_WEIGHT = 0.1
VALIDATION_CLIPS = 24  # of each corpus at most, since all are one batch
SURE = 1.0  # frames; only points with more voiced frames are validated


@dataclass(frozen=True, slots=True)
class Recorded:
    """The contour of one recording."""

    points: NDArray[np.float32]
    """(2, P) about the clip's mean, in standard deviations of its voiced frames"""
    voiced: NDArray[np.float32]
    """(2, P) voiced frames that each point represents"""
    mean: float
    """ln Hz, of its voiced frames"""
    spread: float
    """standard deviation of these, ln Hz"""


@dataclass(frozen=True, slots=True)
class Contours(OnDevice):
    """Padded contours of a batch."""

    sentences: Sentences
    points: torch.Tensor
    """(B, 2, P)"""
    voiced: torch.Tensor
    """(B, 2, P) frames"""

    @property
    def weights(self) -> torch.Tensor:
        """(B, 2, P) how much each point counts in training."""
        return (self.voiced.clamp(max=MOST_WEIGHT) + LEAST_WEIGHT) * self.sentences.mask[:, None]


def recorded_contour(dataset: Corpora, utterance: int) -> Recorded:
    """The contour of a recording, about its own mean and by its own spread.

    Raises:
        DataError: fewer than two frames of it are voiced.
    """
    _, seconds = dataset.timing(utterance)
    durations = whole_frames(seconds, dataset.grid)
    f0 = dataset.f0(utterance)[: int(durations.sum())]
    try:
        return fitted_contour(f0, durations)
    except DataError as error:
        raise DataError(
            f"{dataset.entries[utterance].id}: {error}; remove the clip from the corpus"
        ) from error


def fitted_contour(
    f0: NDArray[np.float32],
    durations: NDArray[np.float32],
    pitch_range: tuple[float, float] | None = None,
) -> Recorded:
    """The points whose upsampling comes closest to an F0, by least squares.

    Args:
        f0: (F,) Hz, 0 where unvoiced.
        durations: (P,) whole frames of each symbol; their sum is F.
        pitch_range: centre and spread in ln Hz that the points are measured by; by default the
            mean and the standard deviation of the voiced frames.

    Raises:
        DataError: fewer than two frames are voiced.
    """
    voiced = f0 > 0
    if voiced.sum() < 2:
        raise DataError(f"{voiced.sum()} frames are voiced; expected speech")
    frames = np.arange(len(f0))
    log_f0 = np.interp(frames, frames[voiced], np.log(f0[voiced]))
    own = float(log_f0[voiced].mean()), float(log_f0[voiced].std())
    mean, spread = own if pitch_range is None else pitch_range
    weights = point_weights(torch.from_numpy(durations)[None], frame_positions(len(f0)))
    shares = weights[0].double().numpy()  # (F, 2 P)
    present = shares.sum(0) > 1e-6  # points of symbols with a duration
    of_frames = np.sqrt(voiced + UNVOICED_WEIGHT)[:, None]
    rows = shares[:, present] * of_frames
    bends = np.diff(np.eye(present.sum()), axis=0) * SMOOTHNESS
    wanted = rows.T @ ((log_f0 - mean) / max(spread, 1e-3) * of_frames[:, 0])
    found = np.linalg.solve(rows.T @ rows + bends.T @ bends, wanted)
    # Symbols without a duration are interpolated between their neighbors.
    everywhere = np.interp(np.arange(len(present)), np.flatnonzero(present), found)
    counts = (shares * voiced[:, None]).sum(0)
    points, counts = (x.reshape(-1, POINTS).T.astype(np.float32) for x in (everywhere, counts))
    return Recorded(points, counts, mean, spread)


class RecordedContours:
    """The contours of a split's recordings; each is fitted once.

    Args:
        dataset: prepared.
        split: train or validation.
        rows: an entry's voice -> its rows of the voice embedding.
        most: recordings to take of each corpus, from all over it.

    Raises:
        DataError: the split has no recordings, or one has no voiced frames.
    """

    def __init__(
        self,
        dataset: Corpora,
        split: str,
        rows: Callable[[str], tuple[int, int]],
        most: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.rows = rows
        of_split = dataset.split(split, with_audio=True)
        if most is not None:
            by_corpus = dataset.by_corpus(of_split)
            of_split = [i for mine in by_corpus for i in mine[:: -(-len(mine) // most) or 1]]
        self.found = {i: recorded_contour(dataset, i) for i in of_split}
        by_length = sorted(of_split, key=lambda i: (dataset.entries[i].symbols, i))
        self.utterances = by_length
        """their indices, the shortest first"""

    def range_of(self, voice: str | None = None) -> tuple[float, float]:
        """Centre and spread in ln Hz of a voice, of a speaker's voices together, or of all.

        The spread is the standard deviation of ln F0 within a clip; both are means over the clips.

        Raises:
            DataError: it has no recordings.
        """
        names = [(i, self.dataset.entries[i].voice) for i in self.found]
        of_voice = [self.found[i] for i, name in names if voice in (None, name, name.split("/")[0])]
        if not of_voice:
            raise DataError(f"{voice}: no recordings to measure its pitch on; prepare some")
        return (
            float(np.mean([found.mean for found in of_voice])),
            float(np.mean([found.spread for found in of_voice])),
        )

    def collate(self, utterances: list[int]) -> Contours:
        """A batch."""
        sentences = sentences_of(self.dataset, utterances, self.rows)
        shape = (len(utterances), POINTS, sentences.mask.shape[1])
        points, voiced = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for row, i in enumerate(utterances):
            length = self.found[i].points.shape[1]
            points[row, :, :length] = self.found[i].points
            voiced[row, :, :length] = self.found[i].voiced
        return Contours(sentences, torch.from_numpy(points), torch.from_numpy(voiced))


class ReadingTask(nn.Module):
    """Guesses what was hidden from a `Reader`, which thereby learns to read from texts alone."""

    def __init__(self, channels: int, symbols: int) -> None:
        super().__init__()
        self.timing_out = conv(channels, 2, 1)  # log duration, log-odds of being a pause
        self.symbol_out = conv(channels, symbols, 1)


def hide_symbols(
    reader: Reader, sentences: Sentences, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(B, P) symbols of which a share is hidden, and which ones."""
    drawn = torch.rand(sentences.phonemes.shape, generator=generator)
    hidden = (drawn < share).to(sentences.mask.device) & sentences.mask
    return sentences.phonemes.masked_fill(hidden, reader.hidden_symbol), hidden


def reading_losses(
    reader: Reader,
    task: ReadingTask,
    sentences: Sentences,
    share: float,
    generator: torch.Generator,
    voice: Tensor,
) -> dict[str, Tensor]:
    """Losses on hidden durations and symbols; each sentence hides another share of its durations.

    Args:
        share: of the symbols to hide.
        generator: draws what is hidden, on the CPU.
        voice: (B, C).
    """
    phonemes, hidden_symbols = hide_symbols(reader, sentences, share, generator)
    size = sentences.phonemes.shape
    drawn = torch.rand(size, generator=generator) > torch.rand(size[0], 1, generator=generator)
    known = drawn.to(sentences.mask.device)
    hidden = reader(phonemes, sentences.mask, sentences.durations, known, voice=voice)
    log_duration, pause_logit = task.timing_out(hidden).float().unbind(1)
    asked, sounding = sentences.mask & ~known, sentences.durations > 0
    target = sentences.durations.clamp(min=1).log()
    pause = functional.binary_cross_entropy_with_logits(
        pause_logit, sounding.float(), reduction="none"
    )
    symbol = functional.cross_entropy(
        task.symbol_out(hidden).float(), sentences.phonemes, reduction="none"
    )
    marks = asked & (sentences.phonemes < FIRST_PHONEME)
    return {
        "duration": masked_mean((log_duration - target).abs(), (asked & sounding).float()),
        "pause": masked_mean(pause, marks.float()),
        "symbol": SYMBOL_WEIGHT * masked_mean(symbol, hidden_symbols.float()),
    }


def flow_losses(
    model: Contour,
    batch: Contours,
    training: ContourTraining,
    generator: torch.Generator,
    voice: Tensor,
) -> dict[str, Tensor]:
    """Squared error of the flow's velocity, at stratified times.

    Args:
        model: in train mode.
        batch: recorded contours.
        training: how noisy, and how often each is drawn.
        generator: draws everything random except dropout, on the CPU.
        voice: (B, C).
    """
    sentences, device = batch.sentences, batch.points.device
    size, draws = len(batch.points), training.draws
    phonemes, _ = hide_symbols(model.reader, sentences, training.hidden_symbols, generator)
    shape = sentences.durations.shape
    off = torch.randn(shape, generator=generator) + torch.randn(size, 1, generator=generator)
    durations = sentences.durations * (training.duration_noise * off).exp().to(device)
    known = (torch.rand(size, 1, generator=generator) < FULLY_SHOWN).expand(shape).to(device)
    hidden = model.reader(phonemes, sentences.mask, durations, known, voice=voice)

    points, weights = batch.points.repeat(draws, 1, 1), batch.weights.repeat(draws, 1, 1)
    noise = torch.randn(points.shape, generator=generator).to(device)
    rows = size * draws
    time = (torch.rand(1, generator=generator) + torch.randperm(rows, generator=generator)) / rows
    time = (time % 1).to(device)
    at = time[:, None, None]
    velocity = model.flow(
        (1 - at) * noise + at * points,
        time,
        hidden.repeat(draws, 1, 1),
        sentences.mask.repeat(draws, 1),
    )
    return {"flow": masked_mean((velocity - (points - noise)).square(), weights)}


@torch.no_grad()
def contour_figures(
    model: Contour,
    batch: Contours,
    draws: int,
    generator: torch.Generator,
    voice: Tensor,
    temperature: float = 1.0,
) -> dict[str, float]:
    """How well drawn contours agree with recorded ones, where these are voiced.

    `crps` is the proper score (Gneiting and Raftery 2007) of one point's distribution, in units in
    which a clip's spread is 1: 0.56 for a guess that ignores the text. `spread` and `move` (from
    point to point) are ratios to the recordings', `likeness` is the correlation of the mean draw
    with them.

    Args:
        model: in eval mode.
        batch: recorded contours.
        draws: per sentence, 2 or more.
        generator: draws noise, on the CPU.
        voice: (B, C).
        temperature: factor on the noise.
    """
    config, sentences = model.config, batch.sentences
    own = voice.new_tensor([config.centre, config.spread, temperature]).expand(len(voice), 3)
    voice = torch.cat([voice, own], dim=1)  # with the range that points are measured in
    drawn = torch.stack(
        [
            model.draw(
                sentences.phonemes,
                sentences.mask,
                sentences.durations,
                torch.randn(batch.points.shape, generator=generator).to(batch.points.device),
                voice,
            )
            for _ in range(draws)
        ]
    )
    drawn = (drawn - config.centre) / config.spread  # (N, B, 2, P)
    sure = batch.voiced > SURE
    recorded, made = batch.points[sure], drawn[:, sure]
    apart = (made[:, None] - made[None]).abs().sum((0, 1)) / (draws * (draws - 1))
    crps = (made - recorded).abs().mean(0) - apart / 2

    def moves(points: Tensor) -> Tensor:  # (B, 2, P) -> all moves between voiced neighbors
        line, known = points.transpose(1, 2).flatten(1), sure.transpose(1, 2).flatten(1)
        return line.diff(dim=1)[known[:, 1:] & known[:, :-1]]

    return {
        "crps": crps.mean().item(),
        "spread": (made.std(correction=0) / recorded.std(correction=0)).item(),
        "move": (moves(drawn[0]).std() / moves(batch.points).std()).item(),
        "likeness": torch.corrcoef(torch.stack([made.mean(0), recorded]))[0, 1].item(),
    }


def lively_temperature(model: Contour, batch: Contours, voice: Tensor) -> float:
    """The temperature, from 1 to `HOTTEST`, at which draws vary as much as the recordings.

    A single step draws calmer contours than the flow would, and a flow that has overfitted its
    training sentences is overconfident on others. More noise fixes both, and the proper score with
    them; scaling the contours instead would also exaggerate what is certain.

    Args:
        model: in eval mode.
        batch: recordings that it was not trained on.
        voice: (B, C).
    """
    low, high = 1.0, HOTTEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        generator = torch.Generator().manual_seed(0)
        figures = contour_figures(model, batch, CALIBRATION_DRAWS, generator, voice, middle)
        low, high = (middle, high) if figures["spread"] < 1 else (low, middle)
    return round((low + high) / 2, 2)
