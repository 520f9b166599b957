// A number in handwriting: each digit is drawn, and its outline set beside the last one, as ink on paper.
import { announce, byId, save } from "./dom.js";
import { outline } from "./outline.js";
import { patiently, tell } from "./status.js";
import { numberName } from "./words.js";

const ALLOWED = /[^\d .\-/+():,]/g; // what is none of these cannot be written
const MOST = 24; // characters
const HEIGHT = 36, BASE = 24, MARGIN = 5, GAP = 2.4, PEN = 2.2; // a digit is 28 wide and high
const INK = "#1d2b53", PAPER = "#ffffff";
const LINE = `fill="none" stroke="${INK}" stroke-width="${PEN}" stroke-linecap="round"`;
const AREA = `fill="${INK}" fill-rule="evenodd"`;
const PNG_SCALE = 12;
const SAVERS = ["save-svg", "save-number"]; // buttons
const STILL = 150; // ms without a key before it is written
// Strokes of what is no digit, and how wide it is
const SIGNS = {
  " ": ["", 8], ".": ["M1.5 23.2h.3", 3], ",": ["M2.4 22.6q.4 2.4-1.4 4", 3.4], ":": ["M2 13h.2M1.6 22.4h.2", 3.4],
  "-": ["M.6 15.2q4-.9 7.6-.4", 8.6], "+": ["M.6 15.6q4.6-.8 9-.4M5.4 11q-.5 4.4-.3 9", 10],
  "/": ["M.8 25.4Q4.6 14 8.4 4.4", 9], "(": ["M5 3.4Q-1.6 14.4 4.4 26", 5.4], ")": ["M1 3.4Q7.2 13.6.6 26", 5.4],
};

/** A text as it is copied from elsewhere, with plain digits, hyphens and spaces for their many relatives. */
const plain = (text) => text.normalize("NFKC").replace(/[\u2010-\u2015\u2212]/g, "-").replace(/\s/g, " ");
const cleaned = (text) => plain(text).replace(ALLOWED, "").slice(0, MOST);

/** Pieces of a text, [{ d, x, stroke }], and their width; `drawn(digit, place)` gives the outline of a digit. */
export function setOut(text, drawn) {
  const pieces = [];
  let x = MARGIN;
  [...text].forEach((letter, place) => {
    if (SIGNS[letter]) {
      const [d, width] = SIGNS[letter];
      if (d) pieces.push({ d, x, stroke: true });
      x += width + GAP;
    } else {
      const { d, left, right } = drawn(Number(letter), place);
      pieces.push({ d, x: x - left, stroke: false });
      x += right - left + GAP;
    }
  });
  return { pieces, width: Math.ceil(x - GAP + MARGIN) };
}

/** The same as an SVG file. */
function asSvg(text, { pieces, width }) {
  const paths = pieces.map(({ d, x, stroke }) => {
    const how = stroke ? LINE : AREA;
    return `<path ${how} transform="translate(${Number(x.toFixed(1))} 4)" d="${d}"/>`;
  });
  const said = `role="img" aria-label="${text}, in handwriting"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" ${said}>`
    + `<rect width="${width}" height="${HEIGHT}" fill="${PAPER}"/>${paths.join("")}</svg>\n`;
}

/** The same as a PNG file. */
function asPng({ pieces, width }) {
  const canvas = new OffscreenCanvas(width * PNG_SCALE, HEIGHT * PNG_SCALE), context = canvas.getContext("2d");
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  Object.assign(context, { fillStyle: INK, strokeStyle: INK, lineWidth: PEN, lineCap: "round" });
  for (const { d, x, stroke } of pieces) {
    context.setTransform(PNG_SCALE, 0, 0, PNG_SCALE, x * PNG_SCALE, 4 * PNG_SCALE);
    if (stroke) context.stroke(new Path2D(d));
    else context.fill(new Path2D(d), "evenodd");
  }
  return canvas.convertToBlob({ type: "image/png" });
}

