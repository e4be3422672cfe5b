"""`spectral`: a multi-speaker voice for one CPU core, whose chain runs on spectra.

    conditioning (once) -> denoiser on short-time spectra (once per step) -> x0

Each reverse step looks at the compressed spectra of the noisy waveform and of a harmonic source at
F0, every `stft_hop` samples, and predicts per bin a complex filter for the source, one for the
noisy waveform, and in models with a free part a spectrum of its own. Their sum is that of the
clean, pre-emphasized waveform.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial, reduce
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.config import Parametrisation
from dlpo.config.models import SpectralConfig
from dlpo.errors import ConfigError, InputError
from dlpo.model.acoustics import MEL_BANDS, AcousticModel, Prosody
from dlpo.model.blocks import ConvNextBlock, LevelEmbedding, conv, de_emphasise
from dlpo.model.real_dft import RealDft, Spectrum

COMPRESSION_FLOOR = 1e-3  # magnitude below which spectra are not boosted any further
FREE_SCALE = 4.0  # of the free part, about the spread of a spectrum's bins


class SpectralWaveGrad2(AcousticModel):
    """Encoder, frame predictors and spectral denoiser of several voices.

    The voice embeddings have a row for each speaker and for each recording session of a speaker; a
    voice is the sum of both, see `voice`.
    """

    parametrisation: Parametrisation = "x0"
    uses_source = True
    x0_limit: float | None = None
    """bound on |x0| in each step of a chain"""

    def __init__(self, config: SpectralConfig) -> None:
        c = config.hidden_channels
        d = config.conditioning_channels
        w = config.width
        super().__init__(config)
        self.voices = nn.Embedding(len(config.voices), c)

        self.conditioning_in = conv(MEL_BANDS + 2, d, 3)
        self.conditioning_voices = nn.Embedding(len(config.voices), d)
        self.gates = None
        if config.adapter_channels:
            self.gates = nn.Embedding(len(config.voices), config.adapter_channels)
            nn.init.zeros_(self.gates.weight)
        self.pitch_voices = None
        if config.contour is not None:
            self.pitch_voices = nn.Embedding(len(config.voices), config.contour.channels)
            usual = [config.contour.centre, config.contour.spread]  # until measured by `train`
            usual += [1.0]  # temperature
            ranges = [[0.0] * 3 if "/" in voice else usual for voice in config.voices]
            self.pitch_ranges: Tensor
            self.register_buffer("pitch_ranges", torch.tensor(ranges))
        for embedding in (self.voices, self.conditioning_voices, self.pitch_voices):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=0.1)
        self.conditioning_hidden = conv(c, d, 1)
        for late in self.conditioning_hidden.parameters():
            nn.init.zeros_(late)  # the denoiser learns from recorded mel before it sees text
        self.conditioning_blocks = nn.Sequential(
            *(ConvNextBlock(d, 2 * d) for _ in range(config.conditioning_blocks))
        )

        self.level = LevelEmbedding(config.level_channels, config.level_frequency)
        self.dft = RealDft(config.window)
        self.spectrum_in = nn.Linear(4 * self.dft.places, w)
        self.spectrum_conditioning = conv(d, w, 3)
        self.spectrum_norm = nn.LayerNorm(w)
        self.spectrum_blocks = nn.ModuleList(
            ConvNextBlock(w, 3 * w, level_channels=config.level_channels)
            for _ in range(config.blocks)
        )
        self.spectrum_last_norm = nn.LayerNorm(w)
        self.spectrum_parts = 6 if config.free_part else 4
        self.spectrum_out = nn.Linear(w, self.spectrum_parts * self.dft.places)
        with torch.no_grad():
            self.spectrum_out.weight.mul_(0.3)
            self.spectrum_out.bias.zero_()
        self.hann: Tensor
        self.register_buffer("hann", torch.hann_window(config.window), persistent=False)

    def voice(self, rows: Tensor) -> Tensor:
        """(B, 2) rows of the speaker and of the session, -1 for none -> (B, V).

        The first columns are for the encoder, the next for the conditioning, then come the gates of
        the adapters, if any; in a model that draws its pitch the last are for the contour, with the
        voice's centre and spread in ln Hz and its temperature. Voices are mixed by a weighted mean
        of these vectors.

        Raises:
            InputError: a row has no speaker.
        """
        if bool((rows[:, 0] < 0).any()):
            raise InputError(
                f"voice rows are {rows.tolist()}; expected a speaker in each: draw"
                " batches with the voice rows of the model's configuration"
            )
        columns = [self.voices.weight, self.conditioning_voices.weight]
        if self.gates is not None:
            columns += [self.gates.weight]
        if self.pitch_voices is not None:
            columns += [self.pitch_voices.weight, self.pitch_ranges]
        known = (rows >= 0).unsqueeze(-1)
        return (torch.cat(columns, dim=1)[rows.clamp(min=0)] * known).sum(1)

    def named_voice(self, name: str | None = None) -> Tensor:
        """(1, V) of a speaker, apart from any session, or of a session; the first speaker's if
        None.

        Raises:
            ConfigError: there is no such speaker.
        """
        rows = self.config.rows(name or self.config.speakers[0])
        return self.voice(torch.tensor([rows], device=self.voices.weight.device))

    def pitch_voice(self, voice: Tensor) -> tuple[Tensor, Tensor]:
        """(B, V) of a model that draws its pitch -> (B, C) for the reader, and (B, 3) centre and
        spread in ln Hz and temperature."""
        assert self.contour is not None
        own = voice[:, -self.contour.config.channels - 3 :]
        return own[:, :-3], own[:, -3:]

    def condition(self, upsampled: Tensor, prosody: Prosody, mel: Tensor, voice: Tensor) -> Tensor:
        pitch = torch.stack([prosody.log_f0 * prosody.voicing, prosody.voicing], dim=1)
        x = self.conditioning_in(torch.cat([mel, pitch], dim=1).to(upsampled.dtype))
        x = x + self.conditioning_hidden(upsampled)
        first = self.config.hidden_channels
        x = x + voice[:, first : first + x.shape[1], None]
        out: Tensor = self.conditioning_blocks(x)
        return out

    def denoise(
        self, noisy: Tensor, noise_level: Tensor, conditioning: Tensor, source: Tensor
    ) -> Tensor:
        """The clean waveform hidden in the noisy one.

        Args:
            noisy: (B, T), pre-emphasized and scaled.
            noise_level: (B,), sqrt(alpha_bar).
            conditioning: (B, C2, F) from `frames`.
            source: (B, T) harmonic source.

        Returns:
            (B, T) x0, pre-emphasized and scaled.
        """
        both = self.spectrum(torch.stack([noisy, source], dim=1))
        noisy_spectrum, source_spectrum = _each(both)
        seen = torch.cat([*chain(*_each(_compressed(both)))], dim=-1)
        frames = self.spectrum_conditioning(conditioning)
        frames = functional.interpolate(frames, size=seen.shape[1], mode="linear")
        x = self.spectrum_norm(self.spectrum_in(seen) + frames.transpose(1, 2))  # (B, L, W)
        x = x.transpose(1, 2)
        level = self.level(noise_level)
        for block in self.spectrum_blocks:
            x = block(x, level)
        x = self.spectrum_last_norm(x.transpose(1, 2))
        # Separate layers, so that an exporter can choose the precision of each.
        last, parts = self.spectrum_out, self.spectrum_parts
        rows = zip(last.weight.chunk(parts), last.bias.chunk(parts), strict=True)
        a_real, a_imaginary, b_real, b_imaginary, *free = (
            functional.linear(x, weight, bias).float() for weight, bias in rows
        )
        on_source = _product((a_real, a_imaginary), source_spectrum)
        on_noisy = _product((b_real, b_imaginary), noisy_spectrum)
        real, imaginary = on_source[0] + on_noisy[0], on_source[1] + on_noisy[1]
        if free:
            real, imaginary = real + FREE_SCALE * free[0], imaginary + FREE_SCALE * free[1]
        return self.waveform((real, imaginary))

    def spectrum(self, waveform: Tensor) -> Spectrum:
        """(..., T) -> spectra of Hann windows, L = T / stft_hop."""
        window, hop = self.config.window, self.config.stft_hop
        edge, count = (window - hop) // 2, window // hop
        padded = functional.pad(waveform.float(), (edge, edge))
        hops = padded.view(*padded.shape[:-1], -1, hop)
        length = hops.shape[-2] - count + 1
        parts = [hops[..., k : k + length, :] for k in range(count)]
        spectrum: Spectrum = self.dft(torch.cat(parts, dim=-1) * self.hann)
        return spectrum

    def waveform(self, spectrum: Spectrum) -> Tensor:
        """Spectra -> (B, L * stft_hop), by weighted overlap-add."""
        frames = self.dft.inverse(spectrum) * self.hann
        window, hop = self.config.window, self.config.stft_hop
        count, length = window // hop, frames.shape[1]
        parts = torch.split(frames, hop, -1)
        samples = reduce(
            torch.add,
            (functional.pad(part, (0, 0, k, count - 1 - k)) for k, part in enumerate(parts)),
        )
        place = torch.arange(length + count - 1, device=frames.device)[:, None]
        place = place - torch.arange(count, device=frames.device)
        used = ((place >= 0) & (place < length)).float()  # (L + count - 1, count)
        weights = used @ self.hann.square().view(count, hop)
        edge = (window - hop) // 2
        inside = slice(edge, samples.shape[1] * hop - edge)  # where windows sum to more than 0
        out: Tensor = samples.flatten(1)[:, inside] / weights.flatten()[inside]
        return out

    def to_waveform(self, x0: Tensor) -> Tensor:
        """(B, T) as `denoise` predicts it -> (B, T) to listen to, in about [-1, 1]."""
        return de_emphasise(x0 / self.config.scale, self.config.stft_hop)


def _each(spectra: Spectrum) -> list[Spectrum]:
    """Two waveforms' spectra, parts (B, 2, ...), one by one."""
    return [*zip(*(part.unbind(1) for part in spectra), strict=True)]


