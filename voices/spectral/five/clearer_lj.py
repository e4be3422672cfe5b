"""How `lj` came to read with a share of `heart`'s embedding, from the `tuned/` before it.

    python voices/spectral/five/clearer_lj.py OLD NEW      # two checkpoints; 15 minutes of one core

What it needs to stay `lj` is learned by 16 more inner channels of the adapters, which no other
voice opens: its own timing, and its own mean mel for each symbol. Texts are the training texts of
../shared/teachers/texts.csv; no recording and no judge takes part.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlpo.checkpoint import load_checkpoint, save_checkpoint
from dlpo.model.acoustics import Prosody
from dlpo.model.contour import upsample_contour
from dlpo.model.gaussian_upsampling import frame_positions
from dlpo.text.common.front_end import TextFrontEnd

SHARE = 0.3
CHANNELS = 16
RATE = 1.5e-3
TEXTS = Path(__file__).parents[4] / "shared/teachers/texts.csv"

torch.manual_seed(0)
random = np.random.default_rng(0)
loaded = load_checkpoint(Path(sys.argv[1]))
old = loaded.model.eval().requires_grad_(False)
known = old.config.adapter_channels
new = type(old)(replace(old.config, adapter_channels=known + CHANNELS)).eval()
state = new.state_dict()
for name, value in old.state_dict().items():  # the new channels have a part in nothing yet
    if name.startswith("adapters") and "narrow" in name:
        state[name].zero_()[:known] = value
    elif name.startswith(("adapters", "gates")):
        state[name].zero_()[:, :known] = value
    else:
        state[name] = value
row = new.config.rows("lj")[0]
lj, heart = old.named_voice("lj"), old.named_voice("heart")
hidden = new.config.hidden_channels
state["voices.weight"][row] += SHARE * (heart - lj)[0, :hidden]
state["gates.weight"][row, known:] = 1
for part in ("timing", "mel"):
    for name in [name for name in state if name.startswith(f"adapters.{part}")]:
        if name.endswith("narrow.weight"):
            torch.nn.init.normal_(state[name][known:], std=0.07)
new.load_state_dict(state)
new.requires_grad_(False)
voice = new.named_voice("lj")
front_end = TextFrontEnd()
lines = [line.split("|")[1] for line in TEXTS.read_text("utf-8").splitlines()[100:6900:4]]
sentences = [
    torch.from_numpy(np.array(sentence.symbol_ids()))
    for line in lines
    for sentence in front_end.process(line).sentences
]


def learn(part: str, updates: int, loss_of) -> None:
    weights = [weight for adapter in new.adapters[part] for weight in adapter.parameters()]
    for weight in weights:
        weight.requires_grad_(True)
    optimizer = torch.optim.Adam(weights, RATE)
    for update in range(updates):
        optimizer.zero_grad()
        loss_of().backward()
        for weight in weights:  # other voices' channels stay what they are
            (weight.grad if len(weight) == known + CHANNELS else weight.grad.T)[:known] = 0
        optimizer.step()
        optimizer.param_groups[0]["lr"] = RATE * (1 - update / updates) + 1e-5
    for weight in weights:
        weight.requires_grad_(False)


def timing_loss() -> Tensor:
    drawn = [sentences[k] for k in random.choice(len(sentences), 12, replace=False)]
    ids = torch.nn.utils.rnn.pad_sequence(drawn, batch_first=True)
    mask = ids > 0
    _, wanted = old.encode_symbols(ids, mask, lj.expand(len(ids), -1))
    _, made = new.encode_symbols(ids, mask, voice.expand(len(ids), -1))
    apart = (made.log_duration - wanted.log_duration).square()
    apart = apart + 0.1 * ((made.pause_logit - wanted.pause_logit) / 3).square()
    return (apart + 0.05 * (made.ranges - wanted.ranges).square())[mask].mean()


@torch.no_grad()
def frames(number: int) -> tuple[Tensor, Tensor, Prosody, Tensor, Tensor]:
    """A sentence with `lj`'s timing and pitch: hidden states of the old and the new reading, the
    new one's prosody, the old mel, and each frame's symbol."""
    ids, read = sentences[number][None], {}
    _, durations, ranges = old.encode(ids, ids > 0, None, lj)
    durations = durations.round()
    durations[0, -1] = max(float(durations[0, -1]), 6.0)
    at, pitch = frame_positions(int(durations.sum()), "cpu"), None
    for model, own in ((old, lj), (new, voice)):
        states, points = model.encode(ids, ids > 0, None, own)[0].tensor_split((hidden,), dim=1)
        upsampled = model.upsample(states, durations, ranges, at)
        prosody = model.predict_prosody(upsampled, own)
        pitch = upsample_contour(points, durations, at) if pitch is None else pitch
        read[model] = upsampled, Prosody(pitch, (prosody.voicing > 0).float(), prosody.energy)
    mel = old.predict_mel(*read[old], lj)
    symbols = torch.repeat_interleave(ids[0], durations[0].long())
    return read[old][0], *read[new], mel, symbols


def mel_loss(missing: Tensor) -> Tensor:
    losses = []
    for number in random.integers(len(sentences), size=6):
        _, upsampled, prosody, _, symbols = frames(int(number))
        closed = voice.clone()
        gates = hidden + new.config.conditioning_channels
        closed[:, gates + known : gates + known + CHANNELS] = 0
        added = new.predict_mel(upsampled, prosody, voice)
        added = added - new.predict_mel(upsampled, prosody, closed)
        padded = functional.pad(missing[symbols].T[None], (2, 2), mode="replicate")
        losses.append((added - functional.avg_pool1d(padded, 5, 1)).square().mean())
    return torch.stack(losses).mean()


@torch.no_grad()
def lacking() -> tuple[Tensor, Tensor]:
    """What the new reading lacks on average: the mel of each symbol, a state of the denoiser."""
    missing = torch.zeros(200, 80)
    counts = torch.zeros(200, 1)
    shift = torch.zeros(2, 192)
    for number in random.choice(len(sentences), 500, replace=False):
        before, upsampled, prosody, mel, symbols = frames(int(number))
        apart = (mel - new.predict_mel(upsampled, prosody, voice))[0].T
        missing.index_add_(0, symbols, apart)
        counts.index_add_(0, symbols, torch.ones(len(symbols), 1))
        states = old.conditioning_hidden(before) - new.conditioning_hidden(upsampled)
        shift += torch.stack([states[0].sum(1), torch.full((192,), float(len(symbols)))])
    return (missing + 20 * missing.sum(0) / counts.sum()) / (counts + 20), shift[0] / shift[1]


learn("timing", 600, timing_loss)
missing, shift = lacking()
learn("mel", 350, partial(mel_loss, missing))
new.conditioning_voices.weight[row] += shift
save_checkpoint(Path(sys.argv[2]), new.state_dict(), new.config, loaded.provenance, torch.float16)
