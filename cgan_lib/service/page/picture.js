// How pixels become a larger picture: four neighbours on a line are weighed by a cubic (Mitchell & Netravali 1988, with
// their B and C). For strokes the smoothest one, whose edges are then made crisp again; where greys mean something, the
// authors' own choice. "pixels" shows them as they are.
export const LOOKS = { strokes: { b: 1, c: 0, crisp: true }, greys: { b: 1 / 3, c: 1 / 3 }, pixels: null };
const smoothstep = (x) => x * x * (3 - 2 * x);
const PLAIN = Uint8Array.from({ length: 256 }, (_, grey) => grey);
const CRISP = PLAIN.map((grey) => Math.round(255 * smoothstep(smoothstep(smoothstep(grey / 255)))));

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
    for (let x = 0; x < width; x++) {
      large[row + x] = p * wide[a + x] + q * wide[b + x] + r * wide[c + x] + s * wide[d + x];
    }
  }
  return large;
}

/** Pixels of each image of a picture along one of its sides, gap between two, and side of the whole, at most `most`. */
export function layOut({ side, columns }, most) {
  const large = side * Math.max(1, Math.floor(most / (columns * side))), gap = columns > 1 ? Math.ceil(most / 400) : 0;
  return { large, gap, size: columns * large + (columns - 1) * gap };
}

/** An image, three planes, enlarged to `large` pixels along each side: opaque RGBA, a word for each pixel. */
export function enlargedImage(planes, side, large, look) {
  const lines = neighbours(side, large / side, look), shade = look?.crisp ? CRISP : PLAIN;
  const larger = new Map(planes.map((plane) => [plane, null])); // grey ones are the same three times: once is enough
  for (const plane of larger.keys()) larger.set(plane, enlarged(plane, side, large / side, lines));
  const [red, green, blue] = planes.map((plane) => larger.get(plane));
  const words = new Uint32Array(large * large); // one write for red, green, blue and opacity
  for (let p = 0; p < words.length; p++) {
    words[p] = 0xff000000 | (shade[blue[p]] << 16) | (shade[green[p]] << 8) | shade[red[p]];
  }
  return words;
}

/** Show a picture on a canvas, whose side becomes `most` pixels or a few less; `look` is one of `LOOKS`. */
export function paint(canvas, picture, look, most = 1120) {
  const { large, gap, size } = layOut(picture, most), context = canvas.getContext("2d");
  if (canvas.width !== size) canvas.width = canvas.height = size; // which wipes it: only when it must be
  context.fillStyle = "#2a2a31";
  if (gap) context.fillRect(0, 0, size, size);
  picture.tiles.forEach((planes, i) => {
    const words = enlargedImage(planes, picture.side, large, look);
    const image = new ImageData(new Uint8ClampedArray(words.buffer), large, large);
    const column = i % picture.columns, row = Math.floor(i / picture.columns);
    context.putImageData(image, column * (large + gap), row * (large + gap));
  });
}
