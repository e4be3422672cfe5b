// The page: a text and a list of sentences, a thread that reads, one that speaks, and the clock of the
// sound card.

const LEAD_S = 0.05; // between the moment a piece is scheduled and its sound

const $ = (name) => document.getElementById(name);
const worker = new Worker("./worker.js", { type: "module" });
const reader = new Worker("./reader.js", { type: "module" });
const started = performance.now();

let context; // of the sound, opened by the first press, as browsers want it
let rate;
let voices; // names, in the order of their shares
let asked; // when Speak was pressed, ms
let first; // when the first sound was due, ms
let waiting = []; // pieces that come before playback begins
let endsAt = 0; // of what is scheduled, s of the context's clock
let heard = 0; // samples
let playing = [];
let pieces = []; // all of what is heard, to be saved
let id = 0; // of the request that is heard: pieces of the one before may still be on their way

function state(name, message) {
  document.body.dataset.state = name;
  $("status").textContent = message;
  $("stop").disabled = name !== "speaking" && name !== "done"; // what is made still sounds
}

function schedule(samples) {
  const buffer = context.createBuffer(1, samples.length, rate);
  buffer.copyToChannel(samples, 0);
  const node = context.createBufferSource();
  node.buffer = buffer;
  node.connect(context.destination);
  const at = Math.max(endsAt, context.currentTime + LEAD_S);
  if (first === undefined) {
    first = performance.now() + 1000 * (at - context.currentTime);
    $("first").textContent = `${Math.round(first - asked)} ms`;
    document.body.dataset.first = first - asked;
  }
  node.start(at);
  playing.push(node);
  endsAt = at + samples.length / rate;
}

/** A WAV file of 16 bits, mono. Reference: RIFF, WAVE format 1. */
function wav(parts, length) {
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const put = (at, text) => [...text].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  put(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  put(8, "WAVEfmt ");
  [16, 1 | (1 << 16), rate, 2 * rate, 2 | (16 << 16)].forEach((value, n) => view.setUint32(16 + 4 * n, value, true));
  put(36, "data");
  view.setUint32(40, 2 * length, true);
  let at = 44;
  for (const part of parts) {
    for (const value of part) {
      view.setInt16(at, Math.round(32767 * Math.max(-1, Math.min(1, value))), true);
      at += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}

function play() {
  waiting.forEach(schedule);
  waiting = [];
}

function stop() {
  worker.postMessage({ type: "stop" });
  playing.forEach((node) => node.stop());
  playing = [];
  waiting = [];
  endsAt = 0;
}

/** A new request: what was heard before ends. Resolves to whether it is still the newest. */
async function begin(button) {
  context ??= new AudioContext();
  stop();
  const mine = ++id;
  asked = performance.now();
  first = undefined;
  heard = 0;
  pieces = [];
  $("save").hidden = true;
  $("warnings").textContent = "";
  document.querySelectorAll("#sentences [aria-current]").forEach((one) => one.removeAttribute("aria-current"));
  button?.setAttribute("aria-current", "true");
  state("speaking", "Speaking …");
  await context.resume();
  return mine === id;
}

function speak(sentences) {
  const other = Number($("mix").value) / 100;
  const shares = voices.map((name) => (name === $("voice").value) * (1 - other) + (name === $("other").value) * other);
  worker.postMessage({
    type: "speak",
    id,
    sentences,
    shares,
    pitch: Number($("pitch").value),
    seed: Math.floor(Math.random() * 2 ** 32),
  });
}

worker.onmessage = ({ data }) => {
  if (data.type === "ready") {
    ({ rate, voices } = data);
    $("voice").append(...voices.map((name) => new Option(name)));
    $("other").append(...voices.map((name, n) => new Option(name, name, n === 1, n === 1)));
    $("load").textContent = `${((performance.now() - started) / 1000).toFixed(1)} s`;
    document.querySelectorAll("#sentences button").forEach((button) => (button.disabled = false));
    $("speak").disabled = document.body.dataset.reader !== "ready";
    state("ready", "Ready: choose a sentence.");
  } else if (data.type === "error") {
    state("failed", `It does not work here: ${data.message}`);
  } else if (data.id !== id) {
    return;
  } else if (data.type === "audio") {
    heard += data.samples.length;
    pieces.push(data.samples);
    waiting.push(data.samples);
    if (first !== undefined || waiting.length > 1) play(); // two pieces: the third comes in time
  } else {
    play();
    playing.at(-1).onended = () => ($("stop").disabled = true);
    const took = (performance.now() - asked) / 1000;
    $("rtf").textContent = ((took * rate) / heard).toFixed(2);
    document.body.dataset.seconds = heard / rate;
    URL.revokeObjectURL($("save").href);
    $("save").href = URL.createObjectURL(wav(pieces, heard));
    $("save").hidden = false;
    state("done", `Made ${(heard / rate).toFixed(1)} s of speech.`);
  }
};
function unreadable(reason) {
  $("reader").textContent = `Typed text can't be read here: ${reason}`;
  $("speak").disabled = true;
  if (document.body.dataset.state === "speaking") state("ready", "Choose a sentence.");
}

reader.onmessage = ({ data }) => {
  if (data.type === "ready") {
    $("reader").textContent = "";
    document.body.dataset.reader = "ready";
    $("speak").disabled = voices === undefined;
  } else if (data.type === "error") {
    unreadable(data.message);
  } else if (data.id !== id) {
    return;
  } else if (data.type === "refused") {
    state("ready", data.message);
  } else {
    $("warnings").textContent = data.warnings.join("; ");
    speak(data.sentences);
  }
};
reader.onerror = (event) => unreadable(event.message ?? "no worker");
worker.onerror = (event) => state("failed", `It does not work here: ${event.message ?? "no worker"}`);

$("stop").onclick = () => {
  id++;
  stop();
  state("ready", "Stopped.");
};
$("form").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("text").value;
  if (await begin()) reader.postMessage({ type: "read", id, text });
};
$("text").onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit($("speak"));
};
document.onkeydown = (event) => {
  if (event.key === "Escape" && !$("stop").disabled) $("stop").click();
};

const reply = await fetch("./sentences.json");
if (reply.ok) {
  for (const entry of await reply.json()) {
    const button = document.createElement("button");
    button.textContent = entry.text;
    button.disabled = true;
    button.onclick = async () => (await begin(button)) && speak(entry.sentences);
    const item = document.createElement("li");
    item.append(button);
    $("sentences").append(item);
  }
  worker.postMessage({ type: "load" });
  reader.postMessage({ type: "load" });
} else {
  state("failed", "This copy was made without the voice; run scripts/browser-page.");
}
if ("serviceWorker" in navigator) navigator.serviceWorker.register("./offline.js").catch(() => {}); // not over plain http
