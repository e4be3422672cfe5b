// Text from a file that is dropped on the page, or chosen.

/**
 * @param {Element} target where files may be dropped
 * @param {HTMLInputElement} input of type file
 * @param {number} most characters that are kept
 * @param {(text: string|null, note: string) => void} take called with the text, null if the file
 *   has none, and what to say of it
 */
export function acceptFiles(target, input, most, take) {
  const read = async (file) => {
    if (!file) return;
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch {
      take(null, `${file.name} is not a text file in UTF-8; open one that ends in .txt or .md`);
      return;
    }
    const cut = text.length > most;
    take(text.slice(0, most), cut ? `${file.name}: the first ${most} of ${text.length} characters` : file.name);
  };
  target.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  target.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  });
  input.addEventListener("change", () => {
    read(input.files[0]);
    input.value = "";
  });
}
