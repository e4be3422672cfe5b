// The text as typed, with marks on the word being spoken and on what is not spoken.

const AUDIBLE = /[\p{L}\p{N}\p{Extended_Pictographic}]/u; // what a reader expects to hear
const SILENT = /^([^\p{L}\p{N}\p{Extended_Pictographic}<]*)([^]*?)([^\p{L}\p{N}\p{Extended_Pictographic}\p{M}>]*)$/u;
const TAG = /<[^>]*>/g; // of SSML

export class Transcript {
  #box;
  #points = []; // characters as the server counts them: code points, not UTF-16 units
  #done = 0; // code points that lie before the tail
  #tail = null; // the text whose words have not come yet
  #words = []; // {element, start, stop, word, phonemes}, seconds
  #now = -1; // index of the word that sounded last; -1 before the first
  #marked = null; // its element, while it sounds

  constructor(box) {
    this.#box = box;
  }

  begin(text) {
    this.#points = Array.from(text);
    this.#done = 0;
    this.#words = [];
    this.#now = -1;
    this.#marked = null;
    this.#tail = document.createTextNode(text);
    this.#box.replaceChildren(this.#tail);
    this.#box.scrollTop = 0;
    this.#box.hidden = false;
  }

  /** Words of the server, in the order in which they are spoken. */
  add(words) {
    for (const word of words) {
      const isNew = word.start_character >= this.#done; // "$5" is two words in one place
      const element = isNew
        ? this.#append(word.start_character, word.stop_character)
        : this.#words.at(-1).element;
      this.#words.push({
        element, start: word.start_s, stop: word.stop_s, word: word.word,
        phonemes: word.phonemes.map((one) => one.phoneme).join(" "),
      });
    }
    this.#tail.data = this.#points.slice(this.#done).join("");
  }

  /** No more words come: what is left of the text is not spoken. */
  finish() {
    this.#tail.before(...this.#silent(this.#points.slice(this.#done).join("")));
    this.#tail.data = "";
    this.#done = this.#points.length;
  }

  /** Mark the word spoken at this time. */
  show(seconds) {
    let now = this.#now;
    while (now + 1 < this.#words.length && this.#words[now + 1].start <= seconds) now += 1;
    for (let i = this.#now + 1; i <= now; i++) this.#words[i].element.classList.add("said");
    this.#now = now;
    const word = this.#words[now];
    this.#mark(word && seconds < word.stop ? word.element : null);
  }

  /** The words that an element of the text is spoken as. */
  at(element) {
    return this.#words.filter((word) => word.element === element);
  }

  /** Move the focus to the next element in a direction, 1 or -1. */
  step(direction) {
    const elements = [...this.#box.querySelectorAll(".word")];
    const now = elements.indexOf(document.activeElement);
    elements.at(now < 0 && direction < 0 ? -1 : Math.min(Math.max(now + direction, 0), elements.length - 1))?.focus();
  }

  /** Unmark the word: nothing is being spoken. */
  unmark() {
    this.#mark(null);
  }

  /** Go back to before the first word. */
  rewind() {
    for (const { element } of this.#words) element.classList.remove("said");
    this.#now = -1;
    this.#mark(null);
  }

  #append(start, stop) {
    const element = document.createElement("span");
    element.className = "word";
    element.tabIndex = -1;
    element.textContent = this.#points.slice(start, stop).join("");
    this.#tail.before(...this.#silent(this.#points.slice(this.#done, start).join("")), element);
    this.#done = stop;
    return element;
  }

  /** Text between words: punctuation as it is, from the first to the last else marked as not spoken. */
  #silent(text) {
    if (!AUDIBLE.test(text.replace(TAG, ""))) return [text];
    const [, before, left, after] = SILENT.exec(text);
    const element = document.createElement("s");
    element.title = "not spoken";
    element.textContent = left;
    return [before, element, after];
  }

  #mark(element) {
    if (element === this.#marked) return;
    this.#marked?.removeAttribute("aria-current");
    this.#marked = element;
    if (!element) return;
    element.setAttribute("aria-current", "true");
    const box = this.#box; // scrollIntoView would move the whole page as well
    const below = element.offsetTop + element.offsetHeight > box.scrollTop + box.clientHeight;
    if (below || element.offsetTop < box.scrollTop) box.scrollTop = element.offsetTop - box.clientHeight / 3;
  }
}
