// Sentences to sound: a graph for each sentence, for blocks of its features, for chunks of its speech.
// All arithmetic is in the graphs; see export/dlpo_export/browser.

import { FIRST, LOOKAHEAD, blocks, cut } from "./frames.js";
import { signsOf } from "./mark.js";
import { gaussian } from "./noise.js";

const SPREAD = 0x9e3779b1; // between the seeds of a text's sentences

/** @typedef {typeof import("onnxruntime-web")} Runtime
 * @typedef {Record<string, import("onnxruntime-web").Tensor>} Tensors
 * @typedef {import("./voice.js").Sentence} Sentence */

export class Engine {
  /** @param {Runtime} ort @param {(name: string) => Promise<ArrayBuffer>} read a file of the voice */
  static async load(ort, read) {
    const names = ["host.json", "signs.bin", "weights.bin", "sentence.onnx", "features.onnx", "speech.onnx"];
    const [host, signs, weights, ...graphs] = await Promise.all(names.map((name) => read(name)));
    const runs = [];
    for (const graph of graphs) {
      const session = await ort.InferenceSession.create(graph, {
        executionProviders: ["wasm"],
        externalData: [{ path: "weights.bin", data: new Uint8Array(weights) }],
        graphOptimizationLevel: "disabled", // they are exported as they run best
      });
      const taken = (/** @type {Tensors} */ all) => session.inputNames.map((input) => [input, all[input]]);
      runs.push((/** @type {Tensors} */ all) => session.run(Object.fromEntries(taken(all))));
    }
    return new Engine(ort, JSON.parse(new TextDecoder().decode(host)), signsOf(signs), runs);
  }

  /** @param {Runtime} ort @param {any} host @param {Float32Array} signs of its mark
   * @param {((all: Tensors) => Promise<Tensors>)[]} runs */
  constructor(ort, host, signs, [sentence, features, speech]) {
    this.host = host;
    this.signs = signs;
    this.run = { sentence, features, speech };
    this.floats = (/** @type {ArrayLike<number>} */ data, /** @type {number[]} */ ...dims) =>
      new ort.Tensor("float32", Float32Array.from(data), dims);
    this.doubles = (/** @type {number[]} */ data) => new ort.Tensor("float64", Float64Array.from(data), [data.length]);
    this.ints = (/** @type {number[]} */ ...data) => new ort.Tensor("int32", Int32Array.from(data), [data.length]);
    this.ids = (/** @type {number[]} */ data) =>
      new ort.Tensor("int64", BigInt64Array.from(data, BigInt), [1, data.length]);
  }

  /** The audio of sentences, in pieces that join without a gap. @param {Sentence[]} sentences
   * @param {{seed?: number, noise?: number, offset?: number, sentence?: number}} [place] of the first one in the
   * whole audio: samples, sentences @returns {AsyncGenerator<Omit<import("./voice.js").Chunk, "warnings">>} */
  async *speak(sentences, { seed = 0, noise = 1, offset = 0, sentence: index = 0 } = {}) {
    const { hop, rate } = this.host;
    for (const sentence of sentences) {
      const random = gaussian(seed + Math.imul(index, SPREAD));
      const draw = () => noise * random();
      const made = await this.#encode(sentence, draw);
      const ends = /** @type {Int32Array} */ (made.ends.data); // of the symbols, in frames
      const origin = offset + Math.round(sentence.before * rate);
      const at = (/** @type {number} */ symbol) => origin + ends[symbol - 1] * hop; // where it begins
      const words = sentence.words.map(({ word, start, end, symbol, phonemes }) => ({
        ...{ word, start: at(symbol), stop: at(symbol + phonemes.length), textStart: start, textEnd: end },
        phonemes: phonemes.map((phoneme, n) => ({ phoneme, start: at(symbol + n), stop: at(symbol + n + 1) })),
      }));
      const marks = sentence.marks.map(({ name, word }) => ({ name, sample: words[word]?.start ?? at(ends.length) }));
      for await (const { speech, first, last } of this.#chunks(made, draw, origin)) {
        const silence = first ? origin - offset : 0;
        const after = last ? Math.round(sentence.after * rate) : 0;
        const samples = new Float32Array(silence + speech.length + after);
        samples.set(speech, silence);
        const ahead = offset + samples.length;
        const within = (/** @type {number} */ sample) => offset <= sample && (last || sample < ahead);
        yield {
          ...{ samples, offset, sentence: index },
          words: words.filter(({ start }) => within(start)),
          marks: marks.filter(({ sample }) => within(sample)),
        };
        offset = ahead;
      }
      index++;
    }
  }

  /** @param {Sentence} sentence @param {() => number} draw */
  async #encode({ symbols, shares, speed, pitch, gain }, draw) {
    const points = this.host.pitchPoints;
    const given = {
      phonemes: this.ids(symbols),
      noise: this.floats(Array.from({ length: points * symbols.length }, draw), 1, points, symbols.length),
      voice: this.floats(shares, 1, shares.length),
      speed: this.doubles(speed),
      pitch: this.floats(pitch, pitch.length),
      gain: this.doubles(gain),
    };
    return /** @type {Tensors} */ ({ ...given, ...(await this.run.sentence(given)) });
  }

  /** @param {Tensors} made of a sentence @param {() => number} draw
   * @param {number} origin its first sample in the whole audio, which the signs of its noise begin at */
  async *#chunks(made, draw, origin) {
    const { hop, context, channels, framesContext } = this.host;
    const places = /** @type {Float64Array} */ (made.places.data);
    const pitches = /** @type {Float32Array} */ (made.pitches.data);
    const frames = places.length;
    const own = (/** @type {number} */ stop) => Math.ceil(places[Math.min(stop + LOOKAHEAD, frames) - 1]) + 1;
    const spans = blocks(pitches, own(context + FIRST), framesContext);
    const signed = (/** @type {unknown} */ _, /** @type {number} */ n) =>
      Math.abs(draw()) * this.signs[(origin + n) % this.signs.length];
    const noise = Float32Array.from({ length: frames * hop }, signed);
    let features = /** @type {Tensors} */ ({ conditioning: this.floats([], 1, channels, 0), f0: this.floats([], 1, 0) });
    let source = new Float32Array(0); // of the frames from `begin` to `sounding`
    let phase = /** @type {import("onnxruntime-web").Tensor} */ (this.doubles([0]));
    let [begin, sounding] = [0, 0];
    for (const { start, stop, from, to } of cut(frames, context)) {
      while (features.f0.dims[1] < own(to)) {
        const span = /** @type {number[]} */ (spans.next().value);
        const pitch = this.floats([pitches[span[1]]], 1);
        const known = await this.run.features({ ...made, ...features, pitch, span: this.ints(...span) });
        features = { conditioning: known.known_conditioning, f0: known.known_f0 };
      }
      const kept = source.subarray((from - begin) * hop);
      const { samples, sounding: sounds, end_phase } = await this.run.speech({
        ...{ ...made, ...features, phase },
        source: this.floats(kept, 1, kept.length / hop, hop),
        noise: this.floats(noise.subarray(from * hop, to * hop), 1, 1, to - from, hop),
        window: this.ints(from, sounding, to),
        chunk: this.ints(start, stop, from),
      });
      source = /** @type {Float32Array<ArrayBuffer>} */ (sounds.data);
      phase = end_phase;
      [begin, sounding] = [from, to];
      yield { speech: /** @type {Float32Array} */ (samples.data), first: start === 0, last: stop === frames };
    }
  }
}
