// The Python of every other dlpo, in WebAssembly (Pyodide): its memory, once reader.py was imported.
import { loadPyodide } from "./vendor/pyodide.mjs";
import { answer } from "./thread.js";

const at = (/** @type {string} */ name) => new URL(name, import.meta.url);
let python = /** @type {any} */ (undefined);

/** A method of reader.py. @param {string} name */
function method(name) {
  return async function* (/** @type {unknown[]} */ ...values) {
    const { error, value } = JSON.parse(python.call(name, JSON.stringify(values)));
    if (error) throw Object.assign(new Error(error), { name: "RequestError" });
    yield value;
  };
}

answer({
  async *load() {
    const [archive, packed] = await Promise.all([fetch(at("text.zip")), fetch(at("vendor/python.snapshot"))]);
    const memory = await new Response(packed.body?.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
    const pyodide = await loadPyodide({ indexURL: at("vendor/").href, _loadSnapshot: new Uint8Array(memory) });
    pyodide.unpackArchive(await archive.arrayBuffer(), "zip", { extractDir: "/dlpo" });
    python = pyodide.runPython("import reader; reader.open_reader('/dlpo')");
    yield undefined;
  },
  ...Object.fromEntries(["read", "begin", "push", "end"].map((name) => [name, method(name)])),
});