/**
 * The part of the page that writes numbers in the hand of `state`: `{ show(view), toQuery(query), fromQuery(query) }`.
 * `changed()` is called when another text is typed, or one hand or many are chosen.
 */
export function numbers({ settingsOf, state, engineOf, changed }) {
  const input = byId("text"), hint = byId("text-hint");
  let typed = "", written = null, newest = 0, waiting = null, last = "";

  async function drawn(view, digit, index) {
    const engine = await engineOf(view);
    const { tiles, side } = await engine.draw({ ...view, value: digit, toward: digit, share: 0, index, grid: false });
    return outline(tiles[0][0], side);
  }

  /** The outlines of a text's digits: "digit index" → outline. `indexAt(place)`: which latent writes there. */
  async function outlines(text, view, indexAt, isWanted) {
    const asked = new Map(); // one drawing for all that look the same
    await Promise.all([...text].map(async (letter, place) => {
      const index = indexAt(place), key = `${letter} ${index}`;
      if (SIGNS[letter] || asked.has(key)) return;
      asked.set(key, null);
      asked.set(key, await patiently(() => drawn(view, Number(letter), index), isWanted));
    }));
    return asked;
  }

  async function write() {
    const turn = ++newest, view = state.view, text = input.value.trim(), each = byId("each-hand").checked;
    const isWanted = () => turn === newest, indexAt = (place) => (each ? (view.index + place) % 100 : view.index);
    try {
      const found = await outlines(text, view, indexAt, isWanted);
      if (!isWanted()) return;
      tell(null);
      const whole = setOut(text, (digit, place) => found.get(`${digit} ${indexAt(place)}`));
      show(text, whole, numberName(settingsOf(view), view, text, each));
    } catch (error) {
      if (isWanted()) tell(error, write);
    }
  }

  function show(text, whole, name) {
    written = { text, whole, name };
    byId("paper").innerHTML = text ? asSvg(text, whole) : "";
    for (const id of SAVERS) byId(id).setAttribute("aria-disabled", !text);
    byId("write-part").dataset.state = "ready";
    if (text && !hint.classList.contains("wrong")) announce(`Written: ${text}`);
  }

  function later() {
    byId("write-part").dataset.state = "drawing";
    clearTimeout(waiting);
    waiting = setTimeout(write, STILL);
  }

  input.addEventListener("input", () => {
    const { value, selectionStart } = input, clean = cleaned(value), wrong = clean !== plain(value);
    hint.classList.toggle("wrong", wrong);
    if (wrong) announce(hint.textContent);
    if (clean !== value) {
      const caret = cleaned(value.slice(0, selectionStart)).length;
      input.value = clean;
      input.setSelectionRange(caret, caret);
    }
    if (clean === typed) return;
    typed = clean;
    changed();
    later();
  });
  for (const id of ["one-hand", "each-hand"]) byId(id).addEventListener("change", () => { changed(); later(); });
  byId("save-svg").addEventListener("click", () => {
    if (!written?.text) return;
    save(new Blob([asSvg(written.text, written.whole)], { type: "image/svg+xml" }), `${written.name}.svg`);
  });
  byId("save-number").addEventListener("click", async () => {
    if (written?.text) save(await asPng(written.whole), `${written.name}.png`);
  });

  return {
    /** Write again if the hand is another one. */
    show({ model, moves, truncation, seed, index }) {
      const hand = JSON.stringify([model, moves, truncation, seed, index]);
      if (hand !== last) later();
      last = hand;
    },
    toQuery(query) {
      if (input.value !== input.defaultValue) query.set("text", input.value);
      if (byId("each-hand").checked) query.set("hands", "each");
    },
    fromQuery(query) {
      typed = input.value = cleaned(query.get("text") ?? "") || input.defaultValue;
      byId(query.get("hands") === "each" ? "each-hand" : "one-hand").checked = true;
    },
  };
}
