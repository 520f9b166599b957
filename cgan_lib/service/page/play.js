// From one class to the other and back: played on the page, and saved as a GIF.
import { byId, save } from "./dom.js";
import { encodeGif, PALETTES } from "./gif.js";
import { enlargedImage, layOut } from "./picture.js";
import { patiently, tell } from "./status.js";
import { fileName } from "./words.js";

const THERE = 2000, TICK = 60; // ms
const STEPS = 5, STEP = 700; // for who wants no motion: so many still pictures, once
const FRAMES = 16, DELAY = 7, HOLD = 60; // of a GIF; hundredths of a second
const LARGEST = 336; // pixels along a side

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const eased = (x) => x * x * (3 - 2 * x);

/** The button that plays: `{ stop() }`. What it changes is the state's `share`; whatever else changes stops it. */
export function player(state) {
  const button = byId("play");
  let timer = null;

  function stop() {
    clearTimeout(timer);
    timer = null;
    button.textContent = "Play";
  }

  function tick(begun, steps) {
    const slow = still(), passed = (performance.now() - begun) / THERE;
    const share = slow ? steps / (STEPS - 1) : eased(1 - Math.abs(1 - (passed % 2)));
    state.change({ share: Number(share.toFixed(2)) }, `play ${begun}`, Infinity); // all of it is undone at once
    const version = state.version;
    if (slow && steps === STEPS - 1) stop();
    else timer = setTimeout(() => (state.version === version ? tick(begun, steps + 1) : stop()), slow ? STEP : TICK);
  }

  button.addEventListener("click", () => {
    if (timer) return stop();
    button.textContent = "Stop";
    tick(performance.now(), 0);
  });
  return { stop };
}

/** A GIF of the way there and back, as a Blob. `drawn(view)` promises a picture; the last argument is of `PALETTES`. */
export async function animation(view, drawn, look, { colours, place }) {
  const there = [];
  for (let n = 0; n < FRAMES; n++) {
    const picture = await drawn({ ...view, share: Number(eased(n / (FRAMES - 1)).toFixed(3)) });
    const layout = layOut(picture, LARGEST);
    there.push({ ...layout, places: flat(picture, layout, look, place), delay: n % (FRAMES - 1) ? DELAY : HOLD });
  }
  const { size } = there[0];
  return new Blob([encodeGif([...there, ...there.slice(1, -1).reverse()], size, size, colours)], { type: "image/gif" });
}

/** The colours of a picture by their places in a palette, row by row. */
function flat({ tiles, side, columns }, { large, gap, size }, look, place) {
  const places = new Uint8Array(size * size).fill(place(0x2a2a2a));
  tiles.forEach((planes, i) => {
    const words = enlargedImage(planes, side, large, look);
    const left = (i % columns) * (large + gap), top = Math.floor(i / columns) * (large + gap);
    for (let p = 0; p < words.length; p++) {
      places[(top + Math.floor(p / large)) * size + left + (p % large)] = place(words[p] & 0xffffff);
    }
  });
  return places;
}

/** The button that saves it; it says "Saving …" meanwhile. */
export function gifSaver({ settingsOf, state, engineOf, look }) {
  const button = byId("save-gif");
  async function saveGif() {
    if (button.ariaDisabled === "true") return;
    const view = state.view, settings = settingsOf(view);
    button.ariaDisabled = "true"; // not disabled, which would lose the focus
    button.textContent = "Saving …";
    try {
      const drawn = (wanted) => patiently(async () => (await engineOf(view)).draw(wanted));
      const gif = await animation(view, drawn, look(), PALETTES[settings.channels === 3 ? "colour" : "grey"]);
      tell(null);
      save(gif, `${fileName(settings, { ...view, share: 1 })}.gif`);
    } catch (error) {
      tell(error, saveGif);
    }
    button.ariaDisabled = "false";
    button.textContent = "Save GIF";
  }

  button.addEventListener("click", saveGif);
}
