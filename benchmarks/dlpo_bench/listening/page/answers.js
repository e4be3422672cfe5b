// The answers of one sitting: kept in this browser, and sent to the server that the page came from.
"use strict";

const FIRST_WAIT_MS = 1000; // after which an answer is sent again; doubled each time
const LONGEST_WAIT_MS = 30000;
const REPLY_MS = 15000;
const NOBODY_TAKES_ANSWERS = [404, 405, 501]; // the page lies on a server for files

class Answers {
  // onChange() is called whenever something was kept, sent or refused.
  constructor(test, onChange) {
    this.place = `dlpo-listen:${test}`;
    this.test = test;
    this.onChange = onChange;
    this.isServed = location.protocol.startsWith("http");
    this.isKept = true; // false where the browser stores nothing
    this.trouble = ""; // why answers could not be sent, the last time
    this.wait = FIRST_WAIT_MS;
    this.state = this.load() ?? {
      session: Array.from(crypto.getRandomValues(new Uint8Array(16)),
        (byte) => byte.toString(16).padStart(2, "0")).join(""),
      rater: "", at: 0, answers: {},
    };
    addEventListener("online", () => this.send());
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

  get unsent() {
    return this.all.filter((answer) => !answer.sent && !answer.refused);
  }

  get refused() {
    return this.all.filter((answer) => answer.refused);
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
    this.send();
  }

  line({ sent, refused, ...answer }) {
    const { session, rater } = this.state;
    return JSON.stringify({ test: this.test, session, rater, ...answer });
  }

  // One after the other, until all are acknowledged; tries again after a while where that fails.
  async send() {
    if (!this.isServed || this.isSending) return;
    this.isSending = true;
    clearTimeout(this.timer);
    try {
      for (let answer; this.isServed && (answer = this.unsent[0]);) await this.post(answer);
      this.trouble = "";
    } catch (error) {
      this.trouble = error.message;
      this.timer = setTimeout(() => this.send(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    }
    this.isSending = false;
    this.onChange();
  }

  async post(answer) {
    let reply;
    try {
      reply = await fetch("answers", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: this.line(answer),
        signal: AbortSignal.timeout(REPLY_MS),
      });
    } catch {
      throw new Error("the server can't be reached");
    }
    if (NOBODY_TAKES_ANSWERS.includes(reply.status)) {
      this.isServed = false;
      return;
    }
    const { error } = await reply.json().catch(() => ({}));
    if (!reply.ok && (reply.status >= 500 || [408, 429].includes(reply.status))) {
      throw new Error(error ?? `the server says ${reply.status}`);
    }
    this.wait = FIRST_WAIT_MS;
    this.update((state) => {
      const now = state.answers[answer.trial];
      if (now.revision !== answer.revision) return; // changed while this one was on its way
      if (reply.ok) now.sent = true;
      else now.refused = error ?? `${reply.status}`;
    });
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
    setTimeout(() => URL.revokeObjectURL(link.href), LONGEST_WAIT_MS);
  }
}
