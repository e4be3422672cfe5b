// The answers of one sitting: kept in this browser, and handed over as a file or a link.
"use strict";

const DOWNLOAD_MS = 30000; // after which a saved file's address is released

class Answers {
  // onChange() is called whenever something was kept.
  constructor(test, onChange) {
    this.place = `dlpo-listen:${test}`;
    this.test = test;
    this.onChange = onChange;
    this.isKept = true; // false where the browser stores nothing
    this.state = this.load() ?? {
      session: Array.from(crypto.getRandomValues(new Uint8Array(16)),
        (byte) => byte.toString(16).padStart(2, "0")).join(""),
      rater: "", at: 0, answers: {},
    };
  }

  load() {
    try {
      const state = JSON.parse(localStorage.getItem(this.place));
      const isSound = /^[0-9a-f]{32}$/.test(state?.session) && state.answers && state.at >= 0;
      return isSound ? state : null;
    } catch {
      return null; // nothing can be stored, or it was damaged
    }
  }

  // What another tab has stored since is kept.
  update(change) {
    this.state = (this.isKept && this.load()) || this.state;
    change(this.state);
    try {
      localStorage.setItem(this.place, JSON.stringify(this.state));
      this.isKept = true;
    } catch {
      this.isKept = false;
    }
    this.onChange();
  }

  of(trial) {
    return this.state.answers[trial];
  }

  get all() {
    return Object.values(this.state.answers);
  }

  choose(trial, first, choice, plays) {
    this.update((state) => {
      const known = state.answers[trial];
      if (known?.choice === choice) return;
      state.answers[trial] = {
        trial, first, choice,
        revision: (known?.revision ?? 0) + 1,
        plays_first: plays.first,
        plays_second: plays.second,
        utc: new Date().toISOString(),
      };
    });
  }

  line(answer) {
    const { session, rater } = this.state;
    return JSON.stringify({ test: this.test, session, rater, ...answer });
  }

  get lines() {
    return this.all.map((answer) => `${this.line(answer)}\n`);
  }

  // The same lines in an address, which fits into a mail or a comment: base64 of them, deflated.
  async asLink() {
    const packed = new Blob(this.lines).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
    const text = btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_");
    const page = location.protocol.startsWith("http") ? location.href.replace(/#.*/, "") : "";
    return `${page}#answers=${text.replace(/=+$/, "")}`;
  }

  // JSON lines, for who made the test.
  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(this.lines, { type: "application/jsonl" }));
    link.download = `answers-${this.test}-${this.state.session.slice(0, 8)}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
  }
}
