"""From durations to frames, as a graph: what `dlpo_serving.synthesis.timing` does in numpy.

Shapes: P symbols, F frames as spoken, N frames at the voice's own pace.
"""

from onnxscript import BOOL, DOUBLE, FLOAT, INT64, script
from onnxscript import opset20 as op

from dlpo.text.symbols import FIRST_PHONEME

SHORTEST_SOUND = 3.0  # frames; both as in dlpo_serving.synthesis.timing
MOST_STRETCHED = 1 / 0.75  # its SLOWEST_SOUNDS


@script(default_opset=op)
def whole_frames(durations: DOUBLE["P"]) -> INT64["P"]:
    """The ends are rounded, not the durations; the last frame exists."""
    ends = op.Round(op.CumSum(durations, op.Constant(value_int=0)))
    ends = op.Concat(ends[:-1], op.Max(ends[-1:], 1.0), axis=0)
    begins = op.Concat(op.Constant(value_floats=[0.0]), op.Cast(ends[:-1], to=FLOAT.dtype), axis=0)
    return op.Cast(ends, to=INT64.dtype) - op.Cast(begins, to=INT64.dtype)


@script(default_opset=op)
def hurried(
    durations: DOUBLE["P"], is_sound: BOOL["P"], speed: DOUBLE["P"], same: DOUBLE["P", "P"]
) -> DOUBLE["P"]:
    """A passage sped up; its sounds keep `SHORTEST_SOUND` as far as its time allows."""
    sounds = op.Where(is_sound, durations, 0.0)
    floors = op.Min(sounds, SHORTEST_SOUND)
    total, least = op.MatMul(same, sounds) / speed, op.MatMul(same, floors)
    above = sounds - floors
    stretched = floors + above * ((total - least) / op.MatMul(same, above))
    squeezed = floors * (total / least)
    kept = op.Where(least < total, stretched, squeezed)
    return op.Where(op.And(is_sound, least > 0.0), kept, durations / speed)


@script(default_opset=op)
def slowed(
    durations: DOUBLE["P"], is_sound: BOOL["P"], speed: DOUBLE["P"], same: DOUBLE["P", "P"]
) -> DOUBLE["P"]:
    """A passage slowed down; if it is very slow, pauses of equal length separate its words."""
    sound = op.Cast(is_sound, to=DOUBLE.dtype)
    earlier = op.MatMul(op.Trilu(same, upper=0), sound) > 0.0
    later = op.MatMul(op.Trilu(same, upper=1), sound) > 0.0
    between = op.And(op.Not(is_sound), op.And(earlier, later))
    gaps = op.MatMul(same, op.Cast(between, to=DOUBLE.dtype))
    rest = op.Max(1.0 / speed - MOST_STRETCHED, 0.0) / (gaps + 1.0)
    exact = durations / speed
    stretched = exact - gaps * rest * durations
    paused = exact + rest * op.MatMul(same, sound * durations)
    return op.Where(is_sound, stretched, op.Where(between, paused, exact))


@script(default_opset=op)
def paced(durations: DOUBLE["P"], is_sound: BOOL["P"], speed: DOUBLE["P"]) -> DOUBLE["P"]:
    """Durations at a speed; a passage of one speed has its exact total length."""
    changes = op.Cast(op.Not(speed[1:] == speed[:-1]), to=FLOAT.dtype)
    passages = op.CumSum(op.Concat([0.0], changes, axis=0), op.Constant(value_int=0))
    same = op.Cast(op.Unsqueeze(passages, [0]) == op.Unsqueeze(passages, [1]), to=DOUBLE.dtype)
    fast = hurried(durations, is_sound, speed, same)
    slow = slowed(durations, is_sound, speed, same)
    return op.Where(speed > 1.0, fast, op.Where(speed < 1.0, slow, durations))


@script(default_opset=op)
def symbols_of_frames(ends: INT64["P"]) -> INT64["F"]:
    """The index of each frame's symbol; `ends`: of the symbols, in frames."""
    length = ends[-1:]
    none = op.Expand(op.Constant(value_ints=[0]), length + 1)
    ended = op.ScatterElements(none, ends, op.Expand([1], op.Shape(ends)), reduction="add")
    return op.CumSum(ended, op.Constant(value_int=0))[:-1]


@script(default_opset=op)
def places_of(counts: INT64["P"], own: INT64["P"], symbols: INT64["F"]) -> DOUBLE["F"]:
    """Where among the voice's own frames each spoken one lies; linear within each symbol.

    A symbol without frames is merged into the next that has some.
    """
    axis = op.Constant(value_int=0)
    ends = op.CumSum(counts, axis)
    own_ends = op.CumSum(own, axis)
    start = op.Gather(ends - counts, symbols)
    before = op.Gather(own_ends, op.Gather(symbols, op.Max(start - 1, 0)))
    left = op.Cast(op.Where(start > 0, before, 0), to=DOUBLE.dtype)
    right = op.Cast(op.Gather(own_ends, symbols), to=DOUBLE.dtype)
    frame = op.CumSum(op.Expand([1.0], op.Shape(symbols)), axis) - 0.5
    begin = op.Cast(start, to=DOUBLE.dtype)
    slope = (right - left) / (op.Cast(op.Gather(ends, symbols), to=DOUBLE.dtype) - begin)
    places = slope * (op.Cast(frame, to=DOUBLE.dtype) - begin) + left - 0.5
    return op.Min(op.Max(places, 0.0), op.Cast(own_ends[-1:] - 1, to=DOUBLE.dtype))


@script(default_opset=op)
def pace(
    durations: FLOAT[1, "P"],
    phonemes: INT64[1, "P"],
    speed: DOUBLE["P"],
    pitch: FLOAT["P"],
    gain: DOUBLE["P"],
    end_frames: DOUBLE[1],
):
    """The frames of a sentence, with the pitch and the gain that its symbols ask for.

    Returns: ends (P,) int32 frames, own (1, P), places (F,), own_pitch (N,), gains (F,).
    """
    axis = op.Constant(value_int=0)
    exact = op.Cast(op.Squeeze(durations, [0]), to=DOUBLE.dtype)
    is_sound = op.Squeeze(phonemes, [0]) >= FIRST_PHONEME
    counts = whole_frames(paced(exact, is_sound, speed))
    least = op.Cast(op.Round(end_frames / speed[-1:]), to=INT64.dtype)
    counts = op.Concat(counts[:-1], op.Max(counts[-1:], least), axis=0)
    own = op.Where(is_sound, op.Max(counts, whole_frames(exact)), counts)
    ends = op.CumSum(counts, axis)
    symbols = symbols_of_frames(ends)
    places = places_of(counts, own, symbols)
    own_pitch = op.Gather(pitch, symbols_of_frames(op.CumSum(own, axis)))
    gains = op.Gather(gain, symbols)
    own_counts = op.Cast(op.Unsqueeze(own, [0]), to=FLOAT.dtype)
    return op.Cast(ends, to=6), own_counts, places, own_pitch, gains
