// What every part of the page does with the document.

const QUIET = 600; // ms without a change before it is said aloud

export const byId = (id) => document.getElementById(id);

/** A new element with properties, `dataset` and ARIA attributes among them by their names. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

let waiting = null;

/** Let screen readers say a sentence: by the one live region of the page, the last one when several follow quickly. */
export function announce(sentence) {
  clearTimeout(waiting);
  waiting = setTimeout(() => { byId("live").textContent = sentence; }, QUIET);
}

/** Offer a file to save. */
export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** What was remembered of earlier visits; `otherwise` where nothing was, or where the browser keeps nothing. */
export function remembered(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // private windows may refuse; then it holds for this visit
  }
}
