// The images of a grid as buttons: to go on from one of them. One can be reached by Tab, the others from it by arrows.
import { byId, make } from "./dom.js";

/** Buttons over the picture: `{ show(picture, most) }`, for the first `most`; `goOn(place)` takes one chosen. */
export function tiles(goOn) {
  const frame = byId("tiles");
  let columns = 0;

  function build(count) {
    frame.replaceChildren(...Array.from({ length: count }, (_, n) => {
      const button = make("button", { type: "button", tabIndex: n ? -1 : 0, "aria-label": `Go on from no. ${n + 1}` });
      button.addEventListener("click", () => goOn(n));
      return button;
    }));
    frame.style.setProperty("--columns", columns);
  }

  function move(event) {
    const buttons = [...frame.children], here = buttons.indexOf(document.activeElement), column = here % columns;
    const goals = {
      ArrowLeft: column > 0 ? here - 1 : here, ArrowRight: column < columns - 1 ? here + 1 : here,
      ArrowUp: here - columns, ArrowDown: here + columns, Home: 0, End: buttons.length - 1,
    };
    if (event.ctrlKey || event.altKey || event.metaKey || !(event.key in goals)) return;
    event.preventDefault();
    const goal = buttons[goals[event.key]];
    if (!goal) return;
    buttons[here].tabIndex = -1;
    goal.tabIndex = 0;
    goal.focus();
  }

  frame.addEventListener("keydown", move);
  return {
    show(picture, most) {
      const one = picture.columns < 2, count = Math.min(picture.columns ** 2, most);
      if (one && frame.contains(document.activeElement)) byId("single").focus(); // what has the focus goes
      frame.hidden = one;
      if (one || (columns === picture.columns && frame.children.length === count)) return;
      columns = picture.columns;
      build(count);
    },
  };
}
