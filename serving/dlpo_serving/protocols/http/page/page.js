// The page: its controls, its state, and one utterance after the other.

import { dictionary, remember } from "./dictionary.js";
import { Player } from "./player.js";
import { SNIPPETS, copy, fromLink, link, save } from "./share.js";
import { SpeechError, about, decode, file, speak, voices } from "./speech.js";
import { acceptFiles } from "./text-file.js";
import { Transcript } from "./transcript.js";
import { wavFile } from "./wav.js";
import { Waveform } from "./waveform.js";

const RETRY_MS = 2000; // to ask again for the voices of a server that is not ready
const SAMPLE = "This is my voice. How does it sound to you?";
const EXAMPLES = {
  Numbers: "On March 3rd at 7:45 p.m., 1,250 people paid $3.50 each: that's 4.2% more than in 2019.",
  Question: "Is it really that quick? Yes! And who would have thought?",
  Code: "Run `kubectl get pods -n prod`, then open https://example.com/status. The API answers in 20 ms.",
  SSML: '<speak>Wait <break time="600ms"/> for it. <prosody rate="slow">Slowly now,</prosody> <emphasis>and loud!</emphasis></speak>',
};
const $ = (id) => document.getElementById(id);

const player = new Player();
const waveform = new Waveform($("waveform"));
const transcript = new Transcript($("transcript"));

let offered = []; // voices
let characters = {}; // name of a voice -> who speaks and how it sounds
let spoken = null; // the last utterance: {pieces, rate, voice, seed, complete}
let retry = 0; // timer of the next loadVoices
let running = null; // AbortController of the utterance in progress

async function say() {
  if (!offered.length || !$("text").value.trim() || !$("form").reportValidity()) return;
  stop();
  const run = running = new AbortController();
  const begun = performance.now();
  const voice = chosenVoice();
  spoken = { pieces: [], rate: voice.sample_rate, voice: voice.id, seed: $("seed").value, request: request(voice) };
  clearFigures();
  $("warning").hidden = true;
  show("waiting", "Waiting for the first audio");
  seekable(false);
  transcript.begin($("text").value);
  waveform.begin(spoken.rate);
  try {
    const audible = player.begin(spoken.rate); // in the handler of the key or the click
    let samples = 0;
    for await (const event of speak(spoken.request, $("token").value, run.signal)) {
      if (event.type === "speech.info") {
        $("warning").textContent = event.warnings.join(". ");
        $("warning").hidden = event.warnings.length === 0;
      } else if (event.type === "speech.audio") {
        await audible;
        if (run !== running) return;
        const pcm = decode(event.audio);
        const wait = pcm.length ? player.push(pcm) : 0;
        if (samples === 0 && pcm.length) {
          $("first-audio").textContent = Math.round(performance.now() - begun + 1000 * wait);
          show("speaking", "Speaking");
          animate(run);
        }
        samples += pcm.length;
        spoken.pieces.push(pcm);
        waveform.add(pcm);
        transcript.add(event.words);
        showLength(samples);
        $("underruns").textContent = player.underruns;
      } else if (event.type === "speech.done") {
        const factor = (performance.now() - begun) / 1000 * spoken.rate / samples;
        $("rtf").textContent = factor.toFixed(3);
        $("faster").textContent = (1 / factor).toFixed(factor > 0.1 ? 1 : 0);
        showLength(samples);
        $("underruns").textContent = player.underruns;
        transcript.finish();
        waveform.complete();
        player.close();
        spoken.complete = true;
        allowSaving();
      }
    }
    await player.finished;
    if (run === running) end(`Spoke ${seconds(samples)}`);
  } catch (error) {
    if (run === running) fail(error);
  }
}

/** Play what was spoken, from a sample on. */
function again(from = 0) {
  stop();
  const run = running = new AbortController();
  transcript.rewind();
  const audible = player.begin(spoken.rate);
  show("speaking", "Playing again");
  audible.then(async () => {
    if (run !== running) return;
    let skipped = 0;
    for (const piece of spoken.pieces) {
      const rest = piece.subarray(Math.min(Math.max(from - skipped, 0), piece.length));
      if (rest.length) player.push(rest);
      skipped += piece.length;
    }
    player.close();
    animate(run, from);
    await player.finished;
    if (run === running) end("Played again");
  });
}

