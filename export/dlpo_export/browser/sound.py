"""What surrounds frames and denoiser, as graphs: source, level and the frames between them.

The same as `DurationWarp.read`, `HarmonicSource` and `LevelShaper` of `dlpo_serving.synthesis`.
Shapes: F frames as spoken, K of the voice's own frames that are known, W frames of a window,
T samples of a chunk, H samples a frame.
"""

from onnxscript import BOOL, DOUBLE, FLOAT, INT32, INT64, script
from onnxscript import opset20 as op

from dlpo.audio import AT_PULSE, F0_FLOOR, SOURCE_GAIN

LOOKAHEAD = 2  # frames, as in dlpo_serving.synthesis.harmonic_source
KNEE = 0.7  # this and the next as in dlpo_serving.synthesis.level
HEADROOM = 0.19
TURN = 6.283185307179586  # radians
PULSE_GAIN = SOURCE_GAIN.item() / 2


@script(default_opset=op)
def block_positions(span: INT32[4]) -> FLOAT["F"]:
    """The middles of the frames of a block; `span`: first, known, stop, last."""
    first, last = op.Squeeze(span[0:1]), op.Squeeze(span[3:4])
    return op.Cast(op.Range(first, last, op.Cast(1, to=INT32.dtype)), to=FLOAT.dtype) + 0.5


@script(default_opset=op)
def joined(
    conditioning: FLOAT[1, "C", "K"],
    f0: FLOAT[1, "K"],
    more: FLOAT[1, "C", "F"],
    more_f0: FLOAT[1, "F"],
    span: INT32[4],
):
    """What is known of a sentence, with the new frames of a block."""
    begin = op.Cast(span[1:2] - span[0:1], to=INT64.dtype)
    end = op.Cast(span[2:3] - span[0:1], to=INT64.dtype)
    both = op.Concat(conditioning, op.Slice(more, begin, end, [2]), axis=2)
    return both, op.Concat(f0, op.Slice(more_f0, begin, end, [1]), axis=1)


@script(default_opset=op)
def blended(frames: DOUBLE["F"], shares: DOUBLE[1, "H"]) -> DOUBLE["T"]:
    """(F + 2,) -> (F * H,): from each frame's value to the next by `shares`, without the ends."""
    steps = op.Unsqueeze(frames[1:] - frames[:-1], [1])
    lines = op.Unsqueeze(frames[:-1], [1]) + steps * shares
    hop = op.Shape(shares, start=1)
    half = hop / 2
    return op.Slice(op.Reshape(lines, [-1]), half, half - hop)


@script(default_opset=op)
def held(f0: DOUBLE["F"]) -> DOUBLE["F"]:
    """Hz, 0 where unvoiced -> the next frame's just before an onset, otherwise the last one's."""
    following = op.Concat(f0[1:], op.Cast([0.0], to=DOUBLE.dtype), axis=0)
    candidate = op.Where(f0 > 0.0, f0, following)
    known = candidate > 0.0
    floor = op.Cast(op.Constant(value_floats=[F0_FLOOR]), to=DOUBLE.dtype)
    values = op.Concat(floor, op.Compress(candidate, known), axis=0)
    last = op.CumSum(op.Cast(known, to=INT64.dtype), op.Constant(value_int=0))
    return op.Gather(values, last)


@script(default_opset=op)
def pulses(
    hertz: DOUBLE["T"], voiced: BOOL["T"], phase: DOUBLE["T"], tuning: DOUBLE[5]
) -> FLOAT["T"]:
    """`dlpo.audio.pulse_train`; `tuning`: see `window_inputs`."""
    turns = phase / TURN
    turns = turns - op.Round(turns)
    turns = op.Where(op.Abs(turns) < AT_PULSE, AT_PULSE, turns)
    sine = op.Sin(op.Cast(turns / 2.0 * TURN, to=FLOAT.dtype))
    top = op.Min(op.Floor(tuning[1:2] / hertz), tuning[3:4])
    full = op.Min(op.Floor(tuning[4:5] / hertz), top)
    both = (full + top + 1.0) / 2.0 * turns
    taper = (top - full + 1.0) / 2.0 * turns
    kernel = op.Sin(op.Cast((both - op.Round(both)) * TURN, to=FLOAT.dtype))
    kernel = kernel * op.Sin(op.Cast((taper - op.Round(taper)) * TURN, to=FLOAT.dtype))
    kernel = kernel / (op.Cast(top - full + 1.0, to=FLOAT.dtype) * sine)
    train = (kernel - sine) * PULSE_GAIN / sine
    return op.Where(voiced, train, 0.0)


