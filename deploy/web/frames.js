// Which frames of a sentence are computed together: short pieces first, so that sound begins early.

const LADDER = [8, 24, 64, 128]; // frames of each next chunk, the last for ever; as in serving
const BLOCKS = [64, 256]; // frames of each next block of features after the first
export const LOOKAHEAD = 2; // frames that the source depends on after a window
export const FIRST = LADDER[0];
/** Where a piece ends; a small rest comes along. @type {(start: number, size: number, frames: number) => number} */
const end = (start, size, frames) => (frames - start >= 1.5 * size ? start + size : frames);

/** Chunks `start` to `stop` of a sentence, and the windows `from` to `to` they are computed from.
 * @param {number} frames @param {number} context frames that a window has more on each side */
export function* cut(frames, context) {
  for (let [rung, start] = [0, 0]; start < frames; rung++) {
    const stop = end(start, LADDER[Math.min(rung, LADDER.length - 1)], frames);
    yield { start, stop, from: Math.max(0, start - context), to: Math.min(frames, stop + context) };
    start = stop;
  }
}

/** Blocks of features, each of one pitch: first frame, first and end of the new ones, end.
 * @param {Float32Array} pitches of the voice's own frames @param {number} first size of the first block
 * @param {number} context frames that a block has more on each side */
export function* blocks(pitches, first, context) {
  for (let [rung, known] = [0, 0]; known < pitches.length; rung++) {
    const most = end(known, rung ? BLOCKS[Math.min(rung, BLOCKS.length) - 1] : first, pitches.length);
    let stop = known + 1;
    while (stop < most && pitches[stop] === pitches[known]) stop++;
    yield [Math.max(0, known - context), known, stop, Math.min(stop + context, pitches.length)];
    known = stop;
  }
}
