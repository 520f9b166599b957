// Outlines of what a generator drew, as a path of an SVG: marching squares (Lorensen & Cline 1987, in two dimensions).
import { enlarged, LOOKS, neighbours } from "./picture.js";

const FINER = 4; // times as many pixels, along which to march
const LEVEL = 100; // this grey is the edge
const SIDE = 28; // of what is outlined, in the units of its path, whatever its pixels
const SPACING = 1.2; // from one point of an outline to the next
// Where the edge enters and leaves a square, for each of the sixteen ways its corners are in ink (1 top left, 2 top
// right, 4 bottom right, 8 bottom left), ink to the right: 0 top, 1 right, 2 bottom, 3 left
const WAYS = [
  [], [[0, 3]], [[1, 0]], [[1, 3]], [[2, 1]], [[0, 3], [2, 1]], [[2, 0]], [[2, 3]],
  [[3, 2]], [[0, 2]], [[3, 2], [1, 0]], [[1, 2]], [[3, 1]], [[0, 1]], [[3, 0]], [],
];

/** Outlines of a plane side × side, as a path in a square of 28: its `d`; from `left` to `right` there is ink. */
export function outline(plane, side) {
  const fine = enlarged(plane, side, FINER, neighbours(side, FINER, LOOKS.strokes));
  const loops = march(fine, side * FINER).map(evenlySpaced).filter((loop) => loop.length > 3);
  const across = loops.flat().map(([x]) => x);
  if (!across.length) return { d: "", left: 0, right: SIDE / 2 }; // nothing was drawn: a gap
  return { d: loops.map(smooth).join(""), left: Math.min(...across), right: Math.max(...across) };
}

/** The closed lines around what is brighter than the edge, each a list of points. */
function march(grey, width) {
  const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= width ? 0 : grey[y * width + x]);
  const line = width + 2; // squares begin outside, so that every line closes
  const edges = (x, y) => [[x, y, 0], [x + 1, y, 1], [x, y + 1, 0], [x, y, 1]]; // of a square: top, right, bottom, left
  const key = ([x, y, down]) => 2 * ((y + 1) * line + x + 1) + down;
  const next = new Map();
  for (let y = -1; y < width; y++) {
    for (let x = -1; x < width; x++) {
      const corners = [at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)];
      const ways = WAYS[corners.reduce((sum, value, i) => sum + (value > LEVEL ? 1 << i : 0), 0)];
      for (const [from, to] of ways) next.set(key(edges(x, y)[from]), edges(x, y)[to]);
    }
  }
  const point = ([x, y, down]) => { // where the edge cuts a line between two pixels
    const here = at(x, y), far = (LEVEL - here) / (at(x + !down, y + down) - here);
    return [x + (down ? 0 : far), y + (down ? far : 0)].map((pixel) => ((pixel + 0.5) * SIDE) / width);
  };
  const loops = [];
  while (next.size) {
    const loop = [];
    for (let from = next.keys().next().value; next.has(from);) {
      const edge = next.get(from);
      next.delete(from);
      loop.push(point(edge));
      from = key(edge);
    }
    loops.push(loop);
  }
  return loops;
}

/** Points of a closed line, `SPACING` from one to the next. */
function evenlySpaced(loop) {
  const points = [];
  let walked = SPACING;
  loop.forEach(([x, y], i) => {
    const [u, v] = loop[(i + 1) % loop.length], length = Math.hypot(u - x, v - y);
    for (; walked <= length; walked += SPACING) {
      points.push([x + (walked / length) * (u - x), y + (walked / length) * (v - y)]);
    }
    walked -= length;
  });
  return points;
}

/** A closed curve: quadratic pieces from the middle of one side to the middle of the next (a uniform B-spline). */
function smooth(points) {
  const number = (value) => Number(value.toFixed(1));
  const middle = ([x, y], [u, v]) => `${number((x + u) / 2)} ${number((y + v) / 2)}`;
  const pieces = points.map((point, i) => {
    return `Q${point.map(number).join(" ")} ${middle(point, points[(i + 1) % points.length])}`;
  });
  return `M${middle(points.at(-1), points[0])}${pieces.join("")}Z`;
}
