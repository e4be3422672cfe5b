// A voice in the browser: `const voice = await Voice.load()`, and then
// `for await (const chunk of voice.stream("Hello.")) play(chunk.samples)`.

import { Thread } from "./thread.js";

/**
 * @typedef {import("./stream.js").Chunk} Chunk
 * @typedef {import("./stream.js").Sentence} Sentence
 * @typedef {{voice?: string, speed?: number, pitch_semitones?: number, volume_db?: number,
 *   seed?: number, ssml?: string, dictionary?: Record<string, string> | string, code?: string,
 *   emoji?: string, dates?: string, directions?: boolean, sentence_pause_s?: number,
 *   paragraph_pause_s?: number, lead_in_s?: number, noise?: number}} Settings as in Python; `noise`
 *   0 is for comparisons
 */

export class Voice {
  /**
   * Loads the voice; Python, which reads text, goes on loading behind it.
   *
   * @param {{base?: string | URL, threads?: number}} [options] `base`: the folder of these files;
   *   `threads`: of the graphs, more than one only on pages that are isolated from other origins
   */
  static async load({ base = new URL("./", import.meta.url), threads } = {}) {
    const isolated = globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
    const speaker = new Thread(new URL("speaker.js", base));
    const reader = new Thread(new URL("reader.js", base));
    const reading = reader.value("load");
    return new Voice(speaker, reader, reading, await speaker.value("load", threads ?? isolated));
  }

  /**
   * @param {Thread} speaker
   * @param {Thread} reader
   * @param {Promise<void>} reading
   * @param {import("./stream.js").Host} host
   */
  constructor(speaker, reader, reading, host) {
    this.speaker = speaker;
    this.reader = reader;
    /** Resolves when text can be read; `stream` waits for it. */
    this.reading = reading;
    reading.catch(() => {}); // `read` reports it
    /** Samples a second. */
    this.rate = host.rate;
    /** Names of the voices, the default one first. */
    this.names = host.voices;
    /** How each of them sounds. */
    this.about = host.about;
  }

  /**
   * The audio of a text while it is made; leaving the loop stops the work.
   *
   * @param {string | AsyncIterable<string>} text all of it, or pieces as they are written
   * @param {Settings} [settings]
   * @returns {AsyncGenerator<Chunk, void, void>}
   */
  async *stream(text, settings = {}) {
    let place = { offset: 0, sentence: 0 };
    for await (const sentences of this.#batches(text, settings)) {
      for await (const chunk of this.speak(sentences, { ...settings, ...place })) {
        yield chunk;
        place = { offset: chunk.offset + chunk.samples.length, sentence: chunk.sentence + 1 };
      }
    }
  }

  /**
   * The sentences of a text as the voice reads them, and warnings about it.
   *
   * @param {string} text
   * @param {Settings} [settings]
   * @returns {Promise<{sentences: Sentence[], warnings: string[]}>}
   */
  async read(text, settings = {}) {
    await this.reading;
    return this.reader.value("read", text, settings);
  }

  /**
   * The audio of sentences that have been read.
   *
   * @param {Sentence[]} sentences
   * @param {import("./stream.js").Place} [place]
   * @returns {AsyncGenerator<Chunk, void, void>}
   */
  speak(sentences, { seed, noise, offset, sentence } = {}) {
    return this.speaker.call("speak", sentences, { seed, noise, offset, sentence });
  }

  /** Ends the threads. */
  close() {
    for (const thread of [this.speaker, this.reader]) thread.worker.terminate();
  }

  /**
   * @param {string | AsyncIterable<string>} text
   * @param {Settings} settings
   * @returns {AsyncGenerator<Sentence[], void, void>}
   */
  async *#batches(text, settings) {
    if (typeof text === "string") {
      yield (await this.read(text, settings)).sentences;
    } else {
      await this.reading;
      const number = await this.reader.value("begin", settings);
      for await (const piece of text) yield await this.reader.value("push", number, piece);
      yield await this.reader.value("end", number);
    }
  }
}
