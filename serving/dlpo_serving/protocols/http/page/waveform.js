// The waveform, drawn as it arrives: what has been heard is bright, the rest is pale.

const BUCKET = 128; // samples of one kept peak
const BAR = 3, GAP = 2; // CSS pixels
const SPANS = [2, 4, 8, 15, 30, 60, 120, 300, 600, 1200, 3600]; // seconds across the picture

export class Waveform {
  #canvas;
  #peaks = [];
  #samples = 0;
  #rate = 1;
  #complete = false;
  #heard = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => this.draw());
  }

  begin(rate) {
    this.#peaks = [];
    this.#samples = 0;
    this.#rate = rate;
    this.#complete = false;
    this.draw(0);
  }

  /** The next Int16Array of samples. */
  add(pcm) {
    for (const sample of pcm) {
      const bucket = Math.floor(this.#samples / BUCKET);
      this.#peaks[bucket] = Math.max(this.#peaks[bucket] ?? 0, Math.abs(sample) / 32768);
      this.#samples += 1;
    }
  }

  /** All samples have arrived: let them fill the width. */
  complete() {
    this.#complete = true;
    this.draw();
  }

  /** Draw with so many samples heard. */
  draw(heard = this.#heard) {
    this.#heard = heard;
    const { width, height } = this.#fit();
    const pen = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const colours = pen.createLinearGradient(0, 0, width, 0);
    ["--wave-a", "--wave-b", "--wave-c"].forEach((name, i) => {
      colours.addColorStop(i / 2, style.getPropertyValue(name).trim());
    });
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = colours;
    const bars = Math.max(Math.floor(width / (BAR + GAP)), 1);
    const perBar = this.#span() / bars;
    for (let bar = 0; bar < bars; bar++) {
      const peak = this.#peak(bar * perBar, (bar + 1) * perBar);
      const tall = Math.max(Math.sqrt(peak) * (height - 24), BAR); // roots show soft sounds too
      pen.globalAlpha = peak === null ? 0.3 : bar * perBar < heard ? 1 : 0.4;
      pen.beginPath();
      pen.roundRect(bar * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      pen.fill();
    }
  }

  /** The sample at a place across the picture, 0 to 1. */
  sampleAt(share) {
    return Math.min(Math.max(Math.floor(share * this.#span()), 0), this.#samples);
  }

  #span() {
    if (this.#complete && this.#samples > 0) return this.#samples;
    const seconds = this.#samples / this.#rate;
    return this.#rate * (SPANS.find((span) => span >= seconds) ?? seconds);
  }

  /** Highest peak between two samples; null where there are none yet. */
  #peak(start, stop) {
    if (start >= this.#samples) return null;
    let highest = 0;
    const last = Math.min(Math.ceil(stop / BUCKET), this.#peaks.length);
    for (let i = Math.floor(start / BUCKET); i < last; i++) highest = Math.max(highest, this.#peaks[i]);
    return highest;
  }

  #fit() {
    const canvas = this.#canvas;
    const scale = devicePixelRatio;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
    return { width, height };
  }
}
