// Draws what the controls say, by an engine (engine.js); `studio.json` says what its generator can draw.
import { openEngine, Trouble } from "./engine.js";

const CANVAS = 1120; // pixels along a side of the picture, or a few less
const OFF = 3; // at this end of the slider, nothing is truncated
const MAX_SEED = 2 ** 31 - 1;
const byId = (id) => document.getElementById(id);

// --- the picture

// How pixels become a larger picture: four neighbours on a line are weighed by a cubic (Mitchell & Netravali 1988, with
// their B and C). For strokes the smoothest one, whose edges are then made crisp again; where greys mean something, the
// authors' own choice. "pixels" shows them as they are.
export const LOOKS = { strokes: { b: 1, c: 0, crisp: true }, greys: { b: 1 / 3, c: 1 / 3 }, pixels: null };
const smoothstep = (x) => x * x * (3 - 2 * x);
const PLAIN = Uint8Array.from({ length: 256 }, (_, grey) => grey);
const CRISP = PLAIN.map((grey) => Math.round(255 * smoothstep(smoothstep(grey / 255))));

function cubic(x, { b, c }) {
  x = Math.abs(x);
  if (x < 1) return ((12 - 9 * b - 6 * c) * x ** 3 + (-18 + 12 * b + 6 * c) * x ** 2 + 6 - 2 * b) / 6;
  return ((-b - 6 * c) * x ** 3 + (6 * b + 30 * c) * x ** 2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6;
}

/** For each pixel of a line enlarged `times`: the places of four neighbours, one after the other, and their weights. */
export function neighbours(side, times, look) {
  const places = new Int32Array(4 * side * times), weights = new Float32Array(4 * side * times);
  for (let i = 0; i < side * times; i++) {
    const at = (i + 0.5) / times - 0.5, first = Math.floor(at) - 1;
    for (let k = 0; k < 4; k++) {
      places[4 * i + k] = Math.min(Math.max(first + k, 0), side - 1);
      weights[4 * i + k] = look ? cubic(at - first - k, look) : Number(first + k === Math.round(at));
    }
  }
  return { places, weights };
}

/** A plane side × side, enlarged `times`; from `neighbours` the other two. */
export function enlarged(plane, side, times, { places: at, weights: w }) {
  const width = side * times, wide = new Float32Array(side * width), large = new Uint8ClampedArray(width * width);
  for (let y = 0; y < side; y++) {
    const row = y * side;
    for (let x = 0, n = 0; x < width; x++, n += 4) {
      wide[y * width + x] = w[n] * plane[row + at[n]] + w[n + 1] * plane[row + at[n + 1]]
        + w[n + 2] * plane[row + at[n + 2]] + w[n + 3] * plane[row + at[n + 3]];
    }
  }
  for (let y = 0, n = 0; y < width; y++, n += 4) {
    const a = at[n] * width, b = at[n + 1] * width, c = at[n + 2] * width, d = at[n + 3] * width;
    const p = w[n], q = w[n + 1], r = w[n + 2], s = w[n + 3], row = y * width;
    for (let x = 0; x < width; x++) large[row + x] = p * wide[a + x] + q * wide[b + x] + r * wide[c + x] + s * wide[d + x];
  }
  return large;
}

/** Show a picture; `look` is one of `LOOKS`. */
function paint({ tiles, side, columns }, look) {
  const canvas = byId("picture"), context = canvas.getContext("2d");
  const times = Math.max(1, Math.floor(CANVAS / (columns * side)));
  const large = side * times, gap = columns > 1 ? Math.ceil(CANVAS / 400) : 0;
  const size = columns * large + (columns - 1) * gap;
  if (canvas.width !== size) canvas.width = canvas.height = size; // which wipes it: only when it must be
  context.fillStyle = "#2a2a31";
  if (gap) context.fillRect(0, 0, size, size);
  const lines = neighbours(side, times, look), shade = look?.crisp ? CRISP : PLAIN;
  const image = context.createImageData(large, large);
  const words = new Uint32Array(image.data.buffer); // one write for red, green, blue and opacity
  tiles.forEach((planes, i) => {
    const larger = new Map(planes.map((plane) => [plane, null])); // grey ones are the same three times: once is enough
    for (const plane of larger.keys()) larger.set(plane, enlarged(plane, side, times, lines));
    const [red, green, blue] = planes.map((plane) => larger.get(plane));
    for (let p = 0; p < words.length; p++) {
      words[p] = 0xff000000 | (shade[blue[p]] << 16) | (shade[green[p]] << 8) | shade[red[p]];
    }
    context.putImageData(image, (i % columns) * (large + gap), Math.floor(i / columns) * (large + gap));
  });
}

// --- the page

function studio(settings) {
  const names = settings.class_names, digits = names.every((name) => name.length === 1);
  const view = {
    digit: Math.min(3, names.length - 1), toward: Math.min(8, names.length - 1), share: 0,
    moves: settings.directions.map(() => 0), truncation: null, seed: 1, grid: false, gridSize: 4,
  };
  const article = (name) => (/^(8|[aeiou])/i.test(name) ? "an" : "a");

  function words({ digit, toward, share, grid, gridSize }) {
    const name = names[digit];
    const goal = `${article(names[toward])} ${names[toward]}`;
    const between = share > 0 && toward !== digit ? `, ${Math.round(100 * share)}% of the way to ${goal}` : "";
    if (grid && gridSize > 1) return `${gridSize ** 2} ${digits ? `different ${name}s` : `× ${name}`}${between}`;
    return `${article(name)} ${name}${between}`;
  }

  // One request at a time. What is asked for next is the newest state, and an answer is shown unless another class,
  // seed or layout was chosen meanwhile: a slider that is being moved shows where it has just been.
  let engine = null, newest = 0, drawn = -1, running = false, wake = null;
  let shown = null, look = LOOKS[digits ? "strokes" : "greys"];
  const main = byId("studio"), canvas = byId("picture");
  const chosen = ({ digit, seed, grid, gridSize }) => [digit, seed, grid, gridSize].join();

  async function follow() {
    if (running || !engine) return;
    running = true;
    while (drawn !== newest) {
      const asked = newest, wanted = structuredClone(view);
      try {
        const picture = await engine.draw({ ...wanted, value: wanted.digit });
        drawn = asked;
        if (asked === newest || chosen(wanted) === chosen(view)) {
          shown = picture;
          paint(shown, look);
          const said = words(wanted);
          canvas.setAttribute("aria-label", `Drawn: ${said}`);
          byId("caption").textContent = `${said} · seed ${wanted.seed}`;
          byId("download").download = `${names[wanted.digit]}_seed${wanted.seed}${wanted.grid ? "_grid" : ""}.png`;
          canvas.dataset.seed = wanted.seed;
          tell("");
        }
      } catch (error) {
        const again = error instanceof Trouble ? error.again : null;
        tell(error instanceof Trouble ? error.message : `The picture could not be drawn: ${error.message}`, again === null);
        if (again === null) drawn = asked; // until something is changed, or by the button
        else await new Promise((resolve) => { wake = resolve; setTimeout(resolve, again); });
      }
    }
    running = false;
    main.dataset.state = byId("status").hidden ? "ready" : "error";
  }

  function tell(message, button = false) {
    byId("status").hidden = !message;
    byId("message").textContent = message;
    byId("retry").hidden = !button;
  }

  function changed() {
    newest += 1;
    main.dataset.state = "drawing";
    show();
    follow();
  }

  function show() {
    [...byId("digits").children].forEach((button, i) => button.setAttribute("aria-pressed", i === view.digit));
    byId("single").setAttribute("aria-pressed", !view.grid);
    byId("grid").setAttribute("aria-pressed", view.grid);
    byId("size-slider").hidden = !view.grid;
    byId("grid-size-value").textContent = `${view.gridSize} × ${view.gridSize}`;
    byId("share-value").textContent = `${Math.round(100 * view.share)} %`;
    byId("truncation-value").textContent = view.truncation === null ? "off" : view.truncation.toFixed(2);
    view.moves.forEach((move, k) => {
      byId(`move-${k}-value`).textContent = (move > 0 ? "+" : "") + move.toFixed(1).replace("-", "−");
    });
    byId("reset").disabled = view.moves.every((move) => move === 0) && view.share === 0 && view.truncation === null;
    byId("toward").value = view.toward;
    [...byId("toward").options].forEach((option, i) => { option.disabled = i === view.digit; });
    const outputs = new Map([...document.querySelectorAll("output")].map((output) => [output.htmlFor.value, output]));
    for (const slider of document.querySelectorAll("input[type=range]")) {
      const { min, max, value, dataset } = slider, rest = Number(dataset.rest ?? min);
      const place = (number) => `${(100 * (number - min)) / (max - min)}%`;
      slider.style.setProperty("--from", place(Math.min(value, dataset.rest === max ? min : rest)));
      slider.style.setProperty("--to", place(Math.max(value, dataset.rest === max ? min : rest)));
      slider.setAttribute("aria-valuetext", outputs.get(slider.id).textContent);
    }
    if (document.activeElement !== byId("seed")) byId("seed").value = view.seed;
  }

  function choose(digit) {
    if (digit === view.toward) view.toward = view.digit; // nothing becomes itself
    view.digit = digit;
    changed();
  }

  function asPixels(pixels) {
    look = pixels ? LOOKS.pixels : LOOKS[digits ? "strokes" : "greys"];
    byId("pixels").setAttribute("aria-pressed", pixels);
    if (shown) paint(shown, look);
  }

  function another() {
    view.seed = Math.floor(Math.random() * 1e4); // few enough to tell a friend
    byId("seed").value = view.seed;
    changed();
  }

  function layOut(grid) {
    view.grid = grid;
    changed();
  }

  function slider(id, take) {
    const input = byId(id);
    input.addEventListener("input", () => { take(Number(input.value)); changed(); });
    input.addEventListener("dblclick", () => {
      if (input.dataset.rest === undefined) return;
      input.value = input.dataset.rest;
      take(Number(input.value));
      changed();
    });
  }

  function build() {
    byId("title").textContent = document.title = digits ? "Draw a digit" : "Draw a picture";
    byId("classes-title").textContent = digits ? "Digit" : "Class";
    byId("digits").classList.toggle("words", !digits);
    names.forEach((name, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.addEventListener("click", () => choose(i));
      byId("digits").append(button);
      byId("toward").append(new Option(name, i, false, i === view.toward));
    });
    settings.directions.forEach(({ label }, k) => {
      // "2 · wider · 4.1%": number, what it was seen to change, how much of all that z changes
      const [, number, name, share] = /^(\d+) · (?:(.+) · )?([\d.]+%)$/.exec(label) ?? [null, k + 1, label, ""];
      const row = document.createElement("div");
      row.className = "slider";
      row.innerHTML = `<label for="move-${k}"><span></span> <small></small></label>
        <output for="move-${k}" id="move-${k}-value"></output>
        <input id="move-${k}" type="range" min="${-settings.reach}" max="${settings.reach}" step="0.1" value="0" data-rest="0">`;
      row.querySelector("span").textContent = name ? name[0].toUpperCase() + name.slice(1) : `Direction ${number}`;
      row.querySelector("small").textContent = share;
      row.querySelector("small").title = "of all that noise changes behind the first layer";
      byId("directions").append(row);
      slider(`move-${k}`, (value) => { view.moves[k] = value; });
    });
    byId("share").parentElement.hidden = settings.mixes === false;
    byId("grid-size").max = settings.max_grid ?? 10;
    slider("share", (value) => { view.share = value; });
    slider("truncation", (value) => { view.truncation = value >= OFF ? null : value; });
    slider("grid-size", (value) => { view.gridSize = value; });
    byId("toward").addEventListener("change", (event) => { view.toward = Number(event.target.value); changed(); });
    byId("another").addEventListener("click", another);
    byId("single").addEventListener("click", () => layOut(false));
    byId("grid").addEventListener("click", () => layOut(true));
    byId("retry").addEventListener("click", changed);
    byId("reset").addEventListener("click", () => {
      Object.assign(view, { share: 0, truncation: null, moves: view.moves.map(() => 0) });
      for (const input of document.querySelectorAll("input[data-rest]")) input.value = input.dataset.rest;
      changed();
    });
    byId("pixels").addEventListener("click", () => asPixels(byId("pixels").getAttribute("aria-pressed") === "false"));
    byId("seed").addEventListener("input", ({ target }) => {
      const seed = Number(target.value);
      if (target.value === "" || !Number.isInteger(seed) || seed < 0 || seed > MAX_SEED) return; // still typing
      view.seed = seed;
      changed();
    });
    byId("seed").addEventListener("blur", show); // what is no seed gives way to the one that is drawn
    byId("download").addEventListener("click", () => { byId("download").href = canvas.toDataURL("image/png"); });
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches?.("input:not([type=range]), select, textarea");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (/^\d$/.test(event.key) && Number(event.key) < names.length) choose(Number(event.key));
      else if (event.key.toLowerCase() === "n") another();
      else if (event.key.toLowerCase() === "g") layOut(!view.grid);
      else if (event.key.toLowerCase() === "p") byId("pixels").click();
    });
    window.addEventListener("online", () => wake?.());
  }

  build();
  show();
  return {
    tell,
    start(ready) {
      engine = ready;
      byId("about").textContent = `The generator “${settings.name}” ${engine.about}`;
      changed();
    },
  };
}

async function begin() {
  let page = null;
  try {
    const answer = await fetch("studio.json");
    if (!answer.ok) throw new Error(`studio.json: status ${answer.status}`);
    const { models: [settings] } = await answer.json();
    page = studio(settings);
    byId("about").textContent = `Loading ${settings.name} …`;
    page.start(await openEngine(settings));
  } catch (error) {
    byId("about").textContent = "";
    byId("studio").dataset.state = "error";
    for (const part of document.querySelectorAll("fieldset")) part.disabled = true; // there is nothing to change
    byId("status").hidden = false;
    byId("message").textContent = `This page could not be set up (${error.message}). Reload it to try again.`;
  }
}

begin();
