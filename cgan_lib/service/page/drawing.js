// One request at a time. What is asked for next is the newest state, and an answer is shown unless another class, seed
// or layout was chosen meanwhile: a slider that is being moved shows where it has just been.
import { passes, tell } from "./status.js";

const chosen = ({ model, value, seed, index, grid, gridSize }) => [model, value, seed, index, grid, gridSize].join();

/** Follows a state: `{ follow() }`, to be called after each change. `show(picture, view)` takes what was drawn. */
export function drawing({ state, engineOf, show, done }) {
  let drawn = -1, running = false, wake = null;
  const pause = (ms) => new Promise((resolve) => { wake = resolve; setTimeout(resolve, ms); });

  async function once() {
    const asked = state.version, wanted = state.view;
    try {
      const picture = await (await engineOf(wanted)).draw(wanted);
      drawn = asked;
      if (asked === state.version || chosen(wanted) === chosen(state.view)) show(picture, wanted);
      tell(null);
    } catch (error) {
      tell(error, again);
      if (passes(error)) await pause(error.again);
      else drawn = asked; // until something is changed, or by the button
    }
  }

  async function follow() {
    if (running) return;
    running = true;
    while (drawn !== state.version) await once();
    running = false;
    done();
  }

  function again() {
    drawn = -1;
    follow();
  }

  window.addEventListener("online", () => wake?.());
  return { follow };
}
