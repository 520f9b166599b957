// Runs a generator's network for one image at a time: plain loops over Float32Array, no more operators than our
// generators have. cgan_lib/publish/compact.py writes what it reads, and says what each step holds; no value has the
// axis of the batch.

/** A product, a (rows, inner) · b (inner, columns) → out: rows even and columns in fours, 8 sums at once. */
function product(a, b, out, rows, inner, columns) {
  for (let m = 0; m < rows; m += 2) {
    const first = m * inner, second = first + inner;
    for (let p = 0; p < columns; p += 4) {
      let s = 0, t = 0, u = 0, v = 0, w = 0, x = 0, y = 0, z = 0;
      for (let k = 0, at = p; k < inner; k++, at += columns) {
        const b0 = b[at], b1 = b[at + 1], b2 = b[at + 2], b3 = b[at + 3], a0 = a[first + k], a1 = a[second + k];
        s += a0 * b0; t += a0 * b1; u += a0 * b2; v += a0 * b3;
        w += a1 * b0; x += a1 * b1; y += a1 * b2; z += a1 * b3;
      }
      const i = m * columns + p, j = i + columns;
      out[i] = s; out[i + 1] = t; out[i + 2] = u; out[i + 3] = v;
      out[j] = w; out[j + 1] = x; out[j + 2] = y; out[j + 3] = z;
    }
  }
}

const inFours = (count) => 4 * Math.ceil(count / 4);

/** A matrix with an even number of rows: as it is, or with a row of zeros below. */
function evenRows(matrix, rows, inner) {
  if (rows % 2 === 0) return matrix;
  const larger = new Float32Array((rows + 1) * inner);
  larger.set(matrix);
  return larger;
}

/** For each place of a kernel, then each place of the grid that it moves over: the pixel it meets, or -1 outside. */
function meetings([gridHeight, gridWidth], [height, width], { kernel, strides, pads }) {
  const places = [];
  for (let ky = 0; ky < kernel[0]; ky++) for (let kx = 0; kx < kernel[1]; kx++) {
    for (let gy = 0; gy < gridHeight; gy++) for (let gx = 0; gx < gridWidth; gx++) {
      const y = gy * strides[0] + ky - pads[0], x = gx * strides[1] + kx - pads[1];
      places.push(y < 0 || y >= height || x < 0 || x >= width ? -1 : y * width + x);
    }
  }
  return Int32Array.from(places);
}

/** Where each number of a transposed array lies in the one that it is made of, whose axes are taken in `order`. */
function inOrder(shape, order) {
  const steps = shape.map((_, axis) => shape.slice(axis + 1).reduce((size, length) => size * length, 1));
  const along = (places, axis) =>
    places.flatMap((place) => Array.from({ length: shape[axis] }, (_, i) => place + i * steps[axis]));
  return Int32Array.from(order.reduce(along, [0]));
}

/** Every channel of `out` begins at its bias. */
function fillWith(bias, out, size) {
  for (let c = 0; c < bias.length; c++) out.fill(bias[c], c * size, (c + 1) * size);
}

/** Function of one number for each number. */
const elementwise = (change) => (step) => {
  const f = change(step);
  return ([x], out) => { for (let i = 0; i < x.length; i++) out[i] = f(x[i]); };
};

