/**
 * A WAV file of 16 bits, mono. Reference: RIFF, WAVE format 1.
 *
 * @param {Float32Array[]} pieces
 * @param {number} rate samples a second
 */
export function wav(pieces, rate) {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (/** @type {number} */ at, /** @type {string} */ letters) =>
    [...letters].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  const format = [16, 1 | (1 << 16), rate, 2 * rate, 2 | (16 << 16)];
  format.forEach((value, n) => view.setUint32(16 + 4 * n, value, true));
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const piece of pieces) {
    for (const value of piece) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, value))), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}
