"""Kokoro-82M for many sentences at once: the 8-bit graph's network in PyTorch.

The weights come from kokoro.int8.onnx. It computes most convolutions and matrix products with 8-bit
integers whose scale is chosen for each sentence; so does this module, with the integers held in
float32, where they are exact, in TF32 too. Sentences of a batch are padded, and every step that
looks at more than one position knows their lengths. What differs: states of recurrent layers aren't
rounded, and sums are taken in another order. A rounding that flips in the language model grows
through its twelve layers, so durations of a sentence may change by a frame, as they do in
onnxruntime if an input changes by a millionth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from recipe.speech.kokoro import GraphNetwork, Spoken, published_graph
from recipe.speech.store import FRAME, RATE

Arrays = Mapping[str, NDArray[Any]]
Manner = dict[str, tuple[Tensor, Tensor]]
"""gain and offset of each normalization"""
PITCHES = 2  # values of F0 for a frame
WINDOW = 20  # samples, of the short-time Fourier transforms
BINS = WINDOW // 2 + 1
HOP = WINDOW // 4
LEVELS = 255  # steps of an 8-bit integer
VOICED = 10  # Hz; the source is silent where F0 isn't higher
STYLE = 128  # numbers of a style for the decoder, then as many for the predictors
HEADS = 12  # of the language model's attention
LAYERS = 12
FLOATS = re.compile(r"(LayerNorm|layer_norm)\.(weight|bias)$|\.(gamma|beta)$|\.alpha[12]\.\d$")
ROOT2 = float(np.float32(math.sqrt(2)))


class BatchedKokoro:
    """The network, on one device."""

    def __init__(self, graph: Path, device: torch.device) -> None:
        """Load the weights.

        Args:
            graph: kokoro.int8.onnx.
            device: where the network runs.
        """
        net = _Weights(_read(graph), device)
        self.engine = f"{GraphNetwork.engine}, by torch on {device.type}"
        self._device = device
        self._encoder_styles = _Styles(net, "encoder.")
        self._decoder_styles = _Styles(net, "decoder.")
        self._bert = _Bert(net)
        self._text_encoder = _TextEncoder(net)
        self._durations = _Durations(net)
        self._prosody = _Prosody(net)
        self._decoder = _Decoder(net)
        self._generator = _Generator(net)

    @torch.inference_mode()
    def speak(
        self, tokens: Sequence[NDArray[np.int64]], styles: NDArray[np.float32]
    ) -> list[Spoken]:
        """Speak sentences.

        Args:
            tokens: of each sentence, (S,), with the 0 before and after it; at most 512.
            styles: (B, 256), of each sentence.
        """
        counts = torch.tensor([len(ids) for ids in tokens])
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(ids) for ids in tokens], True)
        letters = _Span.of(counts, self._device)
        ids = padded.to(self._device)
        style = torch.from_numpy(np.ascontiguousarray(styles)).to(self._device)
        manner = self._encoder_styles(style[:, STYLE:])
        timbre = self._decoder_styles(style[:, :STYLE])

        text = self._text_encoder(ids, letters)
        encoded, durations = self._durations(
            self._bert(ids, letters), style[:, STYLE:], manner, letters
        )
        ends = durations.cumsum(1)
        durations_here = durations.cpu()
        total = durations_here.sum(1)
        frames = _Span.of(total, self._device)
        times = torch.arange(frames.longest, device=self._device).expand(len(tokens), -1)
        owner = torch.searchsorted(ends, times.contiguous(), right=True)
        owner = owner.clamp_(max=ids.shape[1] - 1)[:, None]

        aligned = encoded.gather(2, owner.expand(-1, encoded.shape[1], -1))
        f0, noise = self._prosody(aligned, manner, frames)
        spoken = text.gather(2, owner.expand(-1, text.shape[1], -1))
        features = self._decoder(spoken, f0, noise, timbre, frames)
        waveforms = self._generator(features, f0, timbre, frames).cpu().numpy()
        pitch = f0[:, 0].cpu().numpy()
        return [
            Spoken(
                waveforms[n, : total[n] * FRAME],
                durations_here[n, : counts[n]].numpy(),
                pitch[n, : total[n] * PITCHES],
            )
            for n in range(len(tokens))
        ]


class _Span(NamedTuple):
    """How much of each padded row is a sentence."""

    counts: Tensor  # (B,) on the CPU
    lengths: Tensor  # (B, 1, 1) on the device
    mask: Tensor  # (B, 1, longest): 1 in a sentence, 0 after it

    @property
    def longest(self) -> int:
        return self.mask.shape[2]

    @classmethod
    def of(cls, counts: Tensor, device: torch.device) -> _Span:
        lengths = counts.to(device)[:, None, None]
        steps = torch.arange(int(counts.max()), device=device)
        return cls(counts, lengths, (steps < lengths).float())

    def times(self, factor: int, more: int = 0) -> _Span:
        """The same sentences at a rate that is higher by a factor, with more steps at the end."""
        return _Span.of(self.counts * factor + more, self.mask.device)


class _Weights:
    """Arrays by name, moved to a device, and the layers made of them."""

    def __init__(self, arrays: Arrays, device: torch.device) -> None:
        self.arrays = arrays
        self.device = device

    def tensor(self, name: str) -> Tensor:
        return torch.tensor(self.arrays[name], device=self.device)

    def integers(self, name: str) -> Tensor:
        """8-bit weights less their zero point, as float32."""
        weight = self.arrays[f"{name}.weight"].astype(np.float32)
        return torch.tensor(weight - self.arrays[f"{name}.zero"], device=self.device)

    def table(self, name: str) -> Tensor:
        """An embedding: (number of entries, channels)."""
        return self.integers(name) * self.tensor(f"{name}.scale")


def _quantized(values: Tensor) -> tuple[Tensor, Tensor]:
    """Integers less their zero point, and their scale, as DynamicQuantizeLinear chooses them.

    Args:
        values: (B, ...), 0 where there is no sentence: as 0 always belongs to the range that
            the 256 integers span, padding doesn't change it.

    Returns:
        Of the shape of values, in -255 to 255; and (B, 1, 1).
    """
    low, high = values.flatten(1).aminmax(dim=1)
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) / LEVELS
    scale = torch.where(scale == 0, 1, scale).view(-1, *[1] * (values.ndim - 1))
    zero = torch.round(-low.view_as(scale) / scale)
    rounded = (values / scale).round_()
    return torch.minimum(torch.maximum(rounded, -zero), LEVELS - zero), scale


class _Linear:
    """A matrix product with 8-bit weights that have one scale for each column."""

    def __init__(self, net: _Weights, name: str) -> None:
        self._weight = net.integers(name)
        self._scale = net.tensor(f"{name}.scale")
        self._bias = net.tensor(f"{name}.bias")

    def __call__(self, values: Tensor) -> Tensor:
        """(B, S, in), 0 where there is no sentence, to (B, S, out)."""
        integers, scale = _quantized(values)
        return (integers @ self._weight) * (scale * self._scale) + self._bias


class _Conv:
    """A convolution with 8-bit weights that have one scale."""

    def __init__(self, net: _Weights, name: str, *, stride: int = 1, dilation: int = 1) -> None:
        self._weight = net.integers(name)
        self._scale = net.tensor(f"{name}.scale")
        biased = f"{name}.bias" in net.arrays
        self._bias = net.tensor(f"{name}.bias")[:, None] if biased else None
        self._stride = stride
        self._dilation = dilation
        self._padding = (self._weight.shape[2] - stride + 1) // 2 * dilation

    def __call__(self, values: Tensor) -> Tensor:
        """(B, in, T), 0 where there is no sentence, to (B, out, T / stride)."""
        return self.of(*_quantized(values))

    def of(self, integers: Tensor, scale: Tensor) -> Tensor:
        """The convolution of integers (B, in, T) with their scale (B, 1, 1)."""
        result = functional.conv1d(
            integers, self._weight, None, self._stride, self._padding, self._dilation
        )
        scale = scale * self._scale
        if self._bias is not None:
            result += torch.floor(self._bias / scale)  # the graph adds integers
        return result.mul_(scale)


class _Lstm:
    """A bidirectional LSTM with 8-bit weights and inputs; its own states stay floats.

    The graph rounds the states to 8 bits too, at each step.
    """

    def __init__(self, net: _Weights, name: str) -> None:
        arrays = net.arrays
        inputs = arrays[f"{name}.input"]  # (2, in, 4 x hidden): input, output, forget, cell gates
        hidden = arrays[f"{name}.hidden"]
        biases = arrays[f"{name}.bias"].reshape(2, 2, -1)
        size = hidden.shape[1]
        self._lstm = nn.LSTM(inputs.shape[1], size, batch_first=True, bidirectional=True)
        gates = np.arange(4 * size).reshape(4, size)[[0, 2, 3, 1]].ravel()  # PyTorch's order
        for way, suffix in enumerate(("", "_reverse")):
            for given, weight, scale in (
                ("ih", inputs, arrays[f"{name}.input_scale"]),
                ("hh", hidden, arrays[f"{name}.hidden_scale"]),
            ):
                value = np.ascontiguousarray(weight[way].T[gates] * scale[way])
                getattr(self._lstm, f"weight_{given}_l0{suffix}").data = torch.from_numpy(value)
            for n, given in enumerate(("ih", "hh")):
                value = biases[way, n, gates]
                getattr(self._lstm, f"bias_{given}_l0{suffix}").data = torch.from_numpy(value)
        self._lstm.to(net.device).requires_grad_(False)
        self._lstm.flatten_parameters()

    def __call__(self, values: Tensor, span: _Span) -> Tensor:
        """(B, in, T) to (B, 2 x hidden, T), 0 where there is no sentence."""
        integers, scale = _quantized(values * span.mask)
        packed = pack_padded_sequence(
            (integers * scale).mT, span.counts, True, enforce_sorted=False
        )
        result, _ = pad_packed_sequence(self._lstm(packed)[0], True)
        return result.mT


class _Styles:
    """The gains and offsets that a style gives every normalization, by one matrix product."""

    def __init__(self, net: _Weights, prefix: str) -> None:
        ends = ".fc.weight"
        keys = [k for k in net.arrays if k.startswith(prefix) and k.endswith(ends)]
        self._names = [key.removesuffix(ends) for key in keys]
        parts = [_Linear(net, f"{name}.fc") for name in self._names]
        self._linear = parts[0]
        self._sizes = [part._bias.shape[0] for part in parts]
        self._linear._weight = torch.cat([part._weight for part in parts], 1)
        self._linear._scale = torch.cat([part._scale for part in parts])
        self._linear._bias = torch.cat([part._bias for part in parts])

    def __call__(self, style: Tensor) -> Manner:
        """(B, 128) to a gain and an offset, (B, C, 1) each, by the normalization's name."""
        given = torch.split(self._linear(style[:, None]).mT, self._sizes, 1)
        halves = (value.chunk(2, 1) for value in given)
        return {
            name: (1 + gain, offset)
            for name, (gain, offset) in zip(self._names, halves, strict=True)
        }