// For each operator: from its step, a function (inputs, out) that fills `out`
const OPERATORS = {
  Gemm({ weight, bias }) { // weight (outputs, inputs)
    return ([x], out) => {
      const inner = x.length, fours = inner - (inner % 4);
      for (let row = 0, at = 0; row < out.length; row++) {
        let s = bias[row], t = 0, u = 0, v = 0, k = 0;
        for (; k < fours; k += 4, at += 4) {
          s += weight[at] * x[k];
          t += weight[at + 1] * x[k + 1];
          u += weight[at + 2] * x[k + 2];
          v += weight[at + 3] * x[k + 3];
        }
        for (; k < inner; k++, at++) s += weight[at] * x[k];
        out[row] = s + t + u + v;
      }
    };
  },

  // The pixels under the kernel become a column for each place of the output, as in Caffe (Jia 2014): one product
  Conv({ weight, bias, input: [, ...plane], output: [channels, ...grid], ...geometry }) {
    const places = meetings(grid, plane, geometry), size = plane[0] * plane[1], area = grid[0] * grid[1];
    const columns = inFours(area), inner = weight.length / channels, taps = places.length / area;
    const matrix = evenRows(weight, channels, inner), rows = matrix.length / inner;
    const unrolled = new Float32Array(inner * columns), sums = new Float32Array(rows * columns);
    return ([x], out) => {
      for (let row = 0; row < inner; row++) {
        const start = size * Math.floor(row / taps), from = area * (row % taps);
        for (let i = 0; i < area; i++) {
          const place = places[from + i];
          unrolled[row * columns + i] = place < 0 ? 0 : x[start + place];
        }
      }
      product(matrix, unrolled, sums, rows, inner, columns);
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < area; i++) out[c * area + i] = sums[c * columns + i] + bias[c];
      }
    };
  },

  // The same the other way round: one product, whose columns are laid over the output and added up
  ConvTranspose({ weight, bias, input: [inner, ...grid], output: [channels, ...plane], ...geometry }) {
    const places = meetings(grid, plane, geometry), size = plane[0] * plane[1], area = grid[0] * grid[1];
    const columns = inFours(area), taps = places.length / area;
    const matrix = evenRows(weight, channels * taps, inner), rows = matrix.length / inner;
    const spread = new Float32Array(inner * columns), sums = new Float32Array(rows * columns);
    return ([x], out) => {
      for (let c = 0; c < inner; c++) spread.set(x.subarray(c * area, (c + 1) * area), c * columns);
      product(matrix, spread, sums, rows, inner, columns);
      fillWith(bias, out, size);
      for (let row = 0; row < channels * taps; row++) {
        const start = size * Math.floor(row / taps), from = area * (row % taps);
        for (let i = 0; i < area; i++) {
          const place = places[from + i];
          if (place >= 0) out[start + place] += sums[row * columns + i];
        }
      }
    };
  },

  BatchNormalization({ scale, bias }) { // with the statistics in both
    return ([x], out) => {
      const size = x.length / scale.length;
      for (let c = 0; c < scale.length; c++) {
        for (let i = c * size; i < (c + 1) * size; i++) out[i] = x[i] * scale[c] + bias[c];
      }
    };
  },

  InstanceNormalization({ scale, bias, epsilon }) {
    return ([x], out) => {
      const size = x.length / scale.length;
      for (let c = 0; c < scale.length; c++) {
        let sum = 0, squares = 0;
        for (let i = c * size; i < (c + 1) * size; i++) sum += x[i];
        const mean = sum / size;
        for (let i = c * size; i < (c + 1) * size; i++) squares += (x[i] - mean) ** 2;
        const factor = scale[c] / Math.sqrt(squares / size + epsilon);
        for (let i = c * size; i < (c + 1) * size; i++) out[i] = (x[i] - mean) * factor + bias[c];
      }
    };
  },

  Resize({ input: [channels, height, width], output: [, large, wide] }) { // to the nearest, by whole factors
    const down = large / height, across = wide / width;
    return ([x], out) => {
      for (let c = 0, i = 0; c < channels; c++) for (let y = 0; y < large; y++) {
        const row = (c * height + Math.floor(y / down)) * width;
        for (let at = 0; at < wide; at++) out[i++] = x[row + Math.floor(at / across)];
      }
    };
  },

  Transpose({ input, order }) { // axis i of the output is axis order[i] of the input
    const places = inOrder(input, order);
    return ([x], out) => { for (let i = 0; i < places.length; i++) out[i] = x[places[i]]; };
  },

  Add: () => ([x, y], out) => { for (let i = 0; i < x.length; i++) out[i] = x[i] + y[i]; },
  Sub: () => ([x, y], out) => { for (let i = 0; i < x.length; i++) out[i] = x[i] - y[i]; },
  Mul: elementwise(({ factor }) => (value) => factor * value),

  Concat: () => (inputs, out) => {
    let at = 0;
    for (const x of inputs) {
      out.set(x, at);
      at += x.length;
    }
  },

  LeakyRelu: elementwise(({ alpha }) => (value) => (value < 0 ? alpha * value : value)),
  Tanh: elementwise(() => Math.tanh),
  Clip: elementwise(({ low, high }) => (value) => Math.min(Math.max(value, low), high)),
};

/** The number that each of the 65,536 halves (IEEE 754, binary16) stands for; the weights hold no infinite ones. */
function halves() {
  return Float32Array.from({ length: 2 ** 16 }, (_, bits) => {
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
}

/** The tensors of a file, one after the other, those of 32 bits first: each a Float32Array. */
function unpacked(tensors, buffer) {
  const values = halves();
  let at = 0;
  return tensors.map(({ type, length }) => {
    const start = at;
    at += length * (type === "float16" ? 2 : 4);
    if (type === "float32") return new Float32Array(buffer, start, length);
    return Float32Array.from(new Uint16Array(buffer, start, length), (bits) => values[bits]);
  });
}

/** Function (z, classWeights) → images (channels · side · side) in [-1, 1], of a description and its weights. */
export function network({ sizes, steps, tensors, output }, buffer) {
  const stored = unpacked(tensors, buffer), values = sizes.map((size) => new Float32Array(size));
  const run = steps.map(({ op, from, to, weights, ...about }) => {
    const own = Object.fromEntries(Object.entries(weights).map(([name, number]) => [name, stored[number]]));
    const fill = OPERATORS[op]({ ...about, ...own }), inputs = from.map((number) => values[number]);
    return () => fill(inputs, values[to]);
  });
  return (z, classWeights) => {
    values[0].set(z);
    values[1].set(classWeights);
    for (const step of run) step();
    return values[output].slice();
  };
}
