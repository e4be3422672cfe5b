// Speaks with a dlpo bundle through onnxruntime-web: encoder, frames, one denoising step. The same
// steps, in the same order, as serving/dlpo_serving/synthesis; see docs/streaming.md.

const LADDER = [16, 32, 64, 128]; // frames of each next chunk, the last for ever: sound begins early
const BLOCKS = [64, 256]; // frames of each next run of the frames graph after the first, short one
const LOOKAHEAD = 2; // frames of F0 that the source depends on beyond a piece
const END_FRAMES = 4; // at least, of the last symbol, so that the voice fades
const SENTENCE_PAUSE_S = 0.2;
const F0_FLOOR = 80; // Hz
const MAX_HARMONICS = 50;
const SOURCE_GAIN = Math.sqrt(2 / 40);
const AT_PULSE = 1e-4 / Math.PI; // turns; nearer to a pulse, its height is taken a little beside it
const KNEE = 0.7;
const CEILING = 0.89;
const FADE_S = 0.005;

/** Standard normal numbers that depend on the seed alone. */
export function gaussian(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0; // mulberry32
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  let spare = null;
  return () => {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

export class Voice {
  /** Fetch a bundle and make it ready; `read(name)` resolves to the ArrayBuffer of one of its files. */
  static async load(ort, read) {
    const text = new TextDecoder().decode(await read("voice.json"));
    const manifest = JSON.parse(text);
    const weights = new Uint8Array(await read("weights.bin"));
    const sessions = {};
    for (const name of ["encoder", "frames", `denoiser_${manifest.steps}`]) {
      const graph = new Uint8Array(await read(manifest.graphs[name].files[manifest.precision]));
      sessions[name] = await ort.InferenceSession.create(graph, {
        executionProviders: ["wasm"],
        externalData: [{ path: "weights.bin", data: weights }],
        graphOptimizationLevel: "disabled", // they are exported as they run best
      });
    }
    const voice = new Voice(ort, manifest, sessions);
    for await (const _ of voice.speak([1, ...manifest.symbols.keys()])); // the first run is slow
    return voice;
  }

  constructor(ort, manifest, sessions) {
    this.ort = ort;
    this.manifest = manifest;
    this.sessions = sessions;
    this.rate = manifest.sample_rate_hz;
    this.hop = manifest.hop_length;
    const { steps, context_frames_per_step: perStep } = manifest;
    const needed = manifest.precision === "int8" ? manifest.needed_context_int8 : manifest.needed_context;
    this.context = Math.min(needed?.[steps] ?? Infinity, steps * perStep + 1);
  }

  /**
   * The audio of a sentence in pieces, Float32Array each, the first one short.
   *
   * @param {number[]} phonemes indices of the voice's symbols
   * @param {object} [options]
   * @param {number[]} [options.shares] of each of the manifest's voices, 1 in all
   * @param {number} [options.pitch] semitones
   * @param {() => number} [options.random] standard normal numbers
   */
  async *speak(phonemes, { shares, pitch = 0, random = gaussian(0) } = {}) {
    const { hop, manifest } = this;
    const tensor = (type, data, dims) => new this.ort.Tensor(type, data, dims);
    const voices = manifest.voices.length;
    const mix = Float32Array.from(shares ?? manifest.voices.map((_, n) => (n === 0 ? 1 : 0)));
    const voice = tensor("float32", mix, [1, voices]);
    const symbols = phonemes.length;
    const encoded = await this.sessions.encoder.run({
      phonemes: tensor("int64", BigInt64Array.from(phonemes, BigInt), [1, symbols]),
      noise: tensor("float32", normal(2 * symbols, random), [1, 2, symbols]),
      voice,
    });
    const counts = wholeFrames(encoded.durations.data);
    const frames = counts.reduce((sum, count) => sum + count, 0);
    const features = new Features(frames, this.context + LADDER[0] + LOOKAHEAD);
    const source = new HarmonicSource(frames, hop, this.rate, manifest.source.amplitude);
    const noise = new Float32Array(frames * hop);
    let drawn = 0; // of the noise, in samples: drawn as far as it is needed
    const denoiser = this.sessions[`denoiser_${manifest.steps}`];
    for (const { start, stop } of cut(frames)) {
      const from = Math.max(0, start - this.context);
      const to = Math.min(frames, stop + this.context);
      while (features.known < Math.min(to + LOOKAHEAD, frames)) {
        const block = features.next(manifest.frames_context);
        const size = block.last - block.first;
        const positions = Float32Array.from({ length: size }, (_, n) => block.first + n + 0.5);
        const made = await this.sessions.frames.run({
          hidden: encoded.hidden,
          durations: tensor("float32", Float32Array.from(counts), [1, symbols]),
          ranges: encoded.ranges,
          positions: tensor("float32", positions, [size]),
          pitch: tensor("float32", Float32Array.of(pitch), [1]),
          voice,
        });
        features.add(block, made.conditioning.data, made.f0.data);
      }
      source.extend(features.f0, to);
      while (drawn < to * hop) noise[drawn++] = random();
      const size = to - from;
      const { waveform } = await denoiser.run({
        conditioning: tensor("float32", features.window(from, to), [1, features.channels, size]),
        source: tensor("float32", source.samples.slice(from * hop, to * hop), [1, size, hop]),
        noise: tensor("float32", noise.slice(from * hop, to * hop), [1, 1, size, hop]),
      });
      const own = waveform.data.slice((start - from) * hop, (stop - from) * hop);
      yield this.#shaped(own, start === 0, stop === frames);
    }
  }

  /** Silence between two sentences. */
  pause() {
    return new Float32Array(Math.round(SENTENCE_PAUSE_S * this.rate));
  }

  /** At the voice's level, with peaks bent below the ceiling and faded ends. */
  #shaped(samples, first, last) {
    const room = CEILING - KNEE;
    const fade = Math.round(FADE_S * this.rate);
    for (let n = 0; n < samples.length; n++) {
      const value = samples[n] * this.manifest.gain;
      const excess = Math.max(Math.abs(value) - KNEE, 0);
      samples[n] = excess ? Math.sign(value) * (KNEE + (room * excess) / (room + excess)) : value;
    }
    for (let n = 0; n < Math.min(fade, samples.length); n++) {
      const factor = (1 - Math.cos(((n + 0.5) * Math.PI) / fade)) / 2;
      if (first) samples[n] *= factor;
      if (last) samples[samples.length - 1 - n] *= factor;
    }
    return samples;
  }
}

function normal(count, random) {
  return Float32Array.from({ length: count }, random);
}

/** Durations in frames -> whole ones; the ends are rounded, so that errors don't add up. */
function wholeFrames(durations) {
  const counts = [];
  let end = 0;
  let before = 0;
  durations.forEach((duration, n) => {
    end += duration;
    const rounded = Math.max(roundHalfEven(end), n === durations.length - 1 ? 1 : 0);
    counts.push(rounded - before);
    before = rounded;
  });
  counts[counts.length - 1] = Math.max(counts.at(-1), END_FRAMES);
  return counts;
}

function roundHalfEven(value) {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 ? down + 1 : down;
}

function* cut(frames) {
  let start = 0;
  for (let rung = 0; start < frames; rung++) {
    const size = LADDER[Math.min(rung, LADDER.length - 1)];
    const stop = frames - start >= 1.5 * size ? start + size : frames; // a small rest comes along
    yield { start, stop };
    start = stop;
  }
}

/** Conditioning and F0 of a sentence, made block by block. */
class Features {
  constructor(frames, first) {
    this.f0 = new Float32Array(frames);
    this.known = 0; // frames that are made
    this.rows = []; // of the conditioning, one for each channel
    this.sizes = [first, ...BLOCKS];
  }

  get channels() {
    return this.rows.length;
  }

  /** The next block: frames `first` to `last` are computed, of which those up to `stop` are new. */
  next(context) {
    const size = this.sizes.length > 1 ? this.sizes.shift() : this.sizes[0];
    const stop = Math.min(this.known + size, this.f0.length);
    const last = Math.min(stop + context, this.f0.length);
    return { first: Math.max(0, this.known - context), last, stop };
  }

  add({ first, last, stop }, conditioning, f0) {
    const size = last - first;
    const channels = conditioning.length / size;
    while (this.rows.length < channels) this.rows.push(new Float32Array(this.f0.length));
    const [from, to] = [this.known - first, stop - first];
    this.rows.forEach((row, channel) => {
      row.set(conditioning.subarray(channel * size + from, channel * size + to), this.known);
    });
    this.f0.set(f0.subarray(from, to), this.known);
    this.known = stop;
  }

  /** All channels of frames `from` to `to`, row after row. */
  window(from, to) {
    const size = to - from;
    const window = new Float32Array(this.channels * size);
    this.rows.forEach((row, channel) => window.set(row.subarray(from, to), channel * size));
    return window;
  }
}

/** A band-limited pulse train, made in order from the F0 of each frame, 0 where unvoiced. */
class HarmonicSource {
  constructor(frames, hop, rate, amplitude) {
    Object.assign(this, { frames, hop, rate, amplitude });
    this.samples = new Float32Array(frames * hop);
    this.held = new Float64Array(frames); // F0; through silence the last one
    this.heldUntil = 0;
    this.made = 0; // frames
    this.phase = 0; // turns
  }

  /** Up to frame `stop`; `f0` is known for `LOOKAHEAD` frames more, or to the end. */
  extend(f0, stop) {
    const { frames, hop, rate, held } = this;
    const needed = Math.min(stop + 1, frames);
    for (; this.heldUntil < needed; this.heldUntil++) {
      const n = this.heldUntil;
      const candidate = f0[n] > 0 ? f0[n] : (f0[n + 1] ?? 0);
      held[n] = candidate > 0 ? candidate : n > 0 ? held[n - 1] : F0_FLOOR;
    }
    for (let n = this.made * hop; n < stop * hop; n++) {
      const place = Math.min(Math.max((n - hop / 2) / hop, 0), frames - 1);
      const before = Math.floor(place);
      const after = Math.min(before + 1, frames - 1);
      const share = place - before;
      const hertz = held[before] + share * (held[after] - held[before]);
      this.phase += hertz / rate;
      this.phase -= Math.floor(this.phase);
      const voiced = (1 - share) * (f0[before] > 0) + share * (f0[after] > 0) > 0.5;
      if (voiced) this.samples[n] = this.amplitude * pulses(hertz, this.phase, rate);
    }
    this.made = Math.max(this.made, stop);
  }
}

/** The sum of all harmonics below 95 % of half the rate, at a phase in turns. */
function pulses(hertz, phase, rate) {
  const harmonics = Math.min(Math.floor((0.95 * rate) / 2 / hertz), MAX_HARMONICS);
  let turns = phase - Math.round(phase);
  if (Math.abs(turns) < AT_PULSE) turns = AT_PULSE;
  const half = Math.sin(Math.PI * turns);
  const train = Math.sin(2 * Math.PI * (harmonics + 0.5) * turns);
  return ((SOURCE_GAIN / 2) * (train - half)) / half;
}
