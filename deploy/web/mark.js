// Is dlpo's mark in these samples? What dlpo/mark/detector.py does, without the search for a speed.

export const RATE = 24000; // samples a second
const [EVERY, DATA] = [4, 3]; // of every four signs, the last one carries the message
const [LEAST_S, THRESHOLD, MESSAGE_THRESHOLD] = [0.5, -6, -3];
const [WINDOW, HOP, FLOOR] = [512, 256, 0.1];
const [SEGMENT, MESSAGES] = [16, 1 << 16]; // blocks examined together

/** @typedef {{first: number, stop: number, z: number, lag: number}} Range of blocks, and where it fits best
 * @typedef {{marked: boolean | null, z: number, chance: number, message: number | null,
 *   places: {start_s: number, stop_s: number}[]}} Detection as in Python */

/** Signs of the public key, from the bits in signs.bin. @param {ArrayBuffer} packed */
export function signsOf(packed) {
  const bytes = new Uint8Array(packed);
  return Float32Array.from({ length: 8 * bytes.length }, (_, n) => 1 - 2 * ((bytes[n >> 3] >> (7 - (n & 7))) & 1));
}

/** Fourier transforms of one size, in place. */
class Fourier {
  /** @param {number} size a power of two */
  constructor(size) {
    this.size = size;
    this.cos = Float64Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, n) => -Math.sin((2 * Math.PI * n) / size));
    const bits = Math.log2(size);
    this.places = new Uint32Array(size);
    for (let n = 1; n < size; n++) this.places[n] = (this.places[n >> 1] >> 1) | ((n & 1) << (bits - 1));
  }

  /** @param {Float64Array} re @param {Float64Array} im */
  run(re, im) {
    for (let n = 0; n < this.size; n++) {
      const other = this.places[n];
      if (other > n) [re[n], re[other], im[n], im[other]] = [re[other], re[n], im[other], im[n]];
    }
    for (let half = 1; half < this.size; half *= 2) {
      const step = this.size / (2 * half);
      for (let start = 0; start < this.size; start += 2 * half) {
        for (let n = 0, turn = 0; n < half; n++, turn += step) {
          const [low, high] = [start + n, start + n + half];
          const real = re[high] * this.cos[turn] - im[high] * this.sin[turn];
          const imaginary = re[high] * this.sin[turn] + im[high] * this.cos[turn];
          re[high] = re[low] - real;
          im[high] = im[low] - imaginary;
          re[low] += real;
          im[low] += imaginary;
        }
      }
    }
  }
}

/** Every frequency at each time about as strong as every other. @param {Float32Array} samples */
function whitened(samples) {
  const fourier = new Fourier(WINDOW);
  const shape = Float64Array.from({ length: WINDOW }, (_, n) => Math.sin((Math.PI * (n + 0.5)) / WINDOW));
  const white = new Float32Array(samples.length);
  for (let start = -HOP; start < samples.length; start += HOP) {
    const re = shape.map((value, n) => value * (samples[start + n] || 0));
    const im = new Float64Array(WINDOW);
    fourier.run(re, im);
    const sizes = Float64Array.from({ length: WINDOW / 2 + 1 }, (_, n) => Math.hypot(re[n], im[n]));
    const floor = (FLOOR * sizes.reduce((sum, size) => sum + size, 0)) / sizes.length + 1e-9;
    for (let n = 0; n < WINDOW; n++) {
      const size = (sizes[n] ?? sizes[WINDOW - n]) + floor;
      re[n] /= size;
      im[n] /= -size; // conjugate: the next transform is the inverse
    }
    fourier.run(re, im);
    for (let n = Math.max(0, -start); n < WINDOW && start + n < white.length; n++) {
      white[start + n] += (re[n] * shape[n]) / WINDOW;
    }
  }
  return white;
}

/** 1, 2, 4 and so on adjacent blocks, half overlapping, and all. @param {number} blocks */
function spans(blocks) {
  const found = [];
  for (let size = 1; size < blocks; size *= 2) {
    for (let first = 0; first + size <= blocks; first += Math.max(1, size / 2)) found.push([first, first + size]);
  }
  return [...found, [0, blocks]];
}

/** log10 of a bound on the chance. @param {number} z @param {number} tried hypotheses */
const chanceOf = (z, tried) => Math.min(0, (Math.log(tried) - (z * z) / 2) / Math.LN10);

/** Sums of white samples a period apart. @param {Float32Array} white @param {number} block of its first one @param {number} period */
function folded(white, block, period) {
  const sums = new Float64Array(period);
  white.forEach((value, n) => (sums[(n + ((block % 2) * period) / 2) % period] += value));
  return sums;
}

