// A pad to drag on: two directions at once. Its state is that of the two sliders.
import { byId } from "./dom.js";
import { directionName, signed } from "./words.js";

const STEP = 0.1, LEAP = 1; // an arrow key, and one with Shift

/** The pad: `{ show(settings, view) }`. */
export function plane(state) {
  const pad = byId("plane"), dot = byId("plane-dot"), choices = { x: byId("plane-x"), y: byId("plane-y") };
  let settings = null;
  const which = (axis) => Number(choices[axis].value);

  function move(x, y) {
    const bounded = (value) => Number(Math.max(-settings.reach, Math.min(settings.reach, value)).toFixed(1));
    const moves = [...state.view.moves];
    moves[which("x")] = bounded(x);
    moves[which("y")] = bounded(y);
    state.change({ moves }, "plane");
  }

  function fill() {
    for (const [axis, select] of Object.entries(choices)) {
      select.replaceChildren(...settings.directions.map((_, k) => new Option(directionName(settings, k), k)));
      select.value = axis === "x" ? 0 : 1;
    }
  }

  function show(newSettings, view) {
    const another = newSettings !== settings;
    settings = newSettings;
    byId("plane-card").hidden = settings.directions.length < 2;
    if (byId("plane-card").hidden) return;
    if (another) fill();
    const [x, y] = [which("x"), which("y")], place = (value) => `${50 + (50 * value) / settings.reach}%`;
    for (const option of choices.x.options) option.disabled = Number(option.value) === y;
    for (const option of choices.y.options) option.disabled = Number(option.value) === x;
    dot.style.left = place(view.moves[x]);
    dot.style.bottom = place(view.moves[y]);
    pad.setAttribute("aria-valuemin", -settings.reach);
    pad.setAttribute("aria-valuemax", settings.reach);
    pad.setAttribute("aria-valuenow", view.moves[x]);
    const said = [x, y].map((k) => `${directionName(settings, k)} ${signed(view.moves[k])}`).join(", ");
    pad.setAttribute("aria-valuetext", said);
    byId("plane-value").textContent = said;
  }

  function toPointer({ clientX, clientY }) {
    const { left, top, width, height } = pad.getBoundingClientRect(), reach = settings.reach;
    move(reach * ((2 * (clientX - left)) / width - 1), reach * (1 - (2 * (clientY - top)) / height));
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pad.setPointerCapture(event.pointerId);
    pad.focus({ preventScroll: true });
    toPointer(event);
  });
  pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) toPointer(event); });
  pad.addEventListener("dblclick", () => move(0, 0));
  pad.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? LEAP : STEP;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.ctrlKey || event.altKey || event.metaKey || (!ways[event.key] && event.key !== "Home")) return;
    event.preventDefault();
    if (event.key === "Home") return move(0, 0);
    const [dx, dy] = ways[event.key], { moves } = state.view;
    move(moves[which("x")] + dx, moves[which("y")] + dy);
  });
  for (const select of Object.values(choices)) select.addEventListener("change", () => show(settings, state.view));
  return { show };
}
