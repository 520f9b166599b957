// Keys that work wherever the focus is, but where something is typed. Single ones can be switched off, for who speaks
// to the computer or hits keys by mistake (WCAG 2.1.4).
import { byId, remember, remembered } from "./dom.js";

/** `single`: key → what it does; `state`: what Ctrl+Z takes back; `awake()`: whether keys are wanted now. */
export function keys(single, state, awake) {
  const box = byId("shortcuts");
  box.checked = remembered("shortcuts", true);
  box.addEventListener("change", () => remember("shortcuts", box.checked));

  function withControl(key, shift) {
    if (key === "y" || (key === "z" && shift)) state.redo();
    else if (key === "z") state.undo();
    else return false;
    return true;
  }

  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase(), typing = event.target.matches?.("select, [type=number], [type=text]");
    if (typing || event.altKey || !awake()) return;
    if (event.ctrlKey || event.metaKey) {
      if (withControl(key, event.shiftKey)) event.preventDefault();
    } else if (box.checked) single[key]?.();
  });
}