@script(default_opset=op)
def window_inputs(
    conditioning: FLOAT[1, "C", "K"],
    f0: FLOAT[1, "K"],
    places: DOUBLE["F"],
    window: INT32[3],
    phase: DOUBLE[1],
    source: FLOAT[1, "M", "H"],
    shares: DOUBLE[1, "H"],
    tuning: DOUBLE[5],
):
    """The denoiser's inputs for a window, and the phase at its end.

    Args: conditioning, f0: of the frames that are known; window: its first frame, the first
    without a source, its end; phase: radians, of the last sample with a source; source: of the
    frames before; shares: how samples lie between frames; tuning: radians a sample and Hz, Hz of
    the highest harmonic, amplitude, how many harmonics at most, Hz where they fade.
    """
    bounds = op.Cast(window, to=INT64.dtype)
    start = bounds[0:1]
    made = bounds[1:2]
    stop = bounds[2:3]
    read = op.Slice(places, [0], op.Min(stop + LOOKAHEAD, op.Shape(places)))
    before = op.Floor(read)
    left, right = op.Cast(before, to=INT64.dtype), op.Cast(op.Ceil(read), to=INT64.dtype)
    share = op.Cast(read - before, to=FLOAT.dtype)
    row = op.Squeeze(f0, [0])
    begin, end = op.Gather(row, left), op.Gather(row, right)
    both = op.And(begin > 0.0, end > 0.0)
    nearest = op.Where(share < 0.5, begin, end)
    hz = op.Cast(op.Where(both, begin + (end - begin) * share, nearest), to=DOUBLE.dtype)
    frames = op.Range(op.Squeeze(made) - 1, op.Squeeze(stop) + 1, op.Constant(value_int=1))
    around = op.Min(op.Max(frames, 0), op.Shape(hz) - 1)
    hertz = blended(op.Gather(held(hz), around), shares)
    is_voiced = op.Cast(hz > 0.0, to=DOUBLE.dtype)
    voiced = blended(op.Gather(is_voiced, around), shares) > 0.5
    phases = phase + tuning[0:1] * op.CumSum(hertz, op.Constant(value_int=0))
    train = pulses(hertz, voiced, phases, tuning)
    train = train * op.Cast(tuning[2:3], to=FLOAT.dtype)
    new = op.Reshape(train, op.Concat([1], stop - made, op.Shape(shares, start=1), axis=0))
    at, upto = op.Slice(left, start, stop), op.Slice(right, start, stop)
    held_at = op.Gather(conditioning, at, axis=2)
    ahead = op.Gather(conditioning, upto, axis=2) - held_at
    last = op.Concat(phase, phases, axis=0)[-1:]
    return (
        held_at + ahead * op.Slice(share, start, stop),
        op.Concat(source, new, axis=1),
        op.Mod(last, TURN, fmod=1),
    )


@script(default_opset=op)
def chunk_level(
    waveform: FLOAT[1, "W", "H"],
    gains: DOUBLE["F"],
    chunk: INT32[3],
    ramp: DOUBLE[1, "H"],
    gain: FLOAT[1],
    fade: FLOAT["D"],
) -> FLOAT["T"]:
    """A chunk as it is heard.

    Args: chunk: its first frame, its end, the window's first frame; gains: of each frame; ramp:
    from one frame's gain to the next one's; gain: of the voice; fade: rises from 0 to 1.
    """
    bounds = op.Cast(chunk, to=INT64.dtype)
    start = bounds[0:1]
    stop = bounds[1:2]
    origin = bounds[2:3]
    frames = op.Range(op.Squeeze(start) - 1, op.Squeeze(stop) + 1, op.Constant(value_int=1))
    around = op.Min(op.Max(frames, 0), op.Shape(gains) - 1)
    volume = op.Cast(blended(op.Gather(gains, around), ramp), to=FLOAT.dtype)
    speech = op.Reshape(op.Slice(waveform, start - origin, stop - origin, [1]), [-1])
    value = speech * volume * gain
    excess = op.Abs(value) - KNEE
    bent = op.Sign(value) * (KNEE + HEADROOM * (excess / (excess + HEADROOM)))
    limited = op.Where(op.Abs(value) > KNEE, bent, value)
    length = op.Shape(limited)
    ones = op.Expand(op.Constant(value_floats=[1.0]), length - op.Shape(fade))
    rise = op.Concat(fade, ones, axis=0)
    fall = op.Slice(rise, [-1], op.Constant(value_ints=[-(2**62)]), [0], [-1])
    opened = op.Where(start == 0, limited * rise, limited)
    return op.Where(stop == op.Shape(gains), opened * fall, opened)
