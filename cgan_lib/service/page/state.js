// What is to be drawn, a `view` { model, value, toward, share, moves, truncation, seed, index, grid, gridSize }: where
// it begins, how it stands in an address, and how a change is undone.

export const OFF = 3; // at this end of its slider, nothing is truncated
export const MAX_SEED = 2 ** 31 - 1;
export const MAX_INDEX = 99;
const STEPS = 200; // that can be undone
const TOGETHER = 800; // ms within which moves of one slider are undone at once

/** Of `models`, the one `model`, as it is first shown: a hand that writes all ten digits well. */
function firstView(models, model = 0) {
  const last = models[model].class_names.length - 1;
  return {
    model, value: Math.min(3, last), toward: last > 3 ? Math.min(8, last) : 0, share: 0,
    moves: models[model].directions.map(() => 0), truncation: null, seed: 426, index: 0, grid: false, gridSize: 4,
  };
}

/** The same view for another generator, as far as that has what was set. */
export function ofModel(models, model, view) {
  const first = firstView(models, model), { class_names: names, max_grid: most, mixes } = models[model];
  const known = (value, otherwise) => { // the class of the same name, or else of the same number
    const same = names.indexOf(models[view.model].class_names[value]);
    return same >= 0 ? same : value < names.length ? value : otherwise;
  };
  return {
    ...first, seed: view.seed, index: view.index, grid: view.grid, gridSize: Math.min(view.gridSize, most),
    truncation: view.truncation, value: known(view.value, first.value), toward: known(view.toward, first.toward),
    share: mixes ? view.share : 0,
  };
}

/** `view` as the query of an address; what is as at first is left out, but for class and seed: those may change. */
export function toQuery(models, view) {
  const settings = models[view.model], names = settings.class_names, query = new URLSearchParams();
  if (models.length > 1) query.set("model", settings.name);
  query.set("class", names[view.value]);
  query.set("seed", view.seed);
  if (view.index) query.set("index", view.index);
  if (view.share) query.set("toward", names[view.toward]);
  if (view.share) query.set("share", view.share);
  if (view.moves.some((move) => move)) query.set("moves", view.moves.join());
  if (view.truncation !== null) query.set("truncation", view.truncation);
  if (view.grid) query.set("grid", view.gridSize);
  return query;
}

/** A view from the query of an address; what is missing or wrong in it is as at first. */
export function fromQuery(models, query) {
  const named = models.findIndex(({ name }) => name === query.get("model"));
  const view = firstView(models, Math.max(named, 0)), settings = models[view.model];
  const number = (key, least, most, whole = true) => {
    const text = query.get(key), value = Number(text);
    return text?.trim() && value >= least && value <= most && (!whole || Number.isInteger(value)) ? value : null;
  };
  const name = (key, otherwise) => {
    const found = settings.class_names.indexOf(query.get(key));
    return found < 0 ? otherwise : found;
  };
  const moves = (query.get("moves") ?? "").split(",").map((text) => (text.trim() ? Number(text) : NaN));
  const within = (move) => Math.abs(move) <= settings.reach; // which NaN is not
  view.value = name("class", view.value);
  if (view.value === view.toward) view.toward = firstView(models, view.model).value; // nothing becomes itself
  view.toward = name("toward", view.toward);
  view.seed = number("seed", 0, MAX_SEED) ?? view.seed;
  view.index = number("index", 0, MAX_INDEX) ?? 0;
  view.share = settings.mixes && view.toward !== view.value ? number("share", 0, 1, false) ?? 0 : 0;
  if (moves.length === view.moves.length && moves.every(within)) view.moves = moves;
  view.truncation = number("truncation", 0.2, OFF, false);
  const grid = number("grid", 1, settings.max_grid);
  return grid ? { ...view, grid: true, gridSize: grid } : view;
}

/** The view of a page; `onChange(view)` is called after each change. */
export class State {
  constructor(view, onChange) {
    Object.assign(this, { view, onChange, version: 0, past: [], future: [], lastSlide: null, lastTime: -Infinity });
  }

  /** Change `part` of the view; what follows by the same `slide`, within `together` ms, is undone together with it. */
  change(part, slide = null, together = TOGETHER) {
    const now = performance.now();
    const goesOn = slide !== null && slide === this.lastSlide && now - this.lastTime < together;
    if (!goesOn) this.past = [...this.past.slice(1 - STEPS), this.view];
    this.future = [];
    Object.assign(this, { lastSlide: slide, lastTime: now });
    this.take({ ...this.view, ...part });
  }

  /** Show another view, of which undo knows nothing. */
  take(view) {
    this.view = view;
    this.version += 1;
    this.onChange(view);
  }

  undo() {
    if (!this.past.length) return;
    this.future.push(this.view);
    this.lastSlide = null;
    this.take(this.past.pop());
  }

  redo() {
    if (!this.future.length) return;
    this.past.push(this.view);
    this.lastSlide = null;
    this.take(this.future.pop());
  }
}
