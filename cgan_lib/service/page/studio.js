// Draws what the controls say. Two engines with one interface, `draw(view) -> Promise<{tiles, side, columns}>`: "server"
// asks POST gen_images, "onnx" runs generator.onnx here. `studio.json` says which, and what the generator can draw.
"use strict";

const CANVAS = 1120; // pixels along a side of the picture, or a few less
const OFF = 3; // at this end of the slider, nothing is truncated
const MAX_SEED = 2 ** 31 - 1;
const PATIENCE = 20000; // ms that an answer may take
const byId = (id) => document.getElementById(id);

// --- numbers: normal latents from a seed, truncated as sampling.latents does

/** Function that gives uniform numbers in [0, 1), the same for the same seed (sfc32 by Chris Doty-Humphrey). */
function uniforms(seed) {
  let a = 0x9e3779b9, b = 0x243f6a88, c = seed >>> 0, d = 1;
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 16; i++) next(); // until every bit of the seed has reached every word
  return next;
}

/** `count` numbers from N(0, 1), by the Box–Muller transform. */
function normals(count, seed) {
  const uniform = uniforms(seed);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())); // 1 - u: the logarithm of 0 has no value
    const angle = 2 * Math.PI * uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** Error function, to 1.2e-7 (Press et al., Numerical Recipes, section 6.2). */
function erf(x) {
  const t = 1 / (1 + Math.abs(x) / 2);
  const terms = [-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
    -0.82215223, 0.17087277];
  const tail = t * Math.exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0));
  return x < 0 ? tail - 1 : 1 - tail;
}

/** Inverse of `erf` on (-1, 1): Winitzki's approximation, then two steps of Newton's method. */
function erfinv(y) {
  const log = Math.log(1 - y * y), part = 2 / (Math.PI * 0.147) + log / 2;
  let x = Math.sign(y) * Math.sqrt(Math.sqrt(part * part - log / 0.147) - part);
  for (let step = 0; step < 2; step++) x -= (erf(x) - y) * Math.sqrt(Math.PI) / 2 * Math.exp(x * x);
  return x;
}

/** `z` with no number farther from 0 than `truncation`, by the quantiles of the same draw. */
function truncated(z, truncation) {
  const inside = erf(truncation / Math.SQRT2);
  return z.map((value) => {
    const near = Math.SQRT2 * erfinv(erf(value / Math.SQRT2) * inside);
    return Math.max(-truncation, Math.min(truncation, near));
  });
}

// --- engines

/** An error with a sentence for the person; `again` is after how many ms to try once more, null for not at all. */
class Trouble extends Error {
  constructor(message, again = null) {
    super(message);
    this.again = again;
  }
}

function serverEngine(settings) {
  const side = settings.image_size;
  return {
    about: "draws what you ask for: nobody ever wrote it.",
    async draw(view) {
      const columns = view.grid ? view.gridSize : 1;
      const wanted = {
        value: view.digit, grid: view.grid, grid_size: view.gridSize, seed: view.seed, truncation: view.truncation,
        toward: view.share > 0 ? view.toward : null, share: view.share, moves: view.moves, scale: 1, format: "png",
      };
      let answer;
      try {
        answer = await fetch("gen_images", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(wanted),
          signal: AbortSignal.timeout(PATIENCE),
        });
        if (answer.ok) return cut(await createImageBitmap(await answer.blob()), side, columns, settings.channels);
      } catch (error) {
        const what = error.name === "TimeoutError" ? "takes long to answer" : "cannot be reached";
        throw new Trouble(`The service ${what}. Trying again …`, 2000);
      }
      if (answer.status === 503) {
        throw new Trouble("The service is busy. Trying again …", 1000 * (Number(answer.headers.get("Retry-After")) || 1));
      }
      throw new Trouble(`The service refused: ${await reason(answer)}`);
    },
  };
}

/** What a refusal says: `detail` is a sentence, or a list of what is wrong with the fields. */
async function reason(answer) {
  try {
    const { detail } = await answer.json();
    return Array.isArray(detail) ? detail.map((one) => `${one.loc.at(-1)}: ${one.msg}`).join("; ") : detail;
  } catch {
    return `status ${answer.status}`;
  }
}

/** Red, green and blue of an image: its own planes, or the first one three times. */
const threefold = (planes) => (planes.length === 3 ? planes : Array(3).fill(planes[0]));