def _compressed(spectrum: Spectrum) -> Spectrum:
    """Magnitudes to the power 1/2, phases kept."""
    real, imaginary = spectrum
    power = (real * real + imaginary * imaginary).clamp(min=COMPRESSION_FLOOR**2)
    factor = power.sqrt().rsqrt()
    return real * factor, imaginary * factor


def _product(a: Spectrum, b: Spectrum) -> Spectrum:
    """The complex product."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def learn_own_channels(model: nn.Module, speakers: Collection[str]) -> None:
    """Let only those adapter channels learn that no voice uses but `speakers`, those in the data.

    Raises:
        ConfigError: other voices use all channels, or there are no adapters.
    """
    if not isinstance(model, SpectralWaveGrad2) or model.gates is None:
        raise ConfigError(
            "part is adapters, but the checkpoint has none; add a voice by training adapters"
        )
    opened = model.gates.weight.detach() != 0
    names = [voice.split("/")[0] for voice in model.config.voices]
    others = [row for row, name in enumerate(names) if name not in speakers and opened[row].any()]
    own = ~opened[others].any(0)
    if not own.any():
        raise ConfigError(
            f"the adapters of {', '.join(sorted(speakers))} are also those of"
            f" {', '.join(names[row] for row in others)}; add their data too (--data)"
        )
    for name, weight in model.adapters.named_parameters():
        mask = own if weight.ndim == 1 or name.endswith("widen.weight") else own[:, None]
        weight.requires_grad_().register_hook(partial(torch.mul, mask))  # type: ignore[no-untyped-call]
