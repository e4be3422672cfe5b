// OpenAI's JavaScript package speaks through dlpo, with nothing changed but the address.
//
//   npm install openai
//   dlpo serve --http-port 8080 &
//   node openai_speech.mjs http://127.0.0.1:8080/v1 "Noise becomes speech." speech.mp3

import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import OpenAI from "openai";

const [baseURL, input, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none" });
const reply = await client.audio.speech.create({ model: "gpt-4o-mini-tts", voice: "alloy", input });
await pipeline(Readable.fromWeb(reply.body), createWriteStream(path)); // written while it is made