def _instance_norm(values: Tensor, given: tuple[Tensor, Tensor], span: _Span) -> Tensor:
    """Normalize each channel over its sentence's steps, then apply a gain and an offset.

    Args:
        values: (B, C, T), of any value where there is no sentence.
        given: gains and offsets, (B, C, 1) each.
        span: the sentences' T.
    """
    gain, offset = given
    mean = (values * span.mask).sum(2, keepdim=True) / span.lengths
    centred = (values - mean).mul_(span.mask)
    variance = centred.square().sum(2, keepdim=True) / span.lengths
    return centred.mul_(gain / torch.sqrt(variance + 1e-5)).add_(offset)


class _LayerNorm:
    def __init__(self, net: _Weights, weight: str, bias: str, epsilon: float) -> None:
        self._weight = net.tensor(weight)
        self._bias = net.tensor(bias)
        self._epsilon = epsilon

    def __call__(self, values: Tensor) -> Tensor:
        """Normalize the last dimension."""
        return functional.layer_norm(
            values, self._weight.shape, self._weight, self._bias, self._epsilon
        )


class _Bert:
    """The language model over letters: one layer's weights, used 12 times."""

    def __init__(self, net: _Weights) -> None:
        tables = "encoder.bert.embeddings."
        layer = "encoder.bert.encoder.albert_layer_groups.0.albert_layers.0."
        kind = net.table(f"{tables}token_type_embeddings")[0]
        self._letters = net.table(f"{tables}word_embeddings") + kind
        self._positions = net.table(f"{tables}position_embeddings")
        self._into = _Linear(net, "encoder.bert.encoder.embedding_hidden_mapping_in")
        self._query, self._key, self._value, self._dense = (
            _Linear(net, f"{layer}attention.{part}") for part in ("query", "key", "value", "dense")
        )
        self._wide = _Linear(net, f"{layer}ffn")
        self._narrow = _Linear(net, f"{layer}ffn_output")
        self._out = _Linear(net, "encoder.bert_encoder")
        self._norms = [
            _LayerNorm(net, f"{name}.weight", f"{name}.bias", 1e-12)
            for name in (
                f"{tables}LayerNorm",
                f"{layer}attention.LayerNorm",
                f"{layer}full_layer_layer_norm",
            )
        ]

    def __call__(self, ids: Tensor, span: _Span) -> Tensor:
        """(B, S) to (B, 512, S)."""
        first, middle, last = self._norms
        mask = span.mask.mT
        seen = span.mask[:, None] > 0
        values = first(self._letters[ids] + self._positions[: ids.shape[1]]) * mask
        values = self._into(values) * mask
        for _ in range(LAYERS):
            query, key, value = (
                part(values).view(*ids.shape, HEADS, -1).transpose(1, 2)
                for part in (self._query, self._key, self._value)
            )
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            found = self._dense(found.transpose(1, 2).flatten(2) * mask)
            values = middle(values + found) * mask
            wide = functional.gelu(self._wide(values), approximate="tanh")
            values = last(self._narrow(wide * mask) + values) * mask
        return self._out(values).mT