/** The images of a picture: as it is, or as sampling.tile lays them out, two pixels between them and around. */
function cut(bitmap, side, columns, channels) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const gap = bitmap.width === side ? 0 : 2;
  const tiles = [];
  for (let i = 0; i < columns * columns; i++) {
    const x = gap + (side + gap) * (i % columns), y = gap + (side + gap) * Math.floor(i / columns);
    const { data } = context.getImageData(x, y, side, side);
    const plane = (channel) => Uint8ClampedArray.from({ length: side * side }, (_, p) => data[4 * p + channel]);
    tiles.push(threefold(Array.from({ length: channels }, (_, channel) => plane(channel))));
  }
  return { tiles, side, columns };
}

async function onnxEngine(settings) {
  const ort = await import(new URL(settings.runtime, document.baseURI));
  ort.env.wasm.numThreads = 1; // more would need headers that plain web servers do not send
  ort.env.wasm.proxy = true; // in a worker: the page goes on while it draws
  const session = await ort.InferenceSession.create(new URL(settings.model, document.baseURI).href);
  const side = settings.image_size, dim = settings.latent_dim, classes = settings.class_names.length;
  return {
    about: "draws in your browser: nobody ever wrote it, and nothing leaves this page.",
    async draw(view) {
      const columns = view.grid ? view.gridSize : 1, count = columns * columns;
      let z = normals(count * dim, view.seed);
      if (view.truncation !== null) z = truncated(z, view.truncation);
      view.moves.forEach((move, k) => {
        if (move) z = z.map((value, i) => value + move * settings.directions[k].vector[i % dim]);
      });
      const weights = new Float32Array(count * classes);
      for (let row = 0; row < count; row++) {
        weights[row * classes + view.digit] += 1 - view.share;
        weights[row * classes + view.toward] += view.share;
      }
      const { images } = await session.run({
        z: new ort.Tensor("float32", Float32Array.from(z), [count, dim]),
        class_weights: new ort.Tensor("float32", weights, [count, classes]),
      });
      const [, channels] = images.dims; // (count, channels, side, side) in [-1, 1]
      const plane = (k) => Uint8ClampedArray.from(
        images.data.subarray(k * side * side, (k + 1) * side * side), (value) => (value + 1) * 127.5); // rounds, too
      const tiles = Array.from({ length: count }, (_, n) =>
        threefold(Array.from({ length: channels }, (_, channel) => plane(n * channels + channel))));
      return { tiles, side, columns };
    },
  };
}

// --- the picture

// How pixels become a larger picture: four neighbours on a line are weighed by a cubic (Mitchell & Netravali 1988, with
// their B and C). For strokes the smoothest one, whose edges are then made crisp again; where greys mean something, the
// authors' own choice. "pixels" shows them as they are.
const LOOKS = { strokes: { b: 1, c: 0, crisp: true }, greys: { b: 1 / 3, c: 1 / 3 }, pixels: null };
const smoothstep = (x) => x * x * (3 - 2 * x);
const PLAIN = Uint8Array.from({ length: 256 }, (_, grey) => grey);
const CRISP = PLAIN.map((grey) => Math.round(255 * smoothstep(smoothstep(grey / 255))));

function cubic(x, { b, c }) {
  x = Math.abs(x);
  if (x < 1) return ((12 - 9 * b - 6 * c) * x ** 3 + (-18 + 12 * b + 6 * c) * x ** 2 + 6 - 2 * b) / 6;
  return ((-b - 6 * c) * x ** 3 + (6 * b + 30 * c) * x ** 2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6;
}

/** For each pixel of a line enlarged `times`: the places of four neighbours, one after the other, and their weights. */
function neighbours(side, times, look) {
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
function enlarged(plane, side, times, { places: at, weights: w }) {
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
        const picture = await engine.draw(wanted);
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
        <input id="move-${k}" type="range" min="-6" max="6" step="0.1" value="0" data-rest="0">`;
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
    const settings = await answer.json();
    page = studio(settings);
    byId("about").textContent = settings.engine === "onnx" ? `Loading ${settings.name} and what runs it …` : "";
    page.start(await (settings.engine === "onnx" ? onnxEngine(settings) : serverEngine(settings)));
  } catch (error) {
    byId("about").textContent = "";
    byId("studio").dataset.state = "error";
    for (const part of document.querySelectorAll("fieldset")) part.disabled = true; // there is nothing to change
    byId("status").hidden = false;
    byId("message").textContent = location.protocol === "file:"
      ? "A browser lets no file read others: start python -m http.server in this folder, and open the address it prints."
      : `This page could not be set up (${error.message}). Reload it to try again.`;
  }
}

begin();
