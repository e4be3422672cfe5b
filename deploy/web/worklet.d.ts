// The scope of an AudioWorklet, which TypeScript's own libraries lack.

declare class AudioWorkletProcessor {
  port: MessagePort;
}
declare function registerProcessor(name: string, processor: unknown): void;