class _TextEncoder:
    """What is to be said: embedded letters, three convolutions and an LSTM."""

    def __init__(self, net: _Weights) -> None:
        name = "encoder.text_encoder."
        self._letters = net.table(f"{name}embedding")
        self._layers = [
            (
                _Conv(net, f"{name}cnn.{n}.0"),
                _LayerNorm(net, f"{name}cnn.{n}.1.gamma", f"{name}cnn.{n}.1.beta", 1e-5),
            )
            for n in range(3)
        ]
        self._lstm = _Lstm(net, f"{name}lstm")

    def __call__(self, ids: Tensor, span: _Span) -> Tensor:
        """(B, S) to (B, 512, S)."""
        values = self._letters[ids].mT
        for conv, norm in self._layers:
            values = norm(conv(values * span.mask).mT).mT
            values = functional.leaky_relu(values, 0.2)
        return self._lstm(values, span)


class _Durations:
    """The encoder of what goes to the predictors, and the predictor of durations."""

    def __init__(self, net: _Weights) -> None:
        name = "encoder.predictor."
        self._lstms = [_Lstm(net, f"{name}text_encoder.lstms.{n}") for n in (0, 2, 4)]
        self._norms = [f"{name}text_encoder.lstms.{n}" for n in (1, 3, 5)]
        self._lstm = _Lstm(net, f"{name}lstm")
        self._linear = _Linear(net, f"{name}duration_proj.linear_layer")

    def __call__(
        self, values: Tensor, style: Tensor, manner: Manner, span: _Span
    ) -> tuple[Tensor, Tensor]:
        """(B, 512, S) to (B, 640, S), and the duration of each token in frames, (B, S)."""
        repeated = style[:, :, None].expand(-1, -1, span.longest)
        values = torch.cat((values, repeated), 1)
        for lstm, norm in zip(self._lstms, self._norms, strict=True):
            gain, offset = manner[norm]
            found = lstm(values, span).mT
            found = functional.layer_norm(found, found.shape[2:], eps=1e-5).mT
            values = torch.cat((found * gain + offset, repeated), 1)
        steps = torch.sigmoid(self._linear(self._lstm(values, span).mT)).sum(2)
        durations = steps.round().clamp(min=1) * span.mask[:, 0]
        return values, durations.long()


