// A control for each part of a class: buttons, or a list where there would be many.
import { make } from "./dom.js";

const MOST_WORDS = 12, MOST_SIGNS = 40; // buttons that are faster to use than a list; signs have one letter
const areSigns = (names) => names.every((name) => [...name].length === 1);

/** A list of a part's values to choose from. */
export function list({ values }, properties, take) {
  const options = values.map((name, i) => make("option", { value: i, textContent: name, dir: "auto" }));
  const select = make("select", properties, ...options);
  select.addEventListener("change", () => take(Number(select.value)));
  return select;
}

function buttons({ values }, properties, take) {
  const all = values.map((name, i) => {
    const button = make("button", { type: "button", textContent: name, dir: "auto" });
    button.addEventListener("click", () => take(i));
    return button;
  });
  const className = areSigns(values) ? (values.length > 10 ? "digits many" : "digits") : "digits words";
  return make("div", { className, role: "group", ...properties }, ...all);
}

/** The control of a part: `{ element, show(number) }`; `take(number)` is called when another value is chosen. */
export function chooser(part, properties, take) {
  const few = part.values.length <= (areSigns(part.values) ? MOST_SIGNS : MOST_WORDS);
  const element = (few ? buttons : list)(part, { ...properties, "aria-label": part.name }, take);
  return {
    element,
    show(number) {
      if (few) [...element.children].forEach((button, i) => button.setAttribute("aria-pressed", i === number));
      else element.value = number;
    },
  };
}
