// Async generators of another thread: their values come one by one, a few are made ahead.

const AHEAD = 3;

/** A worker whose functions can be called. */
export class Thread {
  /** @param {URL} url a module that calls `answer` */
  constructor(url) {
    this.worker = new Worker(url, { type: "module" });
    this.broken = new Promise((_, reject) => {
      this.worker.onerror = ({ message }) => reject(new Error(message ?? `${url} can't be loaded`));
    });
    this.broken.catch(() => {}); // each call reports it
  }

  /** @param {string} name of the function @param {...any} values @returns {AsyncGenerator<any, void, void>} */
  async *call(name, ...values) {
    const { port1: port, port2 } = new MessageChannel();
    const waiting = /** @type {((reply: any) => void)[]} */ ([]);
    port.onmessage = ({ data }) => waiting.shift()?.(data);
    const next = () => {
      port.postMessage("next");
      return new Promise((resolve) => waiting.push(resolve));
    };
    this.worker.postMessage({ name, values }, [port2]);
    const asked = Array.from({ length: AHEAD }, next);
    try {
      for (;;) {
        const { value, done, error } = await Promise.race([asked.shift(), this.broken]);
        if (error) throw Object.assign(new Error(error.message), { name: error.name });
        if (done) return;
        asked.push(next());
        yield value;
      }
    } finally {
      port.postMessage("return");
      port.close();
    }
  }

  /** The first value of a call. @param {string} name @param {...any} values */
  async value(name, ...values) {
    for await (const value of this.call(name, ...values)) return value;
  }
}

/** In a worker: answer a `Thread`. @param {Record<string, (...values: any[]) => AsyncGenerator>} functions */
export function answer(functions) {
  globalThis.onmessage = ({ data: { name, values }, ports: [port] }) => {
    const made = functions[name](...values);
    port.onmessage = (/** @type {MessageEvent<"next" | "return">} */ { data: verb }) =>
      made[verb](undefined).then(
        (reply) => port.postMessage(reply),
        ({ name, message }) => port.postMessage({ error: { name, message } }),
      );
  };
}
