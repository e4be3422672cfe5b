// In the thread of the sound card: plays pieces in order, and reports how far it is.

const REPORT = 1024; // samples between two reports

class Sound extends AudioWorkletProcessor {
  /** @param {{processorOptions: {head: number}}} options `head`: pieces to wait for */
  constructor({ processorOptions: { head } }) {
    super();
    this.pieces = /** @type {Float32Array[]} */ ([]);
    this.played = this.reported = 0; // samples
    this.ended = false;
    this.waits = true;
    this.port.onmessage = ({ data: samples }) => {
      if (samples) this.pieces.push(samples);
      else this.ended = true;
      this.waits &&= !this.ended && this.pieces.length < head;
    };
  }

  /** @param {Float32Array[][]} _ @param {Float32Array[][]} outputs */
  process(_, [[output]]) {
    let filled = 0;
    while (!this.waits && this.pieces.length && filled < output.length) {
      const piece = this.pieces.shift() ?? output;
      const part = piece.subarray(0, output.length - filled);
      if (part.length < piece.length) this.pieces.unshift(piece.subarray(part.length));
      output.set(part, filled);
      filled += part.length;
    }
    this.played += filled;
    const over = this.ended && !this.pieces.length;
    if (over || (this.played && !this.reported) || this.played - this.reported >= REPORT) {
      this.reported = this.played;
      this.port.postMessage({ played: this.played, over });
    }
    return !over;
  }
}

registerProcessor("sound", Sound);