/** @param {Float32Array} samples at RATE @param {Float32Array} signs of the key @returns {Detection} */
export function detect(samples, signs) {
  const nothing = { marked: null, z: 0, chance: 0, message: null, places: [] };
  if (samples.length < LEAST_S * RATE) return nothing;
  const period = signs.length;
  const [block, fourier] = [period / 2, new Fourier(period)];
  const [pilotRe, pilotIm] = [Float64Array.from(signs, (sign, n) => (n % EVERY === DATA ? 0 : sign)), new Float64Array(period)];
  fourier.run(pilotRe, pilotIm);
  const ranges = /** @type {Range[]} */ ([]);
  for (let start = 0; start < samples.length; start += SEGMENT * block) {
    const white = whitened(samples.subarray(start, start + SEGMENT * block));
    for (const [first, stop] of spans(Math.ceil(white.length / block))) {
      const [re, im] = [folded(white.subarray(first * block, stop * block), first, period), new Float64Array(period)];
      const energy = new Float64Array(EVERY);
      re.forEach((sum, n) => (energy[n % EVERY] += sum * sum));
      const norms = energy.map((_, lag) => Math.sqrt(energy.reduce((all, one) => all + one) - energy[(lag + DATA) % EVERY]) + 1e-9);
      fourier.run(re, im);
      for (let n = 0; n < period; n++) {
        const real = re[n] * pilotRe[n] + im[n] * pilotIm[n];
        im[n] = re[n] * pilotIm[n] - im[n] * pilotRe[n]; // conjugate of the product, for the inverse
        re[n] = real;
      }
      fourier.run(re, im);
      const best = { first: start / block + first, stop: start / block + stop, z: 0, lag: 0 };
      for (let lag = 0; lag < period; lag++) {
        const z = re[lag] / period / norms[lag % EVERY];
        if (Math.abs(z) > Math.abs(best.z)) Object.assign(best, { z, lag });
      }
      ranges.push(best);
    }
  }
  const tried = 2 * period * ranges.length;
  const best = ranges.reduce((one, other) => (Math.abs(other.z) > Math.abs(one.z) ? other : one));
  const [z, chance] = [Math.abs(best.z), chanceOf(best.z, tried)];
  const found = ranges.filter((range) => chanceOf(range.z, tried) <= THRESHOLD);
  if (!found.length) return { ...nothing, marked: false, z, chance };
  const white = whitened(samples.subarray(best.first * block, best.stop * block));
  const message = messageIn(folded(white, best.first, period), best, signs);
  return { marked: true, z, chance, message, places: placesOf(found, block, samples.length) };
}

/** Where those ranges are that hold no shorter one. @param {Range[]} found @param {number} block @param {number} length samples */
function placesOf(found, block, length) {
  const least = found.filter((one) => !found.some((other) => other !== one && one.first <= other.first && other.stop <= one.stop));
  const places = /** @type {{start_s: number, stop_s: number}[]} */ ([]);
  for (const { first, stop } of least.sort((a, b) => a.first - b.first)) {
    const place = { start_s: (first * block) / RATE, stop_s: Math.min(stop * block, length) / RATE };
    const last = places.at(-1);
    if (last && place.start_s <= last.stop_s) last.stop_s = Math.max(last.stop_s, place.stop_s);
    else places.push(place);
  }
  return places;
}

/** The message that fits best, by a Walsh-Hadamard transform. @param {Float64Array} sums of a range, folded
 * @param {Range} range @param {Float32Array} signs */
function messageIn(sums, { z, lag }, signs) {
  const period = signs.length;
  let fits = new Float64Array(MESSAGES);
  let energy = 0;
  for (let place = 0; place < period / EVERY; place++) {
    const at = place * EVERY + DATA;
    let column = 0;
    for (let bit = 0; bit < 16; bit++) column = 2 * column + Number(signs[(place * 16 + bit) % period] < 0);
    const sum = sums[(at + lag) % period];
    fits[column] += Math.sign(z) * sum * signs[at];
    energy += sum ** 2;
  }
  for (let half = 1; half < MESSAGES; half *= 2) {
    fits = fits.map((fit, n) => (n & half ? fits[n - half] - fit : fit + fits[n + half]));
  }
  const message = fits.indexOf(fits.reduce((most, fit) => Math.max(most, fit)));
  return chanceOf(fits[message] / Math.sqrt(energy), MESSAGES) <= MESSAGE_THRESHOLD ? message : null;
}
