// Plays pieces of audio without a gap, in a thread of their own (AudioWorklet), and stops at once.

export class Player {
  context = /** @type {any} */ (undefined);
  #node = /** @type {AudioWorkletNode | undefined} */ (undefined);

  /** Call it in reaction to a press: browsers allow sound only then. @param {number} rate samples a second
   * @param {string | URL} [base] the folder of these files */
  static async open(rate, base = new URL("./", import.meta.url)) {
    const context = new AudioContext({ sampleRate: rate });
    await context.audioWorklet.addModule(new URL("sound.js", base));
    return Object.assign(new Player(), { context });
  }

  /** Begin; what was playing stops.
   * @param {number} head pieces to wait for, so that a slow device does not stutter
   * @param {(played: number, over: boolean) => void} report is called with the samples played */
  start(head, report) {
    this.stop();
    const options = { numberOfInputs: 0, outputChannelCount: [1], processorOptions: { head } };
    this.#node = new AudioWorkletNode(this.context, "sound", options);
    this.#node.port.onmessage = ({ data }) => report(data.played, data.over);
    this.#node.connect(this.context.destination);
    return this.context.resume();
  }

  /** @param {Float32Array} [samples] the next ones; without any, no more will come */
  push(samples) {
    this.#node?.port.postMessage(samples);
  }

  stop() {
    this.#node?.disconnect();
    this.push();
    this.#node = undefined;
  }
}
