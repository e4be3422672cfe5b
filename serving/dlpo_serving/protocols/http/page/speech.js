// One utterance from the server: our own events, one JSON object per line, as they arrive.

export class SpeechError extends Error {
  /** @param {{message: string, param?: string|null}} error OpenAI's error object */
  constructor(error, status = 0) {
    super(error.message);
    this.param = error.param ?? null;
    this.status = status;
  }
}

/** The voices of the server, the default one first. */
export async function voices(token) {
  const response = await fetch("v1/voices", { headers: authorization(token) });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()).data;
}

/** Who speaks and how it sounds, by the name of a voice that came with the server. */
export async function about() {
  const response = await fetch("page/about.json");
  return response.ok ? response.json() : {};
}

/**
 * Events of one utterance: speech.info, then speech.audio repeatedly, then speech.done.
 * Aborting `signal` ends the server's work.
 */
export async function* speak(request, token, signal) {
  const response = await fetch("v1/audio/speech", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization(token) },
    body: JSON.stringify({ ...request, response_format: "pcm", stream_format: "dlpo" }),
    signal,
  });
  if (!response.ok) throw await errorOf(response);
  let last = "";
  for await (const event of lines(response.body)) {
    if (event.type === "error") throw new SpeechError(event.error);
    last = event.type;
    yield event;
  }
  if (last !== "speech.done") throw new SpeechError({ message: "The stream was cut off; try again." });
}

/** The whole speech as a file of a format such as "mp3". */
export async function file(request, format, token) {
  const { sample_rate, ...rest } = request; // MP3 has rates of its own
  const response = await fetch("v1/audio/speech", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization(token) },
    body: JSON.stringify({ ...rest, response_format: format }),
  });
  if (!response.ok) throw await errorOf(response);
  return response.blob();
}

/** Base64 of 16 bit little-endian samples -> Int16Array; browsers run only on such machines. */
export function decode(audio) {
  const characters = atob(audio);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return new Int16Array(bytes.buffer);
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

async function errorOf(response) {
  let error = { message: `The server answered ${response.status} ${response.statusText}.` };
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    error = (await response.json()).error ?? error;
  }
  return new SpeechError(error, response.status);
}

function authorization(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}
