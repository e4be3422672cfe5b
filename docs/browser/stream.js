// Sentences to sound: a graph for each sentence, for blocks of its features, for chunks of its speech.
// All arithmetic is in the graphs; see export/dlpo_export/browser.

import { FIRST, LOOKAHEAD, blocks, cut } from "./frames.js";
import { gaussian } from "./noise.js";

const SPREAD = 0x9e3779b1; // between the seeds of a text's sentences

/**
 * @typedef {Record<string, import("onnxruntime-web").Tensor>} Tensors
 * @typedef {{rate: number, hop: number, voices: string[], about: Record<string, string>,
 *   pitchPoints: number, channels: number, context: number, framesContext: number}} Host
 * @typedef {{symbols: number[], shares: number[], speed: number[], pitch: number[], gain: number[],
 *   before: number, after: number, marks: {name: string, word: number}[],
 *   words: {word: string, start: number, end: number, symbol: number, phonemes: string[]}[]
 * }} Sentence made by reader.py
 * @typedef {{word: string, start: number, stop: number, textStart: number, textEnd: number,
 *   phonemes: {phoneme: string, start: number, stop: number}[]}} Word in samples of the whole audio
 * @typedef {{samples: Float32Array, offset: number, sentence: number, words: Word[],
 *   marks: {name: string, sample: number}[]}} Chunk with the words and marks that begin in it
 * @typedef {{seed?: number, noise?: number, offset?: number, sentence?: number}} Place of the first
 *   sentence in the whole audio, in samples and sentences
 */

export class Engine {
  /**
   * @param {typeof import("onnxruntime-web")} ort
   * @param {(name: string) => Promise<ArrayBuffer>} read one of the voice's files
   */
  static async load(ort, read) {
    const host = JSON.parse(new TextDecoder().decode(await read("host.json")));
    const data = new Uint8Array(await read("weights.bin"));
    const open = async (/** @type {string} */ name) =>
      ort.InferenceSession.create(await read(`${name}.onnx`), {
        executionProviders: ["wasm"],
        externalData: [{ path: "weights.bin", data }],
        graphOptimizationLevel: "disabled", // they are exported as they run best
      });
    return new Engine(ort, host, await open("sentence"), await open("features"), await open("speech"));
  }

  /**
   * @param {typeof import("onnxruntime-web")} ort
   * @param {Host} host
   * @param {...import("onnxruntime-web").InferenceSession} sessions
   */
  constructor(ort, host, ...sessions) {
    this.host = host;
    const run = (/** @type {number} */ graph) => (/** @type {Tensors} */ tensors) => {
      const names = sessions[graph].inputNames;
      return sessions[graph].run(Object.fromEntries(names.map((name) => [name, tensors[name]])));
    };
    [this.sentence, this.features, this.speech] = [run(0), run(1), run(2)];
    this.floats = (/** @type {ArrayLike<number>} */ data, /** @type {number[]} */ ...dims) =>
      new ort.Tensor("float32", Float32Array.from(data), dims);
    this.doubles = (/** @type {number[]} */ data) => new ort.Tensor("float64", Float64Array.from(data), [data.length]);
    this.ints = (/** @type {number[]} */ ...data) => new ort.Tensor("int32", Int32Array.from(data), [data.length]);
    this.ids = (/** @type {number[]} */ data) => new ort.Tensor("int64", BigInt64Array.from(data, BigInt), [1, data.length]);
  }

