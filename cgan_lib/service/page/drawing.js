// One request at a time. What is asked for next is the newest state, and an answer is shown unless another class, seed or
// layout was chosen meanwhile: a slider that is being moved shows where it has just been.
import { Trouble } from "./engine.js";

const chosen = ({ model, value, seed, index, grid, gridSize }) => [model, value, seed, index, grid, gridSize].join();

/** What an error says to people. */
export const sentence = (error) => (error instanceof Trouble ? error.message : `It could not be drawn: ${error.message}`);

/**
 * Follows a state: `{ follow() }`, to be called after each change. `show(picture, view)` takes what was drawn, `tell(error)`
 * what went wrong and null when nothing did, `done()` is called when there is no more to do.
 */
export function drawing({ state, engineOf, show, tell, done }) {
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
      tell(error);
      const again = error instanceof Trouble ? error.again : null;
      if (again === null) drawn = asked; // until something is changed, or by the button
      else await pause(again);
    }
  }

  window.addEventListener("online", () => wake?.());
  return {
    async follow() {
      if (running) return;
      running = true;
      while (drawn !== state.version) await once();
      running = false;
      done();
    },
    retry() {
      drawn = -1;
      this.follow();
    },
  };
}
