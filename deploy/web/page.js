import { Player } from "./player.js";
import { Voice } from "./voice.js";
import { wav } from "./wav.js";

const QUICK = 0.2; // seconds for a second of speech, below which playback needs no head start
const $ = (/** @type {string} */ name) => /** @type {any} */ (document.getElementById(name));
const page = document.body.dataset;

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

/** @param {string} text @param {import("./voice.js").Word[]} words so far @param {number} played samples */
function light(text, words, played) {
  const word = words.findLast(({ start }) => start <= played);
  if (!word || !globalThis.Highlight) return;
  const range = new Range();
  const place = (/** @type {number} */ points) => [...text].slice(0, points).join("").length; // in UTF-16
  range.setStart($("heard").firstChild, place(word.textStart));
  range.setEnd($("heard").firstChild, place(word.textEnd));
  CSS.highlights.set("word", new Highlight(range));
}

/** @param {string} text @param {import("./voice.js").Sentence[]} [prepared] spoken until Python is there */
async function speak(text, prepared) {
  if (!voice) return;
  const [mine, asked, { rate }] = [++last, performance.now(), voice];
  const words = /** @type {import("./voice.js").Word[]} */ ([]);
  const pieces = /** @type {Float32Array[]} */ ([]);
  let [samples, began] = [0, asked];
  state("speaking", "Speaking …");
  $("save").hidden = true;
  $("heard").textContent = text;
  $("warnings").textContent = page.first = "";
  try {
    player ??= await Player.open(rate);
    player.start(Number(page.rtf ?? 1) < QUICK ? 1 : 2, (played, over) => {
      if (mine !== last) return;
      page.first ||= `${Math.round(performance.now() - asked)}`;
      $("first").textContent = `${page.first} ms`;
      light(text, words, played);
      if (over) state("ready", `Spoke ${page.seconds} s.`);
    });
    const wanted = page.reader === "ready" || !prepared ? text : prepared;
    for await (const chunk of voice.stream(wanted, settings())) {
      if (mine !== last) return;
      if (!samples) began = performance.now();
      words.push(...chunk.words);
      pieces.push(chunk.samples);
      samples += chunk.samples.length;
      player.push(chunk.samples);
      $("warnings").textContent += chunk.warnings.join("; ");
    }
    page.seconds = (samples / rate).toFixed(1);
    $("rtf").textContent = page.rtf = ((performance.now() - began) / 1000 / ((samples - pieces[0].length) / rate)).toFixed(2);
    player.push();
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

async function load() {
  $("load").hidden = true;
  state("loading", "Loading the voice …");
  voice = await Voice.load();
  const { names, about, reading } = voice;
  ["voice", "other"].forEach((place, chosen) => {
    $(place).append(...names.map((name, n) => new Option(`${name}: ${about[name]}`, name, false, n === chosen)));
  });
  for (const button of $("sentences").querySelectorAll("button")) button.disabled = false;
  state("ready", "Ready: choose a sentence.");
  await reading;
  page.reader = "ready";
  $("reader").textContent = "";
  $("speak").disabled = $("controls").disabled = false;
  if (!crossOriginIsolated) navigator.serviceWorker?.register("./offline.js").catch(() => {}); // Firefox can't start workers with both
}

const start = () => load().catch(({ message }) => state("failed", `It does not work here: ${message}`));
$("stop").onclick = stop;
$("load").onclick = start;
$("form").onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  speak($("text").value);
};
document.onkeydown = ({ key, target, ctrlKey, metaKey }) => {
  if (key === "Escape" && page.state === "speaking") stop();
  if (key === "Enter" && target === $("text") && (ctrlKey || metaKey)) $("form").requestSubmit($("speak"));
};
for (const name of ["speed", "pitch"]) {
  $(name).oninput = () => ($(`${name}-value`).textContent = $(name).value);
  $(name).oninput();
}

const reply = await fetch("./sentences.json");
if (reply.ok) {
  for (const { text, sentences } of await reply.json()) {
    const [item, button] = [document.createElement("li"), document.createElement("button")];
    Object.assign(button, { textContent: text, disabled: true, onclick: () => speak(text, sentences) });
    item.append(button);
    $("sentences").append(item);
  }
  $("load").hidden = !(/** @type {any} */ (navigator).connection?.saveData);
  if ($("load").hidden) start();
  else state("waiting", "Nothing is loaded yet, to save your data.");
} else state("failed", "This copy was made without the voice; run scripts/browser-page.");
