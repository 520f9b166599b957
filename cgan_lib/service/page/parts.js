// The parts of the page: one is shown, the one that the end of the address names.
import { byId } from "./dom.js";

const PARTS = ["draw", "write", "guess"];

/** Show the part that is asked for, of those that `offered(name)` allows, and give its name. */
export function showPart(offered) {
  const asked = location.hash.slice(1), shown = PARTS.includes(asked) && offered(asked) ? asked : "draw";
  for (const name of PARTS) {
    const link = byId(`to-${name}`);
    link.hidden = !offered(name);
    byId(`${name}-part`).hidden = name !== shown;
    if (name === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector(`#${shown}-part .slot`).append(byId("loading"), byId("status"));
  return shown;
}
