// Pronunciations that the reader has corrected, kept in this browser.

const KEY = "dlpo.dictionary";

/** Word -> ARPAbet phonemes. */
export function dictionary() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // storage is switched off, or holds something else
  }
}

/** Keep a word's phonemes; null forgets them. */
export function remember(word, phonemes) {
  const words = dictionary();
  if (phonemes === null) delete words[word];
  else words[word] = phonemes;
  try {
    localStorage.setItem(KEY, JSON.stringify(words));
  } catch {
    // they are lost with the page
  }
}