class _StyledBlock:
    """A residual block of two convolutions after normalizations that a style controls."""

    def __init__(self, net: _Weights, name: str) -> None:
        self._norms = [f"{name}.norm{n}" for n in (1, 2)]
        self._convs = [_Conv(net, f"{name}.conv{n}") for n in (1, 2)]
        shortcut = f"{name}.conv1x1"
        self._shortcut = _Conv(net, shortcut) if f"{shortcut}.weight" in net.arrays else None
        self._pool = None
        if f"{name}.pool.weight" in net.arrays:
            self._pool = net.tensor(f"{name}.pool.weight"), net.tensor(f"{name}.pool.bias")

    def __call__(self, values: Tensor, manner: Manner, span: _Span) -> tuple[Tensor, _Span]:
        """(B, in, T) to (B, out, T), or (B, out, 2 T) with the span for that."""
        first, second = self._convs
        found = _instance_norm(values, manner[self._norms[0]], span)
        found = functional.leaky_relu_(found, 0.2).mul_(span.mask)
        values = values * span.mask
        if self._pool:
            found = functional.conv_transpose1d(
                found, *self._pool, stride=2, padding=1, output_padding=1, groups=found.shape[1]
            )
            values = values.repeat_interleave(2, 2)
            span = span.times(2)
            found *= span.mask
        found = _instance_norm(first(found), manner[self._norms[1]], span)
        found = second(functional.leaky_relu_(found, 0.2).mul_(span.mask))
        if self._shortcut:
            values = self._shortcut(values)
        return (found + values).div_(ROOT2), span


