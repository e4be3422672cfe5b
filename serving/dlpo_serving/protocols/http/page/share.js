// What a reader can copy: a link to this page, and the request as a command or a program.

const USUAL = { steps: null, speed: 1, pitch_semitones: 0, seed: 0 };
const KEPT = ["text", "voice", "steps", "speed", "pitch", "seed"]; // controls that a link sets

/** Values of the controls that the address names. */
export function fromLink() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEPT.filter((id) => given.has(id)).map((id) => [id, given.get(id)]));
}

/** The address of this page with these controls. */
export function link(controls) {
  const kept = new URLSearchParams(KEPT.map((id) => [id, controls[id]]));
  return `${location.origin}${location.pathname}#${kept}`;
}

/** The body of the request, without what is at its default. */
function body(request, voice) {
  const { model, input, voice: name, dictionary = {}, ...rest } = request;
  const usual = { ...USUAL, steps: voice.default_steps };
  const kept = Object.entries(rest).filter(([key, value]) => key in usual && value !== usual[key]);
  if (Object.keys(dictionary).length > 0) kept.push(["dictionary", dictionary]);
  return { main: { model, voice: name, input }, extra: Object.fromEntries(kept) };
}

const address = () => new URL("v1", location.href.split("#")[0]).href;

export const SNIPPETS = {
  curl(request, voice, token) {
    const { main, extra } = body(request, voice);
    const json = JSON.stringify({ ...main, ...extra, response_format: "mp3" });
    const key = token ? ` \\\n  -H "Authorization: Bearer $DLPO_TOKEN"` : "";
    return `curl -s ${address()}/audio/speech -H 'Content-Type: application/json'${key} \\
  -d '${json.replaceAll("'", "'\\''")}' -o speech.mp3`;
  },

  Python(request, voice, token) {
    const { main, extra } = body(request, voice);
    const more = Object.keys(extra).length > 0 ? `\n    extra_body=${JSON.stringify(extra)},` : "";
    return `${token ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url="${address()}", api_key=${token ? 'os.environ["DLPO_TOKEN"]' : '"unused"'})
speech = client.audio.speech.create(
    model="dlpo",
    voice=${JSON.stringify(main.voice)},
    input=${JSON.stringify(main.input)},${more}
)
speech.write_to_file("speech.mp3")`;
  },

  JavaScript(request, voice, token) {
    const { main, extra } = body(request, voice);
    const key = token ? ", Authorization: `Bearer ${token}`" : "";
    return `const reply = await fetch("${address()}/audio/speech", {
  method: "POST",
  headers: { "Content-Type": "application/json"${key} },
  body: JSON.stringify(${JSON.stringify({ ...main, ...extra, response_format: "mp3" })}),
});
new Audio(URL.createObjectURL(await reply.blob())).play();`;
  },
};

/** Put a text on the clipboard; without TLS, browsers offer only the old API. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.body.appendChild(document.createElement("textarea"));
  field.value = text;
  field.select();
  document.execCommand("copy");
  field.remove();
}

export function save(blob, name) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href));
}
