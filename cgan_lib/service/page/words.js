// What is drawn, in words: for captions, for what a screen reader says, and for the names of files.

import { nameOf } from "./classes.js";

const isRightToLeft = (name) => /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/.test(name);
/** A name that does not turn round what stands beside it. */
const apart = (name) => (isRightToLeft(name) ? `\u2068${name}\u2069` : name);
const article = (name) => (/^(8|[aeiou])/i.test(name) ? "an" : "a");
const takesArticle = (name) => name.length === 1 || /^[a-z]/i.test(name); // no other could be read aloud
const capital = (name) => name[0].toUpperCase() + name.slice(1);
export const signed = (move) => (move > 0 ? "+" : "") + move.toFixed(1).replace("-", "−");
export const percent = (share) => `${Math.round(100 * share)}%`;

/** The name of a direction, for its slider. */
export const directionName = (settings, k) => capital(settings.directions[k].name);

const towards = (view) => view.share > 0 && view.toward !== view.value;

/** "an 8, 5% of the way to a 3", "16 different 8s". */
export function subject(settings, view) {
  const { value, toward, share, grid, gridSize } = view, plain = nameOf(settings, value), name = apart(plain);
  const called = (label) => {
    const name = nameOf(settings, label), plain = !settings.attributes.length && takesArticle(name);
    return `${plain ? `${article(name)} ` : ""}${apart(name)}`;
  };
  const goal = called(toward);
  const way = towards(view) ? `, ${Math.round(100 * share)}% of the way to ${goal}` : "";
  if (grid && gridSize > 1) return `${gridSize ** 2} ${plain.length === 1 ? `different ${name}s` : `× ${name}`}${way}`;
  return `${called(value)}${way}`;
}

/** All that was set, besides the subject: moved sliders, truncation, seed, number of the latent, generator. */
export function details(settings, view, several) {
  const name = (k) => directionName(settings, k).toLowerCase();
  return [
    ...view.moves.flatMap((move, k) => (move ? [`${name(k)} ${signed(move)}`] : [])),
    ...(view.truncation === null ? [] : [`variety ${view.truncation.toFixed(2)}`]),
    `seed ${view.seed}${view.index ? `, no. ${view.index + 1}` : ""}`,
    ...(several ? [settings.name] : []),
  ].join(" · ");
}

/** The same, but for the generator, as parts of the name of a file. */
const hand = (settings, { moves, truncation, seed, index }) => [
  ...moves.flatMap((move, k) => (move ? [`${directionName(settings, k)}${move > 0 ? "+" : ""}${move}`] : [])),
  ...(truncation === null ? [] : [`truncation${truncation}`]),
  `seed${seed}`,
  ...(index ? [`index${index}`] : []),
];

const joined = (parts) => parts.map((part) => part.replace(/[^\p{L}\p{N}+.-]+/gu, "-")).join("_");

/** A name for a file that holds all that was set, without its ending. */
export function fileName(settings, view) {
  const names = settings.class_names;
  return joined([
    names[view.value],
    ...(towards(view) ? [`to${names[view.toward]}-${Math.round(100 * view.share)}`] : []),
    ...hand(settings, view),
    ...(view.grid ? [`grid${view.gridSize}`] : []),
    settings.name,
  ]);
}

/** The same for a number that was written, by another hand for `each` digit or by one. */
export function numberName(settings, view, text, each) {
  return joined([text.replace(/\D+/g, "-"), ...hand(settings, view), ...(each ? ["each"] : []), settings.name]);
}