class _Prosody:
    """The predictors of F0 and of loudness."""

    def __init__(self, net: _Weights) -> None:
        self._lstm = _Lstm(net, "encoder.shared")
        self._branches = [
            (
                [_StyledBlock(net, f"encoder.{kind}.{n}") for n in range(3)],
                _Conv(net, f"encoder.{kind}_proj"),
            )
            for kind in ("F0", "N")
        ]

    def __call__(self, values: Tensor, manner: Manner, span: _Span) -> tuple[Tensor, Tensor]:
        """(B, 640, F) to F0 in Hz and loudness, (B, 1, 2 F) each."""
        shared = self._lstm(values, span)
        found = []
        for blocks, last in self._branches:
            branch, steps = shared, span
            for block in blocks:
                branch, steps = block(branch, manner, steps)
            found.append(last(branch * steps.mask) * steps.mask)
        return found[0], found[1]


class _Decoder:
    """Five residual blocks from letters and prosody to the generator's features."""

    def __init__(self, net: _Weights) -> None:
        self._f0 = _Conv(net, "decoder.F0_conv", stride=2)
        self._noise = _Conv(net, "decoder.N_conv", stride=2)
        self._text = _Conv(net, "decoder.asr_res.0")
        self._encode = _StyledBlock(net, "decoder.encode")
        self._decode = [_StyledBlock(net, f"decoder.decode.{n}") for n in range(4)]

    def __call__(
        self, text: Tensor, f0: Tensor, noise: Tensor, manner: Manner, span: _Span
    ) -> Tensor:
        """Text (B, 512, F), F0 and loudness (B, 1, 2 F) to (B, 512, 2 F)."""
        curves = self._f0(f0), self._noise(noise)
        text = text * span.mask
        values, steps = self._encode(torch.cat((text, *curves), 1), manner, span)
        kept = self._text(text)
        for block in self._decode:
            values, steps = block(torch.cat((values, kept, *curves), 1), manner, steps)
        return values


