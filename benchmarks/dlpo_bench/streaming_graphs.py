"""Two ways to stream that serving does not take, as graphs to measure beside the one it does.

WavefrontStep   one reverse step; the host keeps every x_t and advances each as far as it can
CachedChain     all steps; every convolution keeps its last inputs, so nothing is computed twice
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dlpo.audio import HOP_LENGTH
from dlpo.diffusion import reverse_step
from dlpo.model.blocks import SLOPE, Film, UpBlock
from dlpo.model.emphasis import de_emphasise
from dlpo.model.lite import LiteWaveGrad2
from dlpo.noise_schedule import NoiseSchedule


class WavefrontStep(nn.Module):
    """One reverse step of a window; the last one also makes the waveform."""

    def __init__(self, model: LiteWaveGrad2, schedule: NoiseSchedule, step: int) -> None:
        super().__init__()
        self.model = model
        self.schedule = schedule
        self.step = step

    def forward(self, conditioning: Tensor, source: Tensor, noisy: Tensor, noise: Tensor) -> Tensor:
        """x before the step, and its fresh noise, to x after it.

        Args:
            conditioning: (B, C2, F).
            source, noisy, noise: (B, F, 300); a step without fresh noise does not read `noise`.

        Returns:
            (B, F, 300).
        """
        x = noisy.flatten(1)
        level = torch.tensor([float(self.schedule.noise_levels[self.step])])
        x0 = self.model.denoise(x, level, conditioning, source.flatten(1))
        x, std = reverse_step(x, x0, self.schedule, self.step)
        if std > 0:
            x = x + std * noise.flatten(1)
        if self.step == self.schedule.steps - 1:
            x = self.model.to_waveform(x)
        return x.reshape(noisy.shape)


class CachedChain(nn.Module):
    """The reverse chain of `lite` on successive frames, with the past of every layer as state.

    A convolution that looks p positions ahead gives its output p positions late. What meets that
    output must be late as well, and the next layer is later still: the waveform comes
    `delay_frames` after its noise. What lies outside the sentence has to be 0 at every
    convolution, as the padding of a whole sentence is; hence the masks.

    Positions are counted at three rates: frames, coarse (`up_factors[0]` a frame) and patches.
    """

    def __init__(self, model: LiteWaveGrad2, schedule: NoiseSchedule) -> None:
        super().__init__()
        self.model = model
        self.schedule = schedule
        coarse, ratio = model.config.up_factors
        self.patches = coarse * ratio  # a frame
        self._sizes: list[tuple[int, int]] = []  # (channels, positions) of each piece of state
        self._recording = True
        self._late = 0  # patches that the end of the chain lags behind its input
        self._states: list[Tensor] = []
        self._kept: list[Tensor] = []
        c2 = model.config.conditioning_channels
        with torch.no_grad():
            window = torch.zeros(1, 1, HOP_LENGTH)
            noise = torch.zeros(schedule.noise_count, 1, 1, HOP_LENGTH)
            self._chain(torch.zeros(1, c2, 1), window, noise, torch.zeros(2, dtype=torch.int64))
        self._recording = False

    @property
    def delay_frames(self) -> int:
        """How many frames the waveform lags behind the inputs."""
        return -(-self._late // self.patches)

    @property
    def state_size(self) -> int:
        """Floats of state a stream."""
        return sum(channels * positions for channels, positions in self._sizes)

    def forward(
        self, conditioning: Tensor, source: Tensor, noise: Tensor, place: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next F frames of inputs to F frames of waveform, `delay_frames` earlier ones.

        Args:
            conditioning: (1, C2, F).
            source: (1, F, 300).
            noise: (K, 1, F, 300).
            place: (2,) int64: the first of these frames, and the frames of the sentence.
            state: (1, S), 0 before the first frame.

        Returns:
            (1, F, 300), without the voice's gain; what comes before the sentence means nothing.
            (1, S) state for the next call.
        """
        lengths = [channels * positions for channels, positions in self._sizes]
        self._states = [
            piece.reshape(1, *size)
            for piece, size in zip(torch.split(state, lengths, dim=1), self._sizes, strict=True)
        ]
        waveform = self._chain(conditioning, source, noise, place)
        return waveform, torch.cat([piece.flatten(1) for piece in self._kept], dim=1)

    def _chain(self, conditioning: Tensor, source: Tensor, noise: Tensor, place: Tensor) -> Tensor:
        self._kept = []
        model, patch = self.model, self.model.config.patch
        ratio = model.config.up_factors[1]

        def patches(wave: Tensor) -> Tensor:  # (1, F, 300) -> (1, 20, L)
            return wave.reshape(1, -1, patch).transpose(1, 2)

        first = model.up[0]
        assert isinstance(first, UpBlock)
        rate = self.patches // ratio
        entering = functional.interpolate(
            functional.leaky_relu(conditioning, SLOPE), scale_factor=first.factor
        )
        # What no step changes is computed once and handed from step to step, later each time.
        steady = torch.cat(
            [
                self._convolve(entering, first.enter, place, rate, 0),
                self._delay(functional.interpolate(first.skip(conditioning), scale_factor=rate), 1),
            ],
            dim=1,
        )
        steady_late = 1  # coarse
        x, heard = patches(noise[0]), patches(source)
        late, used = 0, 1
        for step in range(self.schedule.steps):
            level = model.level(torch.tensor([float(self.schedule.noise_levels[step])]))
            wanted = late // ratio + 9  # coarse; of `_denoise`'s first modulation
            steady = self._delay(steady, wanted - steady_late)
            steady_late = wanted
            x0, reach = self._denoise(x, heard, steady, level, place, late)
            x, std = reverse_step(self._delay(x, reach), x0, self.schedule, step)
            late += reach
            if std > 0:
                x = x + std * self._delay(patches(noise[used]), late)
                used += 1
            if step + 1 < self.schedule.steps:
                aligned = -late % ratio
                x, late = self._delay(x, aligned), late + aligned
                heard = self._delay(heard, reach + aligned)
        self._late = late if self._recording else self._late
        x = x * self._inside(x, place, self.patches, late)
        past = self._past(x, HOP_LENGTH // patch)
        wave = de_emphasise(past.transpose(1, 2).flatten(1) / model.config.scale)[:, HOP_LENGTH:]
        return (
            self._delay(patches(wave), -late % self.patches)
            .transpose(1, 2)
            .reshape(1, -1, HOP_LENGTH)
        )

    def _denoise(
        self, x: Tensor, source: Tensor, steady: Tensor, level: Tensor, place: Tensor, late: int
    ) -> tuple[Tensor, int]:
        """`LiteWaveGrad2.denoise` of (1, 20, L) patches, `late` behind: x0 and its delay.

        `steady` is what `up[0]` enters with, and its skip, 9 coarse positions behind `x`.
        """
        model, ratio = self.model, self.model.config.up_factors[1]
        coarse_rate = self.patches // ratio
        down = model.down
        fine = self._convolve(torch.cat([x, source], 1), model.patch_in, place, self.patches, late)
        fine = self._delay(fine, ratio - 2)  # patch_in is 2 late; pooling takes whole groups
        now = late // ratio + 1  # coarse, from here on
        pooled = functional.avg_pool1d(fine, ratio)
        hidden, reach = pooled, 0
        for i in range(3):
            convolution = down.convolutions[i]
            assert isinstance(convolution, nn.Conv1d)
            hidden = functional.leaky_relu(hidden, SLOPE)
            hidden = self._convolve(hidden, convolution, place, coarse_rate, now + reach)
            reach += 2**i
        branch = self._delay(down.skip(pooled), reach) + hidden
        first, second = model.film
        assert isinstance(first, Film)
        assert isinstance(second, Film)
        modulation = self._film(branch, first, level, place, coarse_rate, now + reach)
        entered, skip = steady.chunk(2, dim=1)
        up0, up1 = model.up
        assert isinstance(up0, UpBlock)
        assert isinstance(up1, UpBlock)
        now = now + reach + 1
        out = self._up(entered, skip, modulation, up0, place, coarse_rate, now)
        now = ratio * (now + 14)  # patches, from here on
        entering = functional.interpolate(functional.leaky_relu(out, SLOPE), scale_factor=ratio)
        entered = self._convolve(entering, up1.enter, place, self.patches, now)
        skip = self._delay(functional.interpolate(up1.skip(out), scale_factor=ratio), 1)
        now += 1
        modulation = self._film(fine, second, level, place, self.patches, late + ratio)
        modulation = self._delay(modulation, now - (late + ratio + 1))
        out = self._up(entered, skip, modulation, up1, place, self.patches, now)
        now += 14
        out = functional.leaky_relu(out, 0.2)
        return self._convolve(out, model.patch_out, place, self.patches, now), now + 1 - late

    def _film(
        self, x: Tensor, film: Film, level: Tensor, place: Tensor, rate: int, late: int
    ) -> Tensor:
        """Scale and shift side by side, one position later than `x`."""
        x = functional.leaky_relu(x + film.level(level)[:, :, None], SLOPE)
        return self._convolve(x, film.out, place, rate, late)

    def _up(
        self, x: Tensor, skip: Tensor, modulation: Tensor, up: UpBlock, place: Tensor, rate: int,
        late: int,
    ) -> Tensor:  # fmt: skip
        """The three modulated convolutions of an `UpBlock`; 14 positions later than `x`."""

        def modulate(i: int, y: Tensor, late: int) -> Tensor:
            scale, shift = modulation.chunk(2, dim=1)
            convolution = up.modulated[i]
            assert isinstance(convolution, nn.Conv1d)
            y = functional.leaky_relu(scale * y + shift, SLOPE)
            return self._convolve(y, convolution, place, rate, late)

        x = self._delay(skip, 2) + modulate(0, x, late)
        modulation = self._delay(modulation, 2)
        y = modulate(1, x, late + 2)
        modulation = self._delay(modulation, 4)
        return self._delay(x, 12) + modulate(2, y, late + 6)

    # ------------------------------------------------------------------ time
    def _convolve(
        self, x: Tensor, convolution: nn.Conv1d, place: Tensor, rate: int, late: int
    ) -> Tensor:
        """Convolve what came up to now; the output is late by half the kernel's reach."""
        reach = convolution.dilation[0] * (convolution.kernel_size[0] - 1)  # both sides
        x = self._past(x * self._inside(x, place, rate, late), reach)
        return functional.conv1d(
            x, convolution.weight, convolution.bias, dilation=convolution.dilation
        )

    def _delay(self, x: Tensor, positions: int) -> Tensor:
        return self._past(x, positions)[:, :, : x.shape[2]]

    def _past(self, x: Tensor, positions: int) -> Tensor:
        """(1, C, L) -> (1, C, positions + L), with what came before; keeps the end for later."""
        if not positions:
            return x
        if self._recording:
            self._sizes.append((x.shape[1], positions))
            self._states.append(x.new_zeros(1, x.shape[1], positions))
        joined = torch.cat([self._states[len(self._kept)], x], dim=2)
        self._kept.append(joined.narrow(2, x.shape[2], positions))
        return joined

    @staticmethod
    def _inside(x: Tensor, place: Tensor, rate: int, late: int) -> Tensor:
        """(1, 1, L): 1 where the position of `x` lies in the sentence, else 0."""
        start, frames = place[0], place[1]
        position = start * rate - late + torch.arange(x.shape[2])
        return ((position >= 0) & (position < frames * rate)).to(x.dtype)[None, None]
