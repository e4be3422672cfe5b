// The Python of every other dlpo, in WebAssembly (Pyodide).
import { loadPyodide } from "./vendor/pyodide.mjs";
import { answer } from "./thread.js";

const fetched = (/** @type {string} */ name) => fetch(new URL(name, import.meta.url));
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
    const [archive, packed] = await Promise.all(["text.zip", "vendor/python.snapshot"].map(fetched));
    const memory = new Response(packed.body?.pipeThrough(new DecompressionStream("gzip")));
    const _loadSnapshot = new Uint8Array(await memory.arrayBuffer()); // of Python, with reader.py imported
    const pyodide = await loadPyodide({ indexURL: new URL("vendor/", import.meta.url).href, _loadSnapshot });
    pyodide.unpackArchive(await archive.arrayBuffer(), "zip", { extractDir: "/dlpo" });
    python = pyodide.runPython("import reader; reader.open_reader('/dlpo')");
    yield undefined;
  },
  ...Object.fromEntries(["read", "begin", "push", "end"].map((name) => [name, method(name)])),
});
