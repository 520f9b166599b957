// The numbers that a seed means: NumPy's frozen stream RandomState([low, high]).standard_normal (NEP 19), which
// cgan_lib.sampling.latents draws too, so that a seed is the same picture here, in the service and in Python.

const WORDS = 624, MIDDLE = 397; // of the Mersenne Twister (Matsumoto & Nishimura 1998)

/** State of the twister for one number; the array's seeding starts from it. */
function sown(seed) {
  const state = new Uint32Array(WORDS);
  state[0] = seed;
  for (let i = 1; i < WORDS; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  return state;
}

/** State of the twister for an array of 32-bit numbers (`init_by_array`). */
function sownByArray(key) {
  const state = sown(19650218);
  let i = 1;
  const step = (factor, extra) => {
    state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor)) + extra;
    if (++i === WORDS) {
      state[0] = state[WORDS - 1];
      i = 1;
    }
  };
  for (let k = 0; k < WORDS; k++) step(1664525, key[k % key.length] + (k % key.length));
  for (let k = 1; k < WORDS; k++) step(1566083941, -i);
  state[0] = 0x80000000;
  return state;
}

/** Function that gives the twister's next 32 bits. */
function twister(key) {
  const state = sownByArray(key);
  let at = WORDS;
  function refill() {
    for (let i = 0; i < WORDS; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % WORDS] & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  }
  return () => {
    if (at === WORDS) refill();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

/** The first `count` normal numbers of a seed from 0 to 2⁵³ − 1, by the polar method (Marsaglia & Bray 1964). */
export function normals(count, seed) {
  const bits = twister([seed >>> 0, Math.floor(seed / 2 ** 32)]);
  const uniform = () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53; // in [0, 1)
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    let x, y, r2;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      r2 = x * x + y * y;
    } while (r2 >= 1 || r2 === 0);
    const factor = Math.sqrt((-2 * Math.log(r2)) / r2);
    values[i] = factor * y; // NumPy gives the second of a pair first
    if (i + 1 < count) values[i + 1] = factor * x;
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

/** `z` with no number farther from 0 than `truncation`, by the quantiles of the same draw, as sampling.truncate. */
export function truncated(z, truncation) {
  const inside = erf(truncation / Math.SQRT2);
  return z.map((value) => {
    const near = Math.SQRT2 * erfinv(erf(value / Math.SQRT2) * inside);
    return Math.max(-truncation, Math.min(truncation, near));
  });
}
