"""python mutated_graphs.py FOLDER SEED COUNT: a voice's graphs with bytes changed, read one by one.

Runs in a process of its own: a run-time that is made to crash takes it along. Prints a line for
each graph before it is read, so that the last line names what the process died of. Whoever makes a
bundle can seal any bytes, so no hash is in the way here.
"""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlpo.errors import EngineError
from dlpo_serving.engines.onnx_engine import open_session

OUTPUTS = ["hidden", "durations", "ranges"]


def mutated(sound: bytes, dice: random.Random) -> bytes:
    """The same bytes with a few places changed, cut out, doubled, or cut off."""
    data = bytearray(sound)
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        place = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[place] ^= 1 << dice.randrange(8)
            case 1:
                data[place] = dice.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                del data[place : place + dice.randrange(1, 40)]
            case 3:
                data[place:place] = data[place : place + dice.randrange(1, 40)]
            case 4 if dice.random() < 0.1:
                del data[place:]
    return bytes(data)


def main(folder: Path, seed: int, count: int) -> None:
    """`folder` holds encoder.onnx and the weights beside it."""
    sound = (folder / "encoder.onnx").read_bytes()
    phonemes: NDArray[np.int64] = np.arange(12, dtype=np.int64)[None]
    noise = np.zeros((1, 2, 12), np.float32)
    loaded = ran = 0
    for number in range(seed, seed + count):
        print(number, flush=True)
        path = folder / "mutated.onnx"
        path.write_bytes(mutated(sound, random.Random(number)))
        try:
            session = open_session(path)
            loaded += 1
            shapes = {tensor.name: tensor.shape for tensor in session.get_inputs()}
            if set(shapes) <= {"phonemes", "noise"}:
                planes = shapes.get("noise", [1, 2])[1]
                if isinstance(planes, int) and 0 < planes < 64:
                    noise = np.zeros((1, planes, 12), np.float32)
                given = {"phonemes": phonemes, "noise": noise}
                with suppress(Exception):  # onnxruntime raises its own classes
                    session.run(OUTPUTS, {name: given[name] for name in shapes})
                    ran += 1
        except EngineError:
            continue
    print(f"done loaded={loaded} ran={ran}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
