import * as ort from "./vendor/ort.wasm.min.mjs";
import { Engine } from "./stream.js";
import { answer } from "./thread.js";

let engine = /** @type {Engine | undefined} */ (undefined);

/** @param {string} name */
async function read(name) {
  const reply = await fetch(new URL(`./voice/${name}`, import.meta.url));
  if (!reply.ok) throw new Error(`${name}: ${reply.status} ${reply.statusText}`);
  return reply.arrayBuffer();
}

answer({
  async *load(/** @type {number} */ threads) {
    ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    engine = await Engine.load(ort, read);
    yield engine.host;
    for await (const _ of engine.speak(engine.host.warmUp)); // the first run of everything is slow
  },
  speak: (...given) => /** @type {any} */ (engine).speak(...given),
});
