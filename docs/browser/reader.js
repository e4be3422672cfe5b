// The Python of every other dlpo, in WebAssembly (Pyodide).
import { loadPyodide } from "./vendor/pyodide.mjs";
import { answer } from "./thread.js";

const START = "import sys; sys.path.insert(0, '/dlpo'); import reader; reader.open_reader('/dlpo')";
const file = (/** @type {string} */ name) => new URL(`./${name}`, import.meta.url);
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
    const archive = fetch(file("text.zip")).then((reply) => reply.arrayBuffer());
    const pyodide = await loadPyodide({ indexURL: file("vendor/").href });
    pyodide.unpackArchive(await archive, "zip", { extractDir: "/dlpo" });
    python = pyodide.runPython(START);
    yield undefined;
  },
  ...Object.fromEntries(["read", "begin", "push", "end"].map((name) => [name, method(name)])),
});
