"""G.711 against the recommendation's tables, and against FFmpeg's decoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from dlpo_serving.encodings.encoder import alaw, mulaw

EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


def decisions(first_step: int, first_count: int) -> NDArray[np.int64]:
    """Decision values of a table: 16 to a segment, each step twice that of the segment before."""
    steps = [first_step] * first_count + [first_step * 2**k for k in range(1, 8) for _ in range(16)]
    return np.concatenate([[0], np.cumsum(steps)])


def magnitude(bits: int) -> NDArray[np.int64]:
    """Of every sample on a scale of sign and `bits` bits; negative ones are counted from -1 on."""
    samples = EVERY_SAMPLE.astype(np.int64)
    return np.where(samples < 0, -1 - samples, samples) >> (15 - bits)


def test_mulaw_is_table_2_of_the_recommendation() -> None:
    # 0, 1, 3, 5 ... 31, then steps of 4 to 95, ... of 256 to 8159
    values = np.maximum(decisions(2, 16) - 1, 0)
    assert values[16] == 31
    assert values[-1] == 8159
    interval = np.minimum(np.searchsorted(values, magnitude(13), side="right") - 1, 127)
    expected = np.where(EVERY_SAMPLE < 0, 0x7F, 0xFF) - interval

    np.testing.assert_array_equal(mulaw(EVERY_SAMPLE), expected)


def test_alaw_is_table_1_of_the_recommendation() -> None:
    values = decisions(2, 32)[:129]  # 0, 2 ... 64, then steps of 4 to 128, ... of 128 to 4096
    assert values[32] == 64
    assert values[-1] == 4096
    interval = np.searchsorted(values, magnitude(12), side="right") - 1
    expected = np.where(EVERY_SAMPLE < 0, 0, 0x80) + interval

    np.testing.assert_array_equal(alaw(EVERY_SAMPLE) ^ 0x55, expected)


def test_the_ends_of_the_scales() -> None:
    samples = np.array([0, -1, 32_767, -32_768], np.int16)

    assert mulaw(samples).tobytes() == b"\xff\x7f\x80\x00"
    assert alaw(samples).tobytes() == b"\xd5\x55\xaa\x2a"


@pytest.mark.parametrize(("codec", "encode"), [("pcm_mulaw", mulaw), ("pcm_alaw", alaw)])
def test_ffmpeg_decodes_every_sample_to_within_half_a_step(
    codec: Literal["pcm_mulaw", "pcm_alaw"],
    encode: Callable[[NDArray[np.int16]], NDArray[np.uint8]],
) -> None:
    import av

    context = av.AudioCodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8000, "mono"
    packet = av.Packet(encode(EVERY_SAMPLE).tobytes())
    decoded = np.concatenate([frame.to_ndarray()[0] for frame in context.decode(packet)])

    samples = EVERY_SAMPLE.astype(np.float64)
    # Half a step is 1/32 of where its segment begins, beside mu-law's bias; 4: lost to 14 bits.
    half_step = (np.abs(samples) + 4 * 33) / 32 + 4
    not_clipped = np.abs(samples) <= 4 * 8158
    assert (np.abs(decoded - samples) <= half_step)[not_clipped].all()