  /**
   * The audio of sentences, in pieces that join without a gap.
   *
   * @param {Sentence[]} sentences
   * @param {Place} [place]
   * @returns {AsyncGenerator<Chunk>}
   */
  async *speak(sentences, { seed = 0, noise = 1, offset = 0, sentence: index = 0 } = {}) {
    const { hop, rate } = this.host;
    for (const sentence of sentences) {
      const random = gaussian(seed + Math.imul(index, SPREAD));
      const origin = offset + Math.round(sentence.before * rate);
      const { ends, chunks } = await this.#begin(sentence, () => noise * random());
      const at = (/** @type {number} */ symbol) => origin + ends[symbol - 1] * hop; // where it begins
      const words = sentence.words.map(({ word, start, end, symbol, phonemes }) => ({
        word,
        start: at(symbol),
        stop: at(symbol + phonemes.length),
        textStart: start,
        textEnd: end,
        phonemes: phonemes.map((phoneme, n) => ({ phoneme, start: at(symbol + n), stop: at(symbol + n + 1) })),
      }));
      const marks = sentence.marks.map(({ name, word }) => ({ name, sample: words[word]?.start ?? at(ends.length) }));
      for await (const { samples, first, last } of chunks) {
        const silence = [first ? origin - offset : 0, last ? Math.round(sentence.after * rate) : 0];
        const piece = new Float32Array(silence[0] + samples.length + silence[1]);
        piece.set(samples, silence[0]);
        const ahead = offset + piece.length;
        const within = (/** @type {number} */ sample) => offset <= sample && (last || sample < ahead);
        yield {
          samples: piece,
          offset,
          sentence: index,
          words: words.filter((word) => within(word.start)),
          marks: marks.filter((mark) => within(mark.sample)),
        };
        offset = ahead;
      }
      index++;
    }
  }

  /**
   * Where the symbols of a sentence end, in frames, and its chunks.
   *
   * @param {Sentence} sentence
   * @param {() => number} draw
   */
  async #begin(sentence, draw) {
    const { symbols, shares, speed, pitch, gain } = sentence;
    const points = this.host.pitchPoints;
    const given = {
      phonemes: this.ids(symbols),
      noise: this.floats(Array.from({ length: points * symbols.length }, draw), 1, points, symbols.length),
      voice: this.floats(shares, 1, shares.length),
      speed: this.doubles(speed),
      pitch: this.floats(pitch, pitch.length),
      gain: this.doubles(gain),
    };
    const made = { ...given, ...(await this.sentence(given)) };
    return { ends: /** @type {Int32Array} */ (made.ends.data), chunks: this.#chunks(made, draw) };
  }

  /**
   * @param {Tensors} made of a sentence
   * @param {() => number} draw
   */
  async *#chunks(made, draw) {
    const { hop, context, channels, framesContext } = this.host;
    const places = /** @type {Float64Array} */ (made.places.data);
    const pitches = /** @type {Float32Array} */ (made.pitches.data);
    const frames = places.length;
    const own = (/** @type {number} */ stop) => Math.ceil(places[Math.min(stop + LOOKAHEAD, frames) - 1]) + 1;
    const spans = blocks(pitches, own(context + FIRST), framesContext);
    const noise = Float32Array.from({ length: frames * hop }, draw);
    let features = { conditioning: this.floats([], 1, channels, 0), f0: this.floats([], 1, 0) };
    let source = this.floats([], 1, 0, hop); // of the frames from `begin` to `sounding`
    let [begin, sounding, phase] = [0, 0, this.doubles([0])];
    for (const { start, stop, from, to } of cut(frames, context)) {
      while (features.f0.dims[1] < own(to)) {
        const span = /** @type {number[]} */ (spans.next().value);
        const pitch = this.floats([pitches[span[1]]], 1);
        const known = await this.features({ ...made, ...features, pitch, span: this.ints(...span) });
        features = { conditioning: known.known_conditioning, f0: known.known_f0 };
      }
      const kept = /** @type {Float32Array} */ (source.data).subarray((from - begin) * hop);
      const spoken = await this.speech({
        ...made,
        ...features,
        phase,
        source: this.floats(kept, 1, kept.length / hop, hop),
        noise: this.floats(noise.subarray(from * hop, to * hop), 1, 1, to - from, hop),
        window: this.ints(from, sounding, to),
        chunk: this.ints(start, stop, from),
      });
      [source, phase, begin, sounding] = [spoken.sounding, spoken.end_phase, from, to];
      const samples = /** @type {Float32Array} */ (spoken.samples.data);
      yield { samples, first: start === 0, last: stop === frames };
    }
  }
}
