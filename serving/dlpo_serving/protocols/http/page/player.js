// Plays pieces of audio one after another without a gap, while more arrive.

// Seconds from a piece's arrival to its playback if nothing is playing: at first, and at most after
// underruns, which show that this connection needs more.
const LEAD_S = 0.06, MAX_LEAD_S = 0.48;

export class Player {
  #context = null;
  #sources = new Set();
  #runs = []; // stretches without a gap: {sample, frame}, the sample that sounds at that frame
  #nextFrame = 0; // of the context's clock, at which the next piece goes on
  #samples = 0;
  #closed = false;
  #lead = LEAD_S;
  #resolve = () => {};

  /** How often playback had to wait for a piece. */
  underruns = 0;
  /** Resolves when everything has been heard, or after stop(). */
  finished = Promise.resolve();

  /** Wake the sound device, which takes a while. Call it in the handler of a key or a click, or
   * browsers keep silent. Rate in hertz. */
  prepare(rate) {
    if (this.#context?.sampleRate !== rate) {
      this.#context?.close();
      // At the voice's own rate pieces join to the sample; the browser resamples the result.
      this.#context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    }
    return this.#context.resume();
  }

  /** A new utterance; prepares as well. */
  async begin(rate) {
    this.stop();
    const awake = this.prepare(rate);
    this.#runs = [];
    this.#samples = 0;
    this.#closed = false;
    this.underruns = 0;
    this.finished = new Promise((resolve) => { this.#resolve = resolve; });
    await awake;
  }

  /** Play an Int16Array after what came before; returns the seconds until it sounds. */
  push(pcm) {
    const context = this.#context;
    const rate = context.sampleRate;
    const now = Math.ceil(context.currentTime * rate);
    if (this.#runs.length === 0 || this.#nextFrame < now) {
      if (this.#runs.length > 0) {
        this.underruns += 1;
        this.#lead = Math.min(2 * this.#lead, MAX_LEAD_S);
      }
      this.#nextFrame = now + Math.round(this.#lead * rate);
      this.#runs.push({ sample: this.#samples, frame: this.#nextFrame });
    }
    const buffer = context.createBuffer(1, pcm.length, rate);
    buffer.getChannelData(0).set(Float32Array.from(pcm, (sample) => sample / 32768));
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    source.onended = () => {
      this.#sources.delete(source);
      if (this.#closed && this.#sources.size === 0) this.#resolve();
    };
    this.#sources.add(source);
    source.start(this.#nextFrame / rate);
    const wait = this.#nextFrame / rate - context.currentTime;
    this.#nextFrame += pcm.length;
    this.#samples += pcm.length;
    return wait;
  }

  /** No more pieces will come. */
  close() {
    this.#closed = true;
    if (this.#sources.size === 0) this.#resolve();
  }

  /** Stop immediately. */
  stop() {
    for (const source of this.#sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#sources.clear();
    this.#resolve();
  }

  /** Samples that have been heard, excluding gaps. */
  heard() {
    const context = this.#context;
    if (!context || this.#runs.length === 0) return 0;
    const frame = (context.currentTime - (context.outputLatency || 0)) * context.sampleRate;
    let i = this.#runs.length - 1;
    while (i > 0 && this.#runs[i].frame > frame) i -= 1;
    const end = this.#runs[i + 1]?.sample ?? this.#samples;
    return Math.min(Math.max(this.#runs[i].sample + frame - this.#runs[i].frame, 0), end);
  }
}
