// Reads text in a thread of its own, with Python in WebAssembly (Pyodide): the same code, lexicon and
// phonemes as on a server.
//
// Takes load and {type: "read", id, text}; answers with ready, {type: "read", id, sentences, warnings},
// {type: "refused", id, message} and error.

import { loadPyodide } from "./vendor/pyodide.mjs";

let read;

async function load() {
  const reply = await fetch(new URL("./text.zip", import.meta.url));
  if (!reply.ok) throw new Error(`text.zip: ${reply.status} ${reply.statusText}`);
  const archive = reply.arrayBuffer();
  const python = await loadPyodide({ indexURL: new URL("./vendor/", import.meta.url).href });
  python.unpackArchive(await archive, "zip", { extractDir: "/dlpo" });
  read = python.runPython('import sys; sys.path.insert(0, "/dlpo"); from reader import read; read');
}

onmessage = async ({ data }) => {
  try {
    if (data.type === "load") {
      await load();
      postMessage({ type: "ready" });
      read("zorp"); // the net for words that no lexicon has is loaded with the first of them
      return;
    }
    const { error, ...made } = JSON.parse(read(data.text));
    if (error === undefined) postMessage({ type: "read", id: data.id, ...made });
    else postMessage({ type: "refused", id: data.id, message: error });
  } catch (error) {
    postMessage({ type: "error", message: String(error?.message ?? error) });
  }
};
