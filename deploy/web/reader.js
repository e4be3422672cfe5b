// The Python of every other dlpo, in WebAssembly (Pyodide): its memory, once it has read a sentence.
import { loadPyodide } from "./vendor/pyodide.mjs";
import { answer } from "./thread.js";

const at = (/** @type {string} */ name) => new URL(name, import.meta.url);
const archive = fetch(at("text.zip")).then((reply) => reply.arrayBuffer()); // both before `load` is called
const memory = fetch(at("vendor/python.snapshot")).then(({ body }) =>
  new Response(body?.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
let python = /** @type {any} */ (undefined);

answer({
  async *load() {
    const pyodide = await loadPyodide({ indexURL: at("vendor/").href, _loadSnapshot: new Uint8Array(await memory) });
    pyodide.unpackArchive(await archive, "zip", { extractDir: "/dlpo" });
    python = pyodide.globals.get("opened");
  },
  /** A method of reader.py. @param {string} name @param {unknown[]} values */
  async *call(name, ...values) {
    const { error, value } = JSON.parse(python.call(name, JSON.stringify(values)));
    if (error) throw Object.assign(new Error(error), { name: "RequestError" });
    yield value;
  },
});
