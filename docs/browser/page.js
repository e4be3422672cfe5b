// The page: a list of sentences, a thread that speaks them, and the clock of the sound card.

const LEAD_S = 0.05; // between the moment a piece is scheduled and its sound

const $ = (name) => document.getElementById(name);
const worker = new Worker("./worker.js", { type: "module" });
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

async function speak(entry, button) {
  context ??= new AudioContext();
  stop();
  asked = performance.now();
  first = undefined;
  heard = 0;
  document.querySelectorAll("#sentences [aria-current]").forEach((one) => one.removeAttribute("aria-current"));
  button.setAttribute("aria-current", "true");
  state("speaking", "Speaking …");
  await context.resume();
  const other = Number($("mix").value) / 100;
  const shares = voices.map((name) => (name === $("voice").value) * (1 - other) + (name === $("other").value) * other);
  worker.postMessage({
    type: "speak",
    id: ++id,
    sentences: entry.sentences,
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
    state("ready", "Ready: choose a sentence.");
  } else if (data.type === "error") {
    state("failed", `It does not work here: ${data.message}`);
  } else if (data.id !== id) {
    return;
  } else if (data.type === "audio") {
    heard += data.samples.length;
    waiting.push(data.samples);
    if (first !== undefined || waiting.length > 1) play(); // two pieces: the third comes in time
  } else {
    play();
    playing.at(-1).onended = () => ($("stop").disabled = true);
    const took = (performance.now() - asked) / 1000;
    $("rtf").textContent = ((took * rate) / heard).toFixed(2);
    document.body.dataset.seconds = heard / rate;
    state("done", `Made ${(heard / rate).toFixed(1)} s of speech.`);
  }
};
worker.onerror = (event) => state("failed", `It does not work here: ${event.message ?? "no worker"}`);

$("stop").onclick = () => {
  id++;
  stop();
  state("ready", "Stopped.");
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
    button.onclick = () => speak(entry, button);
    const item = document.createElement("li");
    item.append(button);
    $("sentences").append(item);
  }
  worker.postMessage({ type: "load" });
} else {
  state("failed", "This copy was made without the voice; run scripts/browser-page.");
}
