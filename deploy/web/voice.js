// `for await (const chunk of voice.stream("Hello.")) play(chunk.samples)`, of `voice = await Voice.load()`.

import { Thread } from "./thread.js";

/** @typedef {{phoneme: string, start: number, stop: number}} Phoneme in samples of the whole audio
 * @typedef {{word: string, start: number, stop: number, textStart: number, textEnd: number,
 *   phonemes: Phoneme[]}} Word and its place in the text, which counts code points
 * @typedef {{samples: Float32Array, offset: number, sentence: number, words: Word[],
 *   marks: {name: string, sample: number}[], warnings: string[]}} Chunk with what begins in it
 * @typedef {{symbols: number[], shares: number[], speed: number[], pitch: number[], gain: number[],
 *   before: number, after: number, marks: {name: string, word: number}[],
 *   words: {word: string, start: number, end: number, symbol: number, phonemes: string[]}[]
 * }} Sentence made by reader.py
 * @typedef {{voice?: string, speed?: number, pitch_semitones?: number, volume_db?: number, seed?: number,
 *   ssml?: string, dictionary?: Record<string, string> | string, code?: string, emoji?: string,
 *   dates?: string, directions?: boolean, sentence_pause_s?: number, paragraph_pause_s?: number,
 *   lead_in_s?: number, noise?: number}} Settings as in Python; `noise` 0 is for comparisons */

export class Voice {
  /** Loads the voice; Python, which reads text, goes on loading behind it.
   * @param {{base?: string | URL, threads?: number}} [options] `base`: the folder of these files; `threads`: of
   * the graphs, more than one only on pages that are isolated from other origins */
  static async load({ base = new URL("./", import.meta.url), threads } = {}) {
    const isolated = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    const reader = new Thread(new URL("reader.js", base)); // fetches its files at once
    let reading = /** @type {any} */ (undefined);
    const open = async (/** @type {number} */ count) => {
      const speaker = new Thread(new URL("speaker.js", base));
      let host;
      // Yields once its graphs are open, ends once it is warm. Python loads in between; `stream` reports its errors.
      for await (host of speaker.call("load", count)) (reading ??= reader.value("load")).catch(() => {});
      return { speaker, host };
    };
    const { speaker, host } = await open(threads ?? isolated).catch(() => open(1)); // Firefox may refuse more
    return new Voice(speaker, reader, reading, host);
  }

  /** @param {Thread} speaker @param {Thread} reader @param {Promise<void>} reading @param {any} host */
  constructor(speaker, reader, reading, host) {
    this.speaker = speaker;
    this.reader = reader;
    this.reading = reading; // resolves when text can be read; `stream` waits for it
    /** Samples a second. @type {number} */
    this.rate = host.rate;
    /** Names of the voices, the default one first. @type {string[]} */
    this.names = host.voices;
    /** How each of them sounds. @type {Record<string, string>} */
    this.about = host.about;
  }

  /** The audio of a text while it is made; leaving the loop stops the work.
   * @param {string | Sentence[] | AsyncIterable<string>} text all of it, or as it was read, or pieces as they
   * are written @param {Settings} [settings] @returns {AsyncGenerator<Chunk, void, void>} */
  async *stream(text, settings = {}) {
    let [offset, sentence] = [0, 0];
    for await (const { sentences, warnings } of this.#read(text, settings)) {
      for await (const chunk of this.speaker.call("speak", sentences, { ...settings, offset, sentence })) {
        yield { ...chunk, warnings: warnings.splice(0) };
        offset = chunk.offset + chunk.samples.length;
      }
      sentence += sentences.length;
    }
  }

  /** Ends the threads. */
  close() {
    for (const { worker } of [this.speaker, this.reader]) worker.terminate();
  }

  /** @param {string | Sentence[] | AsyncIterable<string>} text @param {Settings} settings
   * @returns {AsyncGenerator<{sentences: Sentence[], warnings: string[]}, void, void>} */
  async *#read(text, settings) {
    if (Array.isArray(text)) return yield { sentences: text, warnings: [] };
    await this.reading;
    if (typeof text === "string") return yield await this.reader.value("call", "read", text, settings);
    const number = await this.reader.value("call", "begin", settings);
    for await (const piece of text) yield await this.reader.value("call", "push", number, piece);
    yield await this.reader.value("call", "end", number);
  }
}
