// What draws: `openEngine(settings, onProgress)` gives `{ about, draw(view) }`, by the service or here in the browser.
//
// studio.json, of the service and of the demo site: { engine: "server" | "browser", made_by, models: [settings, …] }; the
// service has one model. `settings` are those of one model: name, class_names, image_size, channels, latent_dim,
// directions, max_grid, mixes …, in the browser also where its network lies. `onProgress(fraction)` is called with 0 to 1
// while weights load. `draw({ value, toward, share, moves, seed, index, truncation, grid, gridSize })` gives
// `{ tiles, side, columns }`: each tile is three planes (red, green, blue) of side × side greys, row by row. `index` says
// which latent of the seed is drawn, with a grid which is its first. Draws may be asked for at once. What goes wrong is a
// `Trouble`.
import { normals, truncated } from "./latents.js";

const PATIENCE = 20000; // ms that an answer may take

export function openEngine(settings, onProgress = () => {}) {
  return settings.model ? onnxEngine(settings, onProgress) : serverEngine(settings);
}

/** An error with a sentence for the person; `again` is after how many ms to try once more, null for not at all. */
export class Trouble extends Error {
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
      const columns = view.grid ? view.gridSize : 1, index = view.index ?? 0;
      const wanted = {
        value: view.value, grid: view.grid, grid_size: view.gridSize, seed: view.seed, truncation: view.truncation,
        toward: view.share > 0 ? view.toward : null, share: view.share, moves: view.moves, scale: 1, format: "png",
        ...(index > 0 && { index }),
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
  onProgress(1);
  const side = settings.image_size, dim = settings.latent_dim, classes = settings.class_names.length;
  return {
    about: "draws in your browser: nobody ever wrote it, and nothing leaves this page.",
    async draw(view) {
      const columns = view.grid ? view.gridSize : 1, count = columns * columns;
      const first = (view.index ?? 0) * dim;
      let z = normals(first + count * dim, view.seed).subarray(first);
      if (view.truncation !== null) z = truncated(z, view.truncation);
      view.moves.forEach((move, k) => {
        if (move) z = z.map((value, i) => value + move * settings.directions[k].vector[i % dim]);
      });
      const weights = new Float32Array(count * classes);
      for (let row = 0; row < count; row++) {
        weights[row * classes + view.value] += 1 - view.share;
        weights[row * classes + view.toward] += view.share;
      }
      const { images } = await session.run({
        z: new ort.Tensor("float32", z, [count, dim]),
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
