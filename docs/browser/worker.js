// Speaks in a thread of its own, so that the page stays responsive.
//
// Takes load, stop and {type: "speak", id, sentences, seed, ...options of Voice.speak}; answers with
// ready, {type: "audio", id, samples}, {type: "done", id} and error.

import * as ort from "./vendor/ort.wasm.min.mjs";
import { Voice, gaussian } from "./voice.js";

ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
ort.env.wasm.numThreads = self.crossOriginIsolated ? 2 : 1; // without isolation there is no more
ort.env.logLevel = "error";

let voice;
let current = 0; // a newer request ends the one before it between two pieces

async function read(name) {
  const reply = await fetch(new URL(`./voice/${name}`, import.meta.url));
  if (!reply.ok) throw new Error(`${name}: ${reply.status} ${reply.statusText}`);
  return reply.arrayBuffer();
}

async function speak({ id, sentences, seed, ...options }) {
  const mine = ++current;
  const random = gaussian(seed);
  for (const [index, phonemes] of sentences.entries()) {
    if (index) postMessage({ type: "audio", id, samples: voice.pause() });
    for await (const samples of voice.speak(phonemes, { ...options, random })) {
      await new Promise((resolve) => setTimeout(resolve)); // hear whether it is to stop
      if (mine !== current) return;
      postMessage({ type: "audio", id, samples }, [samples.buffer]);
    }
  }
  postMessage({ type: "done", id });
}

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") {
      voice = await Voice.load(ort, read);
      postMessage({ type: "ready", rate: voice.rate, voices: voice.manifest.voices });
    } else if (data.type === "stop") {
      current++;
    } else {
      await speak(data);
    }
  } catch (error) {
    postMessage({ type: "error", message: String(error?.message ?? error) });
  }
};
