const [RIFF, WAVE, FMT, DATA] = [0x46464952, 0x45564157, 0x20746d66, 0x61746164];

/** A WAV file of 16 bits, mono. Reference: RIFF, WAVE format 1; little-endian, as browsers' machines.
 * @param {Float32Array[]} pieces in -1 to 1 @param {number} rate samples a second */
export function wav(pieces, rate) {
  const samples = pieces.map((piece) => Int16Array.from(piece, (value) => Math.round(32767 * value)));
  const bytes = samples.reduce((sum, piece) => sum + piece.byteLength, 0);
  const format = [16, 1 | (1 << 16), rate, 2 * rate, 2 | (16 << 16)];
  const head = Uint32Array.from([RIFF, 36 + bytes, WAVE, FMT, ...format, DATA, bytes]);
  return new Blob([head, ...samples], { type: "audio/wav" });
}