/** Stop playback, and the server's work. */
function stop() {
  if (!running) return;
  running.abort();
  running = null;
  player.stop();
  transcript.unmark();
  if (document.activeElement === $("stop")) $("speak").focus(); // a disabled button would lose it
  show("stopped", "Stopped");
}

function end(status) {
  running = null;
  transcript.show(Infinity);
  waveform.draw(Infinity);
  showClock(total());
  show("done", status);
}

function fail(error) {
  running = null;
  player.stop();
  $("transcript").hidden = spoken.pieces.length === 0;
  const known = error instanceof SpeechError;
  $("alert").textContent = known ? named(error.message) : `The server can't be reached (${error.message}).`;
  show("failed", "");
  if (!known || [401, 404, 503].includes(error.status)) loadVoices(); // the list is out of date
  const field = known && { input: "text", seed: "seed", steps: "steps", voice: "voice" }[error.param];
  if (!field) return;
  if (field === "seed" || field === "steps") $("more").open = true;
  $(field).setAttribute("aria-invalid", "true");
  $(field).focus();
}

/** A message of the API, in the words of this page. */
function named(message) {
  const labels = { input: "Text", steps: "Steps", seed: "Seed", voice: "Voice", speed: "Speed", pitch_semitones: "Pitch", dictionary: "Pronunciation" };
  return message.replace(/^(\w+): /, (all, name) => (name in labels ? `${labels[name]}: ` : all));
}

