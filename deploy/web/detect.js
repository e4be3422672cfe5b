// The page that says whether dlpo spoke in a file. Nothing is uploaded.

import { RATE } from "./mark.js";
import { Thread } from "./thread.js";

const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const detector = new Thread(new URL("./detector.js", import.meta.url));

/** @param {import("./mark.js").Detection} found */
function said({ marked, z, chance, message, places }) {
  if (marked === null) return "Too short to say; half a second or more is needed.";
  const strength = `z ${z.toFixed(1)}; by chance one in 10^${Math.round(-chance)} at most`;
  if (!marked) return `No mark was found (${strength}). That proves nothing: it may have been removed.`;
  const where = places.map(({ start_s, stop_s }) => `${start_s.toFixed(1)} to ${stop_s.toFixed(1)} s`);
  return `dlpo spoke here (${strength}). Message ${message ?? "unreadable"}; at ${where.join(", ")}.`;
}

/** @param {ArrayBuffer} content of a file */
async function samplesOf(content) {
  const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(content); // at RATE
  const mixed = new Float32Array(audio.length);
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    audio.getChannelData(channel).forEach((value, n) => (mixed[n] += value / audio.numberOfChannels));
  }
  return mixed;
}

$("file").onchange = async () => {
  const [file] = $("file").files;
  if (!file) return;
  document.body.dataset.state = "busy";
  $("found").textContent = `Listening to ${file.name} …`;
  try {
    const samples = await samplesOf(await file.arrayBuffer());
    const found = await detector.value("detect", samples);
    $("found").textContent = said(found);
    document.body.dataset.found = JSON.stringify(found);
  } catch (error) {
    $("found").textContent = `This file can't be read here: ${error instanceof Error ? error.message : error}`;
  }
  document.body.dataset.state = "ready";
};
