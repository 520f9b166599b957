// What draws: `openEngine(settings, onProgress)` gives `{ about, draw(view) }`, by the service or here in the browser.
//
// studio.json, of the service and of the demo site: { models: [settings, …] }; the service has one model, and says
// where its `docs` are. `settings` are those of one model: name, class_names, attributes (name and values of each, none
// where a class is one thing; the last counts fastest), image_size, channels, latent_dim, directions, reach, max_grid,
// mixes, and where there is a sheet of `real` images, `real_classes` of its rows; in the browser also its `network`
// (cgan_lib/publish/compact.py), the `vector` of each direction, and `weights`: name and length of the file.
// `onProgress(fraction)` is called with 0 to 1 while that loads.
// `draw({ value, toward, share, moves, seed, index, truncation, grid, gridSize })` gives `{ tiles, side, columns }`:
// each tile is three planes (red, green, blue) of side × side greys, row by row. `index` says which latent of the seed
// is drawn, with a grid which is its first. Draws may be asked for at once. What goes wrong in either is a `Trouble`,
// after which both may be called once more.
import { areStrokes } from "./classes.js";
import { normals, truncated } from "./latents.js";

const PATIENCE = 20000; // ms that an answer, or the next piece of one, may take
const MOST_WORKERS = 4;

export function openEngine(settings, onProgress = () => {}) {
  return settings.network ? browserEngine(settings, onProgress) : serverEngine(settings);
}

/** An error with a sentence for the person; `again` is after how many ms to try once more, null for not at all. */
export class Trouble extends Error {
  constructor(message, again = null) {
    super(message);
    this.again = again;
  }
}

const isNew = (settings) => (areStrokes(settings) ? "nobody ever wrote it" : "no such picture was there before");

function serverEngine(settings) {
  const side = settings.image_size;
  return {
    about: `draws what you ask for: ${isNew(settings)}.`,
    async draw(view) {
      const columns = view.grid ? view.gridSize : 1;
      const wanted = {
        value: view.value, grid: view.grid, grid_size: view.gridSize, seed: view.seed, truncation: view.truncation,
        toward: view.share > 0 ? view.toward : null, share: view.share, moves: view.moves, scale: 1, format: "png",
        index: view.index,
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
        const seconds = Number(answer.headers.get("Retry-After")) || 1;
        throw new Trouble("The service is busy. Trying again …", 1000 * seconds);
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

// --- in the browser

async function browserEngine(settings, onProgress) {
  const { image_size: side, channels, weights } = settings;
  const draw = crew(settings.network, await download(weights.file, weights.length, onProgress));
  keepForOffline(weights.file);
  return {
    about: `draws in your browser: ${isNew(settings)}, and nothing leaves this page.`,
    async draw(view) {
      const columns = view.grid ? view.gridSize : 1, classWeights = blend(view, settings.class_names.length);
      const images = await Promise.all(latents(view, settings, columns ** 2).map((z) => draw(z, classWeights)));
      const plane = (image, channel) => Uint8ClampedArray.from(
        image.subarray(channel * side ** 2, (channel + 1) * side ** 2), (value) => (value + 1) * 127.5); // rounds, too
      const tiles = images.map((image) => threefold(Array.from({ length: channels }, (_, c) => plane(image, c))));
      return { tiles, side, columns };
    },
  };
}

/** `count` latents as View.inputs of the library has them: drawn, truncated, moved. */
function latents({ seed, index, truncation, moves }, { latent_dim: dim, directions }, count) {
  let z = normals((index + count) * dim, seed).subarray(index * dim);
  if (truncation !== null) z = truncated(z, truncation);
  moves.forEach((move, k) => {
    if (move) z = z.map((value, i) => value + move * directions[k].vector[i % dim]);
  });
  return Array.from({ length: count }, (_, n) => z.subarray(n * dim, (n + 1) * dim));
}

/** A row of class weights: `share` of the class `toward`, the rest of the class `value`. */
function blend({ value, toward, share }, classes) {
  const row = new Float32Array(classes);
  row[value] = 1 - share;
  if (share > 0) row[toward] += share;
  return row;
}

/** The content of a file of `length` bytes; a `Trouble` when it is not there, breaks off or comes to a standstill. */
async function download(file, length, onProgress) {
  const content = new Uint8Array(length), patience = new AbortController();
  let got = 0, timer;
  const wait = () => { clearTimeout(timer); timer = setTimeout(() => patience.abort(), PATIENCE); };
  try {
    wait();
    const answer = await fetch(file, { signal: patience.signal });
    if (!answer.ok) throw new Trouble(`The file ${file} cannot be had (status ${answer.status}): reload the page.`);
    const reader = answer.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      wait();
      if (got + piece.value.length > length) throw new Trouble(`The file ${file} is another one than expected.`);
      content.set(piece.value, got);
      got += piece.value.length;
      onProgress(got / length);
    }
  } catch (error) {
    if (error instanceof Trouble) throw error;
    const percent = Math.floor((100 * got) / length);
    const what = got ? `stopped loading at ${percent}%` : "cannot be loaded: no connection";
    throw new Trouble(`The generator ${what}.`, 3000);
  } finally {
    clearTimeout(timer);
  }
  if (got < length) throw new Trouble(`The generator's file ${file} ended early, after ${got} of ${length} bytes.`);
  return content.buffer;
}

/** Workers that run a network, so that the page goes on meanwhile: function (z, classWeights) → Promise of an image. */
function crew(network, buffer) {
  const most = Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1);
  let workers = [];

  function hire() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    const one = { worker, waiting: [] }; // it answers in the order in which it is asked
    worker.addEventListener("message", ({ data }) => one.waiting.shift().resolve(data));
    worker.addEventListener("error", ({ message }) => {
      workers = workers.filter((other) => other !== one);
      worker.terminate();
      const why = message ? ` (${message})` : "";
      for (const { reject } of one.waiting) reject(new Trouble(`What draws in this browser has failed${why}.`));
    });
    worker.postMessage({ network, buffer });
    workers.push(one);
    return one;
  }

  return (z, classWeights) => new Promise((resolve, reject) => {
    let [one] = [...workers].sort((a, b) => a.waiting.length - b.waiting.length); // who has least to do
    if (!one || (one.waiting.length && workers.length < most)) one = hire();
    one.waiting.push({ resolve, reject });
    one.worker.postMessage({ z, classWeights });
  });
}

/** Have the service worker keep a file; a browser that has none, or may not keep things, goes without. */
async function keepForOffline(file) {
  const { serviceWorker } = navigator;
  const ask = () => serviceWorker.controller?.postMessage(file);
  try {
    const registration = await serviceWorker.register("sw.js");
    ask();
    serviceWorker.addEventListener("controllerchange", ask); // the first one, or that of an updated site, takes over
    await registration.update(); // a browser looks for a newer one by itself, but late
  } catch {} // over plain HTTP, in a private window …
}