function animate(run, from = 0) {
  const frame = () => {
    if (run !== running) return;
    const heard = from + player.heard();
    waveform.draw(heard);
    transcript.show(heard / spoken.rate);
    showClock(heard);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function show(state, status) {
  const busy = state === "waiting" || state === "speaking";
  document.body.dataset.state = state;
  $("status").textContent = status;
  $("stop").disabled = !busy;
  $("again").disabled = busy || !spoken?.pieces.length;
  allowSaving();
  if (!busy && spoken?.pieces.length) seekable(true);
  if (state === "failed") {
    $("alert").hidden = false;
  } else {
    $("alert").hidden = true;
    document.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  }
}

/** What has arrived can be saved: all of it while it is still playing, or the part before a stop. */
function allowSaving() {
  const arrived = spoken?.pieces.length && (spoken.complete || running === null);
  for (const id of ["download", "download-mp3"]) $(id).disabled = !arrived;
}

function request(voice) {
  const text = $("text").value;
  return {
    model: "dlpo",
    input: text,
    voice: voice.id,
    sample_rate: voice.sample_rate,
    steps: Number($("steps").value),
    speed: Number($("speed").value),
    pitch_semitones: Number($("pitch").value),
    seed: Number($("seed").value),
    dictionary: dictionary(),
  };
}

const fileName = (ending) => `dlpo-${spoken.voice}-${spoken.seed}.${ending}`;

/** The same speech again, as the server encodes it. */
async function downloadMp3() {
  $("status").textContent = "Encoding";
  try {
    save(await file(spoken.request, "mp3", $("token").value), fileName("mp3"));
    $("status").textContent = "Saved as MP3";
  } catch (error) {
    fail(error);
  }
}

/** Play a text other than the page's; returns an error message, or "". */
async function hear(input, changes = {}) {
  stop();
  const voice = chosenVoice(), side = new Player();
  try {
    const audible = side.begin(voice.sample_rate);
    const asked = { ...request(voice), input, ...changes };
    for await (const event of speak(asked, $("token").value)) {
      if (event.type !== "speech.audio") continue;
      await audible;
      const pcm = decode(event.audio);
      if (pcm.length) side.push(pcm);
    }
    side.close();
    return "";
  } catch (error) {
    return named(error.message);
  }
}

/** The waveform is a slider once there is something to play. */
function seekable(can) {
  $("waveform").setAttribute("aria-disabled", String(!can));
  if (can) $("waveform").setAttribute("aria-valuemax", (total() / spoken.rate).toFixed(1));
}

const canSeek = () => $("waveform").getAttribute("aria-disabled") === "false";

let shownWord = null; // of the dialog: {word, start, phonemes}

function showWord(element) {
  const words = transcript.at(element);
  if (!words.length) return;
  shownWord = words[0];
  $("word-title").textContent = words.map((one) => one.word).join(" ");
  const single = words.length === 1; // "$5" has no pronunciation of its own
  for (const id of ["word-edit", "word-save", "word-hear", "word-forget"]) $(id).hidden = !single;
  $("word-forget").hidden ||= !(shownWord.word in dictionary());
  $("phonemes").value = shownWord.phonemes;
  $("word-note").textContent = "";
  $("word").showModal();
}

async function hearWord() {
  const { word } = shownWord;
  $("word-note").textContent = await hear(word, { dictionary: { [word]: $("phonemes").value } });
  return $("word-note").textContent === "";
}

async function saveWord() {
  const { word } = shownWord;
  if (!(await hearWord())) return;
  remember(word, $("phonemes").value);
  $("word").close();
  say();
}

async function loadVoices() {
  clearTimeout(retry);
  try {
    [offered, characters] = await Promise.all([voices($("token").value), about()]);
  } catch (error) {
    const refused = error.status === 401;
    document.body.dataset.server = "away";
    $("server").textContent = refused ? "token required" : "not ready";
    if (refused) $("token-field").hidden = false;
    else retry = setTimeout(loadVoices, RETRY_MS);
    return;
  }
  const chosen = $("voice").value;
  $("voice").replaceChildren(...offered.map((voice) => new Option(described(voice), voice.id)));
  if (offered.some((voice) => voice.id === chosen)) $("voice").value = chosen;
  if (!chosen) useLink();
  $("voice-field").hidden = offered.length < 2;
  $("sample").disabled = false;
  document.body.dataset.server = "ready";
  $("server").textContent = "ready";
  showVoice();
}

/** "heart: woman, warm, even", with the language where there are several. */
function described(voice) {
  const languages = new Set(offered.map((one) => one.language));
  const parts = [characters[voice.id], languages.size > 1 || !characters[voice.id] ? voice.language : ""];
  return `${voice.id}: ${parts.filter(Boolean).join(", ")}`;
}

/** Adapt the controls to what the chosen voice supports. */
function showVoice() {
  const voice = chosenVoice();
  const steps = $("steps").value || voice.default_steps;
  $("steps").replaceChildren(...voice.steps.map((count) => new Option(
    count === voice.default_steps ? `${count} (default)` : count, count)));
  $("steps").value = voice.steps.includes(Number(steps)) ? steps : voice.default_steps;
  for (const [id, range] of [["speed", voice.speed], ["pitch", voice.pitch_semitones]]) {
    $(id).min = range.min;
    $(id).max = range.max;
  }
  $("about").textContent = `Voice ${voice.id}: ${voice.sample_rate.toLocaleString("en")} Hz, ${voice.licence}`;
  showValues();
}

function showValues() {
  const pitch = Number($("pitch").value);
  $("speed-value").textContent = `${Number($("speed").value).toFixed(2)} ×`;
  $("pitch-value").textContent = `${pitch > 0 ? "+" : ""}${pitch} semitones`;
  $("pitch").setAttribute("aria-valuetext", `${pitch} semitones`);
  $("speed").setAttribute("aria-valuetext", `${$("speed").value} times`);
  $("speak").disabled = !offered.length || !$("text").value.trim();
  $("characters").textContent = `${Array.from($("text").value).length} characters`;
}

function chip(label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", act);
  return button;
}

/** Set the controls from the address, except a voice that the server lacks. */
function useLink() {
  const given = fromLink();
  if (!offered.some((voice) => voice.id === given.voice)) delete given.voice;
  if (given.voice) $("voice").value = given.voice;
  showVoice();
  for (const [id, value] of Object.entries(given)) $(id).value = value;
  if (!$("steps").value) $("steps").value = chosenVoice().default_steps;
}

function showLength(samples) {
  $("length").textContent = (samples / spoken.rate).toFixed(1);
  $("length").dataset.samples = samples;
}

function showClock(heard) {
  $("waveform").setAttribute("aria-valuenow", (heard / spoken.rate).toFixed(1));
  $("clock").textContent = `${(heard / spoken.rate).toFixed(1)} of ${seconds(total())}`;
}

function clearFigures() {
  for (const id of ["first-audio", "faster", "rtf", "length", "underruns"]) $(id).textContent = "";
  $("clock").textContent = "";
}

async function copied(text, what) {
  try {
    await copy(text);
    $("status").textContent = `Copied as ${what}`;
  } catch (error) {
    $("status").textContent = `The browser blocked copying (${error.message})`;
  }
}

const controls = () => Object.fromEntries(
  ["text", "voice", "steps", "speed", "pitch", "seed"].map((id) => [id, $(id).value]));
const chosenVoice = () => offered.find((voice) => voice.id === $("voice").value) ?? offered[0];
const total = () => spoken.pieces.reduce((sum, piece) => sum + piece.length, 0);
const seconds = (samples) => `${(samples / spoken.rate).toFixed(1)} s`;

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (offered.length) say();
});
$("stop").addEventListener("click", stop);
$("again").addEventListener("click", () => again());
$("download").addEventListener("click", () => save(wavFile(spoken.pieces, spoken.rate), fileName("wav")));
$("download-mp3").addEventListener("click", downloadMp3);
$("sample").addEventListener("click", async () => { $("status").textContent = await hear(SAMPLE); });
$("waveform").addEventListener("click", (event) => {
  const box = $("waveform").getBoundingClientRect();
  if (canSeek()) again(waveform.sampleAt((event.clientX - box.left) / box.width));
});
$("waveform").addEventListener("keydown", (event) => {
  const seconds = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (!seconds || !spoken?.pieces.length || document.body.dataset.state === "waiting") return;
  event.preventDefault();
  const now = Number($("waveform").getAttribute("aria-valuenow")) * spoken.rate;
  if (running === null || canSeek()) again(Math.min(Math.max(Math.round(now + seconds * spoken.rate), 0), total()));
});
$("transcript").addEventListener("click", (event) => {
  if (canSeek() && event.target.classList.contains("word")) showWord(event.target);
});
$("transcript").addEventListener("keydown", (event) => {
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (direction) transcript.step(direction);
  else if (event.key !== "Enter" || event.ctrlKey || event.metaKey || !canSeek()) return;
  else showWord(event.target);
  event.preventDefault();
});
$("phonemes").addEventListener("keydown", (event) => { if (event.key === "Enter") hearWord(); });
$("word-from").addEventListener("click", () => { $("word").close(); again(Math.round(shownWord.start * spoken.rate)); });
$("word-hear").addEventListener("click", hearWord);
$("word-save").addEventListener("click", saveWord);
$("word-forget").addEventListener("click", () => { remember(shownWord.word, null); $("word").close(); say(); });
$("word-close").addEventListener("click", () => $("word").close());
$("examples").append(...Object.entries(EXAMPLES).map(([label, text]) =>
  chip(label, () => { $("text").value = text; showValues(); say(); })));
$("examples").append(chip("Open a text file", () => $("file").click()));
acceptFiles($("form"), $("file"), $("text").maxLength, (text, note) => {
  if (text !== null) $("text").value = text;
  $("status").textContent = note;
  showValues();
  $("text").focus();
});
$("copy").append(...Object.entries(SNIPPETS).map(([label, make]) =>
  chip(label, () => copied(make(request(chosenVoice()), chosenVoice(), $("token").value), label))));
$("copy").append(chip("Link", () => copied(link(controls()), "a link")));
$("shuffle").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 2 ** 32); });
$("voice").addEventListener("change", showVoice);
$("token").addEventListener("change", loadVoices);
$("form").addEventListener("input", showValues);
for (const touch of ["pointerdown", "keydown"]) { // the first sign that the user will listen
  document.addEventListener(touch, () => { if (offered.length) player.prepare(chosenVoice().sample_rate); });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") stop();
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (offered.length) say();
});

showValues();
waveform.draw();
loadVoices();
