// The page: what is typed or chosen is spoken, and its words light up.

import { Player } from "./player.js";
import { Voice } from "./voice.js";
import { wav } from "./wav.js";

const QUICK = 0.2; // seconds for a second of speech, below which playback needs no head start
const $ = (/** @type {string} */ name) => /** @type {any} */ (document.getElementById(name));
const page = document.body.dataset;
const opened = performance.now();

let voice = /** @type {Voice | undefined} */ (undefined);
let player = /** @type {Player | undefined} */ (undefined);
let last = 0; // request; what is left of the ones before is not heard

/** @param {string} name @param {string} message */
function state(name, message) {
  page.state = name;
  $("status").textContent = message;
  $("stop").disabled = name !== "speaking";
}

/** What the controls ask for. */
function settings() {
  const [own, other, share] = [$("voice").value, $("other").value, $("mix").value / 100];
  return {
    voice: share ? `${own}*${1 - share}+${other}*${share}` : own,
    speed: Number($("speed").value),
    pitch_semitones: Number($("pitch").value),
    dictionary: $("dictionary").value,
    seed: Math.floor(Math.random() * 2 ** 32),
  };
}

/** @param {import("./stream.js").Sentence[]} sentences read beforehand, at the usual settings */
function prepared(sentences) {
  const { speed, pitch_semitones } = settings();
  const [own, other, share] = [$("voice").value, $("other").value, $("mix").value / 100];
  const shares = voice?.names.map((name) => (name === own) * (1 - share) + (name === other) * share);
  return sentences.map((sentence) => ({
    ...sentence,
    shares,
    speed: sentence.speed.map((value) => value * speed),
    pitch: sentence.pitch.map((value) => value + pitch_semitones),
    before: sentence.before / speed,
  }));
}

/**
 * @param {string} text
 * @param {import("./stream.js").Word[]} words that have been made
 * @param {number} played samples
 */
function light(text, words, played) {
  const word = words.findLast(({ start }) => start <= played);
  const node = $("heard").firstChild;
  if (!word || !node || !globalThis.Highlight) return;
  const place = (/** @type {number} */ letters) => [...text].slice(0, letters).join("").length;
  const range = new Range(); // counts UTF-16, Python letters
  range.setStart(node, place(word.textStart));
  range.setEnd(node, place(word.textEnd));
  CSS.highlights.set("word", new Highlight(range));
}

/**
 * @param {string} text
 * @param {() => Promise<{sentences: any[], warnings: string[]}>} read
 */
async function speak(text, read) {
  if (!voice) return;
  const mine = ++last;
  const asked = performance.now();
  const { rate } = voice;
  const [words, pieces] = [/** @type {import("./stream.js").Word[]} */ ([]), /** @type {Float32Array[]} */ ([])];
  let samples = 0;
  state("speaking", "Speaking …");
  $("save").hidden = true;
  $("warnings").textContent = "";
  delete page.first;
  try {
    player ??= await Player.open(rate);
    const begun = player.start(Number(page.rtf ?? 1) < QUICK ? 1 : 2, (played, over) => {
      if (mine !== last) return;
      page.first ??= `${performance.now() - asked}`;
      $("first").textContent = `${Math.round(Number(page.first))} ms`;
      light(text, words, played);
      if (over) state("ready", `Spoke ${page.seconds} s.`);
    });
    const { sentences, warnings } = await read();
    await begun;
    $("warnings").textContent = warnings.join("; ");
    $("heard").textContent = text;
    const computing = performance.now();
    for await (const chunk of voice.speak(sentences, settings())) {
      if (mine !== last) return;
      words.push(...chunk.words);
      pieces.push(chunk.samples);
      samples += chunk.samples.length;
      player.push(chunk.samples);
    }
    player.push();
    page.seconds = (samples / rate).toFixed(1);
    page.rtf = ((performance.now() - computing) / 1000 / (samples / rate)).toFixed(3);
    $("rtf").textContent = page.rtf;
    URL.revokeObjectURL($("save").href);
    $("save").href = URL.createObjectURL(wav(pieces, rate));
    $("save").hidden = false;
  } catch (error) {
    if (mine === last) state("ready", error instanceof Error ? error.message : String(error));
  }
}

function stop() {
  last++;
  player?.stop();
  state("ready", "Stopped.");
}

/** @param {{text: string, sentences: any[]}} entry */
function button({ text, sentences }) {
  const made = document.createElement("button");
  made.textContent = text;
  made.disabled = true;
  made.onclick = () => speak(text, async () => ({ sentences: prepared(sentences), warnings: [] }));
  const item = document.createElement("li");
  item.append(made);
  return item;
}

async function load() {
  $("load").hidden = true;
  voice = await Voice.load();
  const { names, about } = voice;
  const options = (/** @type {number} */ chosen) =>
    names.map((name, n) => new Option(`${name}: ${about[name]}`, name, n === chosen, n === chosen));
  $("voice").append(...options(0));
  $("other").append(...options(1));
  $("loading").textContent = `${((performance.now() - opened) / 1000).toFixed(1)} s`;
  document.querySelectorAll("#sentences button").forEach((one) => one.removeAttribute("disabled"));
  state("ready", "Ready: choose a sentence.");
  await voice.reading;
  page.reader = "ready";
  $("speak").disabled = false;
  $("reader").textContent = "";
}

$("stop").onclick = stop;
$("form").onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const text = $("text").value;
  speak(text, async () => /** @type {Voice} */ (voice).read(text, settings()));
};
$("text").onkeydown = (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit($("speak"));
};
document.onkeydown = ({ key }) => {
  if (key === "Escape" && page.state === "speaking") stop();
};
for (const name of ["speed", "pitch"]) {
  const show = () => ($(`${name}-value`).textContent = $(name).value);
  $(name).oninput = show;
  show();
}

const reply = await fetch("./sentences.json");
if (reply.ok) {
  $("sentences").append(...(await reply.json()).map(button));
  const start = () => load().catch(({ message }) => state("failed", `It does not work here: ${message}`));
  const saving = /** @type {any} */ (navigator).connection?.saveData; // the visitor pays for data
  if (saving) state("waiting", "Nothing is loaded yet, to save data.");
  $("load").hidden = !saving;
  $("load").onclick = start;
  if (!saving) start();
} else {
  state("failed", "This copy was made without the voice; run scripts/browser-page.");
}
navigator.serviceWorker?.register("./offline.js").catch(() => {}); // not over plain http
