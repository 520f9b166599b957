// Classes: what they are called, and what they are made of where a class has several attributes.

/** Whether images are of single signs, drawn with a pen. */
export const areStrokes = ({ class_names: names, channels }) => (
  channels !== 3 && names.every((name) => name.length === 1));

/** Whether classes are the ten digits, so that a number can be written with them. */
export const areDigits = ({ class_names: names }) => names.join() === "0,1,2,3,4,5,6,7,8,9";

/** What a class is made of, each part with a name and its values: the attributes, or the class itself. */
export function partsOf(settings) {
  const whole = { name: areDigits(settings) ? "Digit" : "Class", values: settings.class_names };
  return settings.attributes.length ? settings.attributes : [whole];
}

/** A class as the number of a value of each part; the last counts fastest. */
export function split(parts, label) {
  const numbers = [];
  for (const { values } of [...parts].reverse()) {
    numbers.unshift(label % values.length);
    label = Math.floor(label / values.length);
  }
  return numbers;
}

/** The class whose part `k` has the number `number`, and whose others are those of the class `label`. */
export function withPart(parts, label, k, number) {
  const numbers = split(parts, label);
  numbers[k] = number;
  return parts.reduce((joined, { values }, i) => joined * values.length + numbers[i], 0);
}

/** What a class is called: by its attributes, if it has several. */
export function nameOf(settings, label) {
  const parts = partsOf(settings), numbers = split(parts, label);
  return parts.map(({ values }, k) => values[numbers[k]]).join(", ");
}

/** The class after the key of a digit: of that name, or of that number where no name is one; null for none. */
export function ofKey(settings, label, digit) {
  const parts = partsOf(settings), k = Math.max(0, parts.findIndex(({ values }) => values.includes(digit)));
  const { values } = parts[k], numbered = !values.some((name) => /^\d+$/.test(name));
  const number = numbered ? Number(digit) : values.indexOf(digit);
  return values[number] === undefined ? null : withPart(parts, label, k, number);
}
