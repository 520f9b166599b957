// GIF89a (CompuServe 1990): frames of one palette, compressed by LZW (Welch 1984), shown over and over.

const BITS = 8; // of an index into the palette
const CLEAR = 1 << BITS, END = CLEAR + 1, MOST_CODES = 4096;

const all = (colour) => Array.from({ length: 256 }, (_, n) => colour(n));
const sixth = (grey) => Math.round(grey / 51);

// 256 colours, and from a colour (0xBBGGRR) to its place among them; of the greys every fourth is used, for small files
const GREYS = { colours: all((n) => [n, n, n]), place: (word) => ((word & 255) > 251 ? 255 : word & 0xfc) };
const CUBE = {
  colours: all((n) => [n / 36, n / 6, n].map((digits) => 51 * (Math.floor(digits) % 6))),
  place: (word) => 36 * sixth(word & 255) + 6 * sixth((word >> 8) & 255) + sixth((word >> 16) & 255),
};
export const PALETTES = { grey: GREYS, colour: CUBE };

/** `frames` [{ places: indices into 256 `colours`, row by row; delay: in 1/100 s }] as the bytes of a file. */
export function encodeGif(frames, width, height, colours) {
  const bytes = [];
  const short = (number) => bytes.push(number & 255, number >> 8);
  const text = (letters) => { for (const letter of letters) bytes.push(letter.charCodeAt(0)); };
  text("GIF89a");
  short(width);
  short(height);
  bytes.push(0xf7, 0, 0); // a palette of 256 colours
  for (const colour of colours) bytes.push(...colour);
  bytes.push(0x21, 0xff, 11);
  text("NETSCAPE2.0");
  bytes.push(3, 1, 0, 0, 0); // without end
  for (const { places, delay } of frames) {
    bytes.push(0x21, 0xf9, 4, 4);
    short(delay);
    bytes.push(0, 0, 0x2c, 0, 0, 0, 0);
    short(width);
    short(height);
    bytes.push(0, BITS);
    const data = compressed(places);
    for (let at = 0; at < data.length; at += 255) {
      const block = data.slice(at, at + 255);
      bytes.push(block.length, ...block);
    }
    bytes.push(0);
  }
  bytes.push(0x3b);
  return new Uint8Array(bytes);
}

/** LZW with codes that grow from nine bits to twelve, the lowest bit first. */
function compressed(places) {
  const bytes = [];
  let held = 0, count = 0, size = BITS + 1, next = END + 1, known = new Map();
  const put = (code) => {
    held |= code << count;
    for (count += size; count >= 8; count -= 8, held >>>= 8) bytes.push(held & 255);
  };
  put(CLEAR);
  let code = places[0];
  for (let at = 1; at < places.length; at++) {
    const longer = (code << BITS) | places[at];
    if (known.has(longer)) {
      code = known.get(longer);
      continue;
    }
    put(code);
    if (next < MOST_CODES) {
      known.set(longer, next);
      if (next++ === 1 << size) size += 1; // the decoder is one code behind
    } else {
      put(CLEAR);
      [size, next, known] = [BITS + 1, END + 1, new Map()];
    }
    code = places[at];
  }
  put(code);
  put(END);
  if (count) bytes.push(held & 255);
  return bytes;
}
