// ipywidgets gives its sliders no names, its readouts no roles and its toggle buttons no state. They get them here: for
// those who hear the page, and as far as the widget reaches that this one is put into.
const ROOT = ".cgan-studio";

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element?.setAttribute(name, value);
}

function label(row) {
  return row.querySelector(".widget-label")?.textContent ?? "";
}

function nameAll(root) {
  for (const row of root.querySelectorAll(".widget-slider")) {
    const readout = row.querySelector(".widget-readout");
    const name = label(row), value = readout?.textContent;
    set(row.querySelector(".noUi-handle"), { "aria-label": name });
    set(row.querySelector(".ui-slider-handle"), { role: "slider", "aria-label": name, "aria-valuenow": value }); // of 7
    set(readout, { role: "textbox", "aria-label": `${name}, as a number` });
  }
  for (const row of root.querySelectorAll(".widget-toggle-buttons")) {
    set(row, { role: "group", "aria-label": label(row) });
    for (const button of row.querySelectorAll(".widget-toggle-button")) {
      set(button, { "aria-pressed": button.classList.contains("mod-active") });
    }
  }
  for (const message of root.querySelectorAll(".cgan-message")) set(message, { role: "status" });
}

function render({ el }) {
  let observer = null;
  const waiting = setInterval(() => {
    const root = el.closest(ROOT);
    if (!root) return; // it is not on the page yet
    clearInterval(waiting);
    observer = new MutationObserver(() => nameAll(root));
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributeFilter: ["class"] });
    nameAll(root);
  }, 50);
  return () => {
    clearInterval(waiting);
    observer?.disconnect();
  };
}

export default { render };
