// The controls of what is drawn: they change the state, and show it.
import { chooser, list } from "./chooser.js";
import { partsOf, split, withPart } from "./classes.js";
import { byId, make } from "./dom.js";
import { MAX_SEED, OFF } from "./state.js";
import { directionName, percent, signed } from "./words.js";

const PERCENTAGES = "Percent: how much of all that the noise changes, behind the first layer, lies that way.";
const SEEDS = 1e4; // to draw one from: few enough to tell a friend

/** How a slider is drawn: filled from where it rests to where it is. */
function fillTrack(slider) {
  const { min, max, value, dataset } = slider, rest = dataset.rest === max ? min : Number(dataset.rest ?? min);
  const place = (number) => `${(100 * (number - min)) / (max - min)}%`;
  slider.style.setProperty("--from", place(Math.min(value, rest)));
  slider.style.setProperty("--to", place(Math.max(value, rest)));
}

/** Let a slider show a value, in `words`. */
function showSlider(id, value, words) {
  const slider = byId(id);
  slider.value = value;
  slider.setAttribute("aria-valuetext", words);
  byId(`${id}-value`).textContent = words;
  fillTrack(slider);
}

/** A button without effect: not `disabled`, which would take the focus away. */
const setIdle = (id, idle) => byId(id).setAttribute("aria-disabled", idle);

/** The controls of `state`: `{ build(settings), show(view), choose, another, layOut }`. */
export function controls(state) {
  let settings = null, parts = [], choosers = [], goals = []; // a chooser for each part of a class; lists, of the other

  function slider(id, part) {
    const input = byId(id), take = (value) => state.change(part(value), id);
    input.addEventListener("input", () => take(Number(input.value)));
    input.addEventListener("dblclick", () => {
      if (input.dataset.rest !== undefined) take(Number(input.dataset.rest));
    });
  }

  function choose(value) {
    const { view } = state;
    state.change({ value, toward: value === view.toward ? view.value : view.toward }); // nothing becomes itself
  }

  const another = () => state.change({ seed: Math.floor(Math.random() * SEEDS), index: 0 });
  const layOut = (grid) => state.change({ grid });

  /** `values` with the one at `k` replaced. */
  const replaced = (values, k, value) => values.map((old, i) => (i === k ? value : old));

  function addDirection(k) {
    const id = `move-${k}`, share = settings.directions[k].share, { reach } = settings;
    byId("directions").append(make("div", { className: "slider" },
      make("label", { htmlFor: id }, directionName(settings, k), " ",
        make("small", { textContent: `${(100 * share).toFixed(1)}%` })),
      make("span", { className: "value", id: `${id}-value`, "aria-hidden": true }),
      make("input", { id, type: "range", min: -reach, max: reach, step: 0.1, "data-rest": 0 })));
    slider(id, (value) => ({ moves: replaced(state.view.moves, k, value) }));
  }

  /** With several parts, each below its name. */
  function headed(part, element) {
    if (parts.length === 1) return [element];
    return [make("p", { className: "part-name", textContent: part.name, dir: "auto" }), element];
  }

  function buildClasses() {
    parts = partsOf(settings);
    choosers = parts.map((part, k) => (
      chooser(part, { id: k ? `class-${k}` : "digits" }, (n) => choose(withPart(parts, state.view.value, k, n)))));
    const named = (part, k) => (k ? { id: `toward-${k}`, "aria-label": part.name } : { id: "toward" });
    goals = parts.map((part, k) => list(part, named(part, k),
      (n) => state.change({ toward: withPart(parts, state.view.toward, k, n) })));
    byId("classes-title").textContent = parts.length > 1 ? "Class" : parts[0].name;
    byId("classes").replaceChildren(...choosers.flatMap(({ element }, k) => headed(parts[k], element)));
    byId("goals").replaceChildren(...goals);
    byId("goals").parentElement.classList.toggle("words", settings.class_names.some((name) => [...name].length > 3));
  }

  function build(newSettings) {
    settings = newSettings;
    buildClasses();
    byId("directions").replaceChildren();
    settings.directions.forEach((_, k) => addDirection(k));
    const hint = make("p", { className: "hint", textContent: PERCENTAGES });
    if (settings.directions.length) byId("directions").append(hint);
    byId("mixing").hidden = !settings.mixes || settings.class_names.length < 2;
    byId("grid-size").max = settings.max_grid;
  }

  function show(view) {
    const numbers = split(parts, view.value), toward = split(parts, view.toward);
    choosers.forEach((one, k) => one.show(numbers[k]));
    goals.forEach((one, k) => { one.value = toward[k]; });
    if (parts.length === 1) [...goals[0].options].forEach((option, i) => { option.disabled = i === view.value; });
    byId("single").setAttribute("aria-pressed", !view.grid);
    byId("grid").setAttribute("aria-pressed", view.grid);
    byId("size-slider").hidden = !view.grid;
    showSlider("grid-size", view.gridSize, `${view.gridSize} × ${view.gridSize}`);
    showSlider("share", view.share, percent(view.share));
    showSlider("truncation", view.truncation ?? OFF, view.truncation === null ? "off" : view.truncation.toFixed(2));
    view.moves.forEach((move, k) => showSlider(`move-${k}`, move, signed(move)));
    setIdle("reset", view.moves.every((move) => move === 0) && view.share === 0 && view.truncation === null);
    setIdle("undo", !state.past.length);
    setIdle("redo", !state.future.length);
    if (document.activeElement !== byId("seed")) byId("seed").value = view.seed;
  }

  slider("share", (share) => ({ share }));
  slider("truncation", (value) => ({ truncation: value >= OFF ? null : value }));
  slider("grid-size", (gridSize) => ({ gridSize }));
  byId("another").addEventListener("click", () => { byId("seed").blur(); another(); });
  byId("another-hand").addEventListener("click", another);
  byId("single").addEventListener("click", () => layOut(false));
  byId("grid").addEventListener("click", () => layOut(true));
  byId("undo").addEventListener("click", () => state.undo());
  byId("redo").addEventListener("click", () => state.redo());
  byId("reset").addEventListener("click", () => {
    if (byId("reset").ariaDisabled === "true") return;
    state.change({ share: 0, truncation: null, moves: state.view.moves.map(() => 0) });
  });
  byId("seed").addEventListener("input", ({ target }) => {
    const seed = Number(target.value);
    if (target.value === "" || !Number.isInteger(seed) || seed < 0 || seed > MAX_SEED) return; // still typing
    state.change({ seed, index: 0 }, "seed");
  });
  byId("seed").addEventListener("blur", () => show(state.view)); // what is no seed gives way to the one that is drawn
  return { build, show, choose, another, layOut };
}
