import { detect, signsOf } from "./mark.js";

const signs = fetch(new URL("./voice/signs.bin", import.meta.url)).then(async (reply) => {
  if (!reply.ok) throw new Error(`signs.bin: ${reply.status} ${reply.statusText}`);
  return signsOf(await reply.arrayBuffer());
});

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(detect(data, await signs));
  } catch (error) {
    self.postMessage({ error: String(error) });
  }
};
