// The page: an introduction, pair after pair, and thanks.
"use strict";

const SECONDS_A_PAIR = 20;
const KEYS = {
  1: () => $("play-first").click(),
  2: () => $("play-second").click(),
  a: () => choose("first"),
  s: () => choose("same"),
  b: () => choose("second"),
  n: () => $("next").click(),
  p: () => (answers.state.at > trials.length ? $("review") : $("back")).click(),
};
const $ = (id) => document.getElementById(id);

const test = JSON.parse($("test").textContent);
const answers = new Answers(test.test, tell);
const trials = inOrder(test.trials, answers.state.session);
const player = new Player({ first: $("play-first"), second: $("play-second") }, hear, complain);
const radios = [...document.querySelectorAll("[name=choice]")];
let heard = new Set(); // sides of the pair on show

// Shuffled by the sitting, A and B exchanged in half of the pairs: the same after a reload.
function inOrder(listed, session) {
  const random = numbers(parseInt(session.slice(0, 8), 16));
  const swaps = shuffled(listed.map((_, i) => i % 2 === 1), random);
  return shuffled(listed, random).map(({ trial, text, sounds }, i) =>
    ({ trial, text, sounds: swaps[i] ? [...sounds].reverse() : sounds }));
}

// Fisher and Yates.
function shuffled(values, random) {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

// Uniform in [0, 1) from a 32-bit seed: mulberry32.
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// 0 is the introduction, 1 the first pair, after the last one the end.
function go(at) {
  answers.update((state) => { state.at = at; });
  show();
}

function show({ focus = true } = {}) {
  const { at } = answers.state;
  const section = at === 0 ? "intro" : at <= trials.length ? "trial" : "end";
  player.stop();
  $("alert").hidden = true;
  for (const name of ["intro", "trial", "end"]) $(name).hidden = name !== section;
  if (section === "trial") showTrial(trials[at - 1], at);
  tell();
  scrollTo(0, 0);
  if (focus) $(`${section}-title`).focus();
}

function showTrial({ trial, text, sounds }, at) {
  const known = answers.of(trial);
  heard = new Set(known ? ["first", "second"] : []);
  $("trial-title").textContent = `Pair ${at} of ${trials.length}`;
  $("text").textContent = text;
  $("text").hidden = !text;
  player.load(...sounds.map((name) => `audio/${name}.wav`));
  for (const radio of radios) radio.checked = radio.value === known?.choice;
  $("next").textContent = at < trials.length ? "Next" : "Finish";
  enable();
}

function enable() {
  const isOpen = heard.size === 2;
  for (const side of ["first", "second"]) {
    $(`play-${side}`).classList.toggle("heard", heard.has(side));
  }
  $("choices").disabled = !isOpen;
  $("hint").hidden = isOpen;
  $("next").disabled = !radios.some((radio) => radio.checked);
  $("progress").max = trials.length;
  $("progress").value = answers.all.length;
}

function hear(side) {
  heard.add(side);
  $("alert").hidden = true;
  const wasClosed = $("choices").disabled;
  enable();
  if (wasClosed && heard.size === 2) $("status").textContent = "Now choose.";
}

function complain(side) {
  $("alert").textContent =
    `Sound ${side === "first" ? "A" : "B"} can't be played. Check the connection and play it again.`;
  $("alert").hidden = false;
}

function choose(value) {
  if ($("choices").disabled || $("trial").hidden) return;
  for (const radio of radios) radio.checked = radio.value === value;
  const { trial, sounds } = trials[answers.state.at - 1];
  answers.choose(trial, sounds[0], value, player.plays);
  enable();
}

// Where the answers are, in words.
function tell() {
  const { all, isKept } = answers;
  const status = isKept ? "" : "This browser keeps nothing: finish before you leave the page.";
  if ($("status").textContent !== status) $("status").textContent = status;
  $("outcome").textContent =
    `Save your ${all.length} answers as a file, or copy the link, and send one of them to the person who asked you.`;
  showLink(all.length === trials.length);
}

async function showLink(isWanted) {
  $("link-field").hidden = !isWanted || !("CompressionStream" in window);
  if (!$("link-field").hidden) $("link").value = await answers.asLink();
}

function press(event) {
  const isTyping = event.target.matches("input[type=text]:read-write");
  if (event.key === "Escape") player.stop();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = KEYS[event.key.toLowerCase()];
  if (!act || !$("shortcuts").checked || !$("intro").hidden) return;
  event.preventDefault();
  act();
}

for (const count of document.querySelectorAll(".count")) count.textContent = trials.length;
$("minutes").textContent = `${Math.ceil(trials.length * SECONDS_A_PAIR / 60)} minutes`;
$("rater").value = answers.state.rater;
$("begin-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const rater = $("rater").value.trim().replace(/\s+/g, " ");
  answers.update((state) => { state.rater = rater; });
  go(1);
});
$("back").addEventListener("click", () => go(answers.state.at - 1));
$("next").addEventListener("click", () => go(answers.state.at + 1));
$("review").addEventListener("click", () => go(trials.length));
$("download").addEventListener("click", () => answers.save());
$("link").addEventListener("focus", () => $("link").select());
for (const radio of radios) radio.addEventListener("change", () => choose(radio.value));
addEventListener("keydown", press);
addEventListener("beforeunload", (event) => {
  if (!answers.isKept) event.preventDefault();
});
show({ focus: false });
