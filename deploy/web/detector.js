import { detect, signsOf } from "./mark.js";
import { answer } from "./thread.js";

const signs = fetch(new URL("./voice/signs.bin", import.meta.url)).then(async (reply) => {
  if (!reply.ok) throw new Error(`signs.bin: ${reply.status} ${reply.statusText}`);
  return signsOf(await reply.arrayBuffer());
});

answer({
  async *detect(/** @type {Float32Array} */ samples) {
    yield detect(samples, await signs);
  },
});
