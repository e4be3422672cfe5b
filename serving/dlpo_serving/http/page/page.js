// The page: its controls, its state, and one utterance after the other.

import { Player } from "./player.js";
import { SpeechError, decode, speak, voices } from "./speech.js";
import { Transcript } from "./transcript.js";
import { wavFile } from "./wav.js";
import { Waveform } from "./waveform.js";

const RETRY_MS = 2000; // to ask again for the voices of a server that is not ready
const $ = (id) => document.getElementById(id);

const player = new Player();
const waveform = new Waveform($("waveform"));
const transcript = new Transcript($("transcript"));

let offered = []; // voices
let spoken = null; // the last utterance: {pieces, rate, voice, seed, complete}
let retry = 0; // timer of the next loadVoices
let running = null; // AbortController of what is being said

async function say() {
  if (!$("form").reportValidity()) return;
  stop();
  const run = running = new AbortController();
  const begun = performance.now();
  const voice = chosenVoice();
  spoken = { pieces: [], rate: voice.sample_rate, voice: voice.id, seed: $("seed").value };
  clearFigures();
  $("warning").hidden = true;
  show("waiting", "Waiting for the first sound");
  transcript.begin($("text").value);
  waveform.begin(spoken.rate);
  try {
    const audible = player.begin(spoken.rate); // in the handler of the key or the click
    let samples = 0;
    for await (const event of speak(request(voice), $("token").value, run.signal)) {
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
        $("samples").textContent = samples.toLocaleString("en");
        $("underruns").textContent = player.underruns;
      } else if (event.type === "speech.done") {
        const elapsed = (performance.now() - begun) / 1000;
        $("rtf").textContent = (elapsed * spoken.rate / samples).toFixed(3);
        $("samples").textContent = samples.toLocaleString("en");
        $("underruns").textContent = player.underruns;
        transcript.finish();
        waveform.complete();
        player.close();
      }
    }
    await player.finished;
    if (run === running) end(`Spoke ${seconds(samples)}`);
  } catch (error) {
    if (run === running) fail(error);
  }
}

function again() {
  stop();
  const run = running = new AbortController();
  transcript.rewind();
  const audible = player.begin(spoken.rate);
  show("speaking", "Speaking again");
  audible.then(async () => {
    if (run !== running) return;
    for (const piece of spoken.pieces) player.push(piece);
    player.close();
    animate(run);
    await player.finished;
    if (run === running) end("Spoke again");
  });
}

/** Silence, and no more work for the server. */
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
  $("alert").textContent = known ? error.message : `The server can't be reached (${error.message}).`;
  show("failed", "");
  if (!known || [401, 404, 503].includes(error.status)) loadVoices(); // what was offered is so no more
  const field = known && { input: "text", seed: "seed", steps: "steps", voice: "voice" }[error.param];
  if (!field) return;
  $(field).setAttribute("aria-invalid", "true");
  $(field).focus();
}

function animate(run) {
  const frame = () => {
    if (run !== running) return;
    const heard = player.heard();
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
  $("again").disabled = $("download").disabled = busy || !spoken?.pieces.length;
  if (state === "failed") {
    $("alert").hidden = false;
  } else {
    $("alert").hidden = true;
    document.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
  }
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
  };
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(wavFile(spoken.pieces, spoken.rate));
  link.download = `dlpo-${spoken.voice}-${spoken.seed}.wav`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

async function loadVoices() {
  clearTimeout(retry);
  try {
    offered = await voices($("token").value);
  } catch (error) {
    const refused = error.status === 401;
    document.body.dataset.server = "away";
    $("server").textContent = refused ? "asks for a token" : "not ready";
    if (refused) $("token-field").hidden = false;
    else retry = setTimeout(loadVoices, RETRY_MS);
    return;
  }
  const chosen = $("voice").value;
  $("voice").replaceChildren(...offered.map((voice) => new Option(`${voice.id} (${voice.language})`, voice.id)));
  if (offered.some((voice) => voice.id === chosen)) $("voice").value = chosen;
  document.body.dataset.server = "ready";
  $("server").textContent = "ready";
  $("speak").disabled = false;
  showVoice();
}

/** Controls that fit what the chosen voice can do. */
function showVoice() {
  const voice = chosenVoice();
  const steps = $("steps").value || voice.default_steps;
  $("steps").replaceChildren(...voice.steps.map((count) => new Option(
    count === voice.default_steps ? `${count} (usual)` : count, count)));
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
  $("pitch-value").textContent = `${pitch > 0 ? "+" : ""}${pitch} st`;
  $("pitch").setAttribute("aria-valuetext", `${pitch} semitones`);
  $("speed").setAttribute("aria-valuetext", `${$("speed").value} times`);
  $("characters").textContent = `${Array.from($("text").value).length} characters`;
}

function showClock(heard) {
  $("clock").textContent = `${(heard / spoken.rate).toFixed(1)} of ${seconds(total())}`;
}

function clearFigures() {
  for (const id of ["first-audio", "rtf", "samples", "underruns"]) $(id).textContent = "–";
  $("clock").textContent = "";
}

const chosenVoice = () => offered.find((voice) => voice.id === $("voice").value) ?? offered[0];
const total = () => spoken.pieces.reduce((sum, piece) => sum + piece.length, 0);
const seconds = (samples) => `${(samples / spoken.rate).toFixed(1)} s`;

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (offered.length) say();
});
$("stop").addEventListener("click", stop);
$("again").addEventListener("click", again);
$("download").addEventListener("click", download);
$("shuffle").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 2 ** 32); });
$("voice").addEventListener("change", showVoice);
$("token").addEventListener("change", loadVoices);
$("form").addEventListener("input", showValues);
for (const touch of ["pointerdown", "keydown"]) { // the first sign that somebody will listen
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