class _SnakeBlock:
    """Three residual pairs of convolutions with snake activations: x + sin(a x)^2 / a."""

    def __init__(self, net: _Weights, name: str) -> None:
        self._layers = [
            (
                f"{name}.adain{part}.{n}",
                net.tensor(f"{name}.alpha{part}.{n}"),
                _Conv(net, f"{name}.convs{part}.{n}", dilation=dilation if part == 1 else 1),
            )
            for n, dilation in enumerate((1, 3, 5))
            for part in (1, 2)
        ]

    def __call__(self, values: Tensor, manner: Manner, span: _Span) -> Tensor:
        """(B, C, T) to the same shape."""
        found = values
        for n, (norm, alpha, conv) in enumerate(self._layers):
            found = _instance_norm(found, manner[norm], span)
            found = found.addcdiv_((found * alpha).sin_().square_(), alpha).mul_(span.mask)
            found = conv(found)
            if n % 2:
                values = found = found.add_(values)
        return values


class _Generator:
    """The vocoder: a harmonic source, filtered by features on two levels, as a spectrogram."""

    def __init__(self, net: _Weights) -> None:
        name = "decoder.generator."
        self._harmonics = torch.arange(1, 10, device=net.device, dtype=torch.float32)[:, None]
        self._mix = net.tensor(f"{name}m_source.l_linear.weight")  # (9, 1)
        self._offset = net.tensor(f"{name}m_source.l_linear.bias")
        window = net.arrays[f"{name}stft.window"]
        self._dft = torch.tensor(_dft(window), device=net.device)
        self._window = torch.tensor(window, device=net.device)
        self._edge = net.tensor(f"{name}stft.window_sum")[1:]
        self._noise = [
            (
                _Conv(net, f"{name}noise_convs.{n}", stride=stride),
                _SnakeBlock(net, f"{name}noise_res.{n}"),
            )
            for n, stride in enumerate((6, 1))
        ]
        self._blocks = [_SnakeBlock(net, f"{name}resblocks.{n}") for n in range(6)]
        self._ups = [
            (net.tensor(f"{name}ups.{n}.weight"), net.tensor(f"{name}ups.{n}.bias"))
            for n in range(2)
        ]
        self._last = net.tensor(f"{name}conv_post.weight"), net.tensor(f"{name}conv_post.bias")

    def __call__(self, values: Tensor, f0: Tensor, manner: Manner, frames: _Span) -> Tensor:
        """Features (B, 512, 2 F) and F0 (B, 1, 2 F) to samples (B, 600 F)."""
        spectra = frames.times(FRAME // HOP, 1)
        span = frames.times(PITCHES)
        source = self._spectra(self._source(f0, span), frames.times(FRAME).lengths) * spectra.mask
        integers, scale = _quantized(source)
        for level, (slope, up, factor) in enumerate(((0.1, 0, 10), (0.1, 1, 6))):
            values = functional.leaky_relu(values, slope).mul_(span.mask)
            values = functional.conv_transpose1d(
                values, *self._ups[up], stride=factor, padding=factor // 2
            )
            span = span.times(factor)
            if level == 1:
                values = torch.cat((values[:, :, 1:2], values), 2)
                span = spectra
            conv, block = self._noise[level]
            values += block(conv.of(integers, scale), manner, span)
            filters = self._blocks[3 * level : 3 * level + 3]
            filtered = [block(values, manner, span) for block in filters]
            values = filtered.pop()
            while filtered:
                values += filtered.pop()
            values /= len(filters)
        values = functional.leaky_relu_(values, 0.01).mul_(span.mask)
        values = functional.conv1d(values, *self._last, padding=3)
        return self._samples(values * span.mask, span)

    def _source(self, f0: Tensor, span: _Span) -> Tensor:
        """F0 (B, 1, P) to the sum of 9 harmonics where it is voiced, (B, 300 P).

        The graph adds the phases up in float32. They reach 1e5 radians, where its steps are 0.008.
        Here the sum is taken in float64, then rounded to float32 as often as the graph does.
        """
        size = FRAME // PITCHES
        pitches = f0.shape[2]
        turns = f0 * self._harmonics / RATE
        turns = turns - turns.floor()
        phases = turns.double().cumsum(2).float() * 2 * math.pi * size
        steps = torch.arange(-1, pitches + 1, device=f0.device).clamp(min=0)
        steps = torch.minimum(steps, span.lengths[:, 0] - 1)  # (B, P + 2): the ends are repeated
        phases = phases.gather(2, steps[:, None].expand(-1, len(self._harmonics), -1))[..., None]
        samples = torch.arange(-size // 2, pitches * size + size // 2, device=f0.device)
        places = ((samples + 0.5) / size - 0.5).view(pitches + 1, size)
        fractions = places - torch.arange(-1, pitches, device=f0.device)[:, None]
        phases = phases[:, :, :-1] * (1 - fractions) + phases[:, :, 1:] * fractions
        waves = phases.flatten(2)[:, :, size // 2 : -size // 2].sin_().mul_(0.1)
        voiced = (f0 > VOICED).float().repeat_interleave(size, 2)
        return torch.tanh((waves.mul_(voiced) * self._mix).sum(1) + self._offset)

    def _spectra(self, source: Tensor, samples: Tensor) -> Tensor:
        """Magnitudes, then phases, (B, 22, T), of samples (B, 600 F); their counts (B, 1, 1)."""
        half = WINDOW // 2
        places = torch.arange(-half, source.shape[1] + half, device=source.device).abs()
        last = samples[:, 0] - 1
        places = last - (last - places).abs()  # reflected at both ends of a sentence
        source = source.gather(1, places.clamp_(min=0))
        spectra = source.unfold(1, WINDOW, HOP).double() @ self._dft
        real, imaginary = spectra.float().mT.chunk(2, 1)
        return torch.cat((torch.hypot(real, imaginary), torch.atan2(imaginary, real)), 1)

    def _samples(self, values: Tensor, span: _Span) -> Tensor:
        """Logarithms of magnitudes, then what gives phases, (B, 22, T) to (B, 5 (T - 1))."""
        size, phase = values.chunk(2, 1)
        pieces = torch.fft.irfft(torch.polar(size.exp(), phase.sin()), WINDOW, dim=1)
        pieces = (pieces * self._window[:, None] * span.mask).mT
        steps = span.longest
        result = values.new_zeros(len(values), steps + WINDOW // HOP - 1, HOP)
        for n, part in enumerate(pieces.split(HOP, 2)):
            result[:, n : n + steps] += part
        result = result.flatten(1)
        result[:, 1:WINDOW] /= self._edge  # the graph takes the windows' sum at the start only
        return result[:, WINDOW // 2 : -WINDOW // 2]


def _dft(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """The windowed discrete Fourier transform, (20, 11 real then 11 imaginary parts).

    Where the source is silent only a constant is left, and all but two of the phases that the
    network then hears are rounding errors of the transform, always the same ones. So this is the
    matrix of onnxruntime's algorithm, Bluestein's with steps of a radix 2 transform, with the
    constants rounded as there and all else exact.
    """
    pi, steps = np.float32(math.pi), np.arange(WINDOW, dtype=np.float32)
    chirp = _rotations(-(pi * steps * steps / np.float32(WINDOW)))
    size = 1 << (2 * WINDOW - 2).bit_length()
    mirrored = np.zeros((size, 1), complex)
    mirrored[:WINDOW, 0] = mirrored[-np.arange(WINDOW), 0] = chirp.conj()
    given = np.zeros((size, WINDOW), complex)
    given[np.arange(WINDOW), np.arange(WINDOW)] = window * chirp
    angle = 2 * pi / np.float32(size) * np.arange(size, dtype=np.float32)
    forward, back = _rotations(-angle), _rotations(angle)
    product = _radix2(given, forward) * _radix2(mirrored, forward).astype(np.complex64)
    result = _radix2(product, back)[:BINS] / size * chirp[:BINS, None]
    return np.concatenate((result.real, result.imag)).T.copy()


def _rotations(angles: NDArray[np.float32]) -> NDArray[np.complex128]:
    """Complex numbers of size 1, rounded to float32."""
    exact: NDArray[np.complex128] = np.exp(1j * angles.astype(np.float64))
    return exact.astype(np.complex64).astype(np.complex128)


def _radix2(values: NDArray[Any], rotations: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The transform of the first dimension, of a power of 2 in length, with given factors."""
    count = len(values)
    if count == 1:
        return values
    even, odd = _radix2(values[::2], rotations), _radix2(values[1::2], rotations)
    first, second = rotations[:: len(rotations) // count, None].reshape(2, count // 2, 1)
    result: NDArray[np.complex128] = np.concatenate((even + first * odd, even + second * odd))
    return result


def _read(file: Path) -> dict[str, NDArray[Any]]:
    """The weights in an .onnx graph, by the modules that its nodes are named after.

    Of a matrix product or convolution NAME: NAME.weight, NAME.scale and NAME.zero, which give
    the weight's value (weight - zero) * scale, and NAME.bias.
    """
    graph = published_graph(file).graph
    given = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users: dict[str, list[onnx.NodeProto]] = {}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found: dict[str, NDArray[Any]] = {}
    taken: set[str] = set()  # weights: the language model's layers are all the same one

    def first(node: onnx.NodeProto) -> str:
        return next(name for name in node.input if name in given)

    for name, value in given.items():
        if FLOATS.search(name):
            found[_name(name.split("."))] = value
    for node in graph.node:
        name = _name(node.name.split("/")[1:-1])
        kind = node.op_type
        if kind in {"MatMulInteger", "ConvInteger"} and node.input[1] not in taken:
            taken.add(node.input[1])
            name = name.removesuffix(".Gemm")
            scale = node.input[1].removesuffix("_quantized") + "_scale"
            found[f"{name}.weight"] = given[node.input[1]]
            found[f"{name}.scale"] = given[scale]
            found[f"{name}.zero"] = given[node.input[3]]
            (multiplied,) = (
                user for user in users[scale] if makers[node.input[2]].output[1] in user.input
            )
            if kind == "ConvInteger":
                bias = multiplied.name.removesuffix("_scale_node")
                if bias in given:
                    found[f"{name}.bias"] = given[bias]
                continue
            output = node.output[0]
            for _ in range(2):  # past the conversion to float and the scale
                output = users[output][0].output[0]
            found[f"{name}.bias"] = given[first(users[output][0])]
        elif kind == "DynamicQuantizeLSTM":
            for part, key in (
                ("input", 1),
                ("hidden", 2),
                ("bias", 3),
                ("input_scale", 8),
                ("hidden_scale", 10),
            ):
                found[f"{name}.{part}"] = given[node.input[key]]
        elif kind in {"Conv", "ConvTranspose"} and len(node.input) == 3:
            found[f"{name}.weight"] = given[node.input[1]]
            found[f"{name}.bias"] = given[node.input[2]]
        elif kind == "DequantizeLinear":
            source = makers[node.input[0]].input[0]
            name = source.removesuffix(".weight_quantized")
            found[f"{name}.weight"] = given[source]
            found[f"{name}.scale"], found[f"{name}.zero"] = (given[n] for n in node.input[1:])
        elif kind == "STFT":
            found["decoder.generator.stft.window"] = given[node.input[2]]
        elif name.endswith("l_linear"):
            part = "weight" if kind == "MatMul" else "bias"
            found[f"{name}.{part}"] = given[first(node)]
        elif node.input and node.input[0].endswith("window_sum"):
            found["decoder.generator.stft.window_sum"] = given[node.input[0]]
    return found


def _name(parts: Iterable[str]) -> str:
    """A module's name, without the parts that the next one repeats."""
    kept: list[str] = []
    for part in parts:
        if kept and (part == kept[-1] == "decoder" or part.startswith(f"{kept[-1]}.")):
            kept.pop()
        kept.append(part)
    return ".".join(kept)
