// The page: reads studio.json, and lets its parts draw, write and ask what is real, by the engine of the chosen generator.
import { controls } from "./controls.js";
import { announce, byId, remember, remembered } from "./dom.js";
import { drawing, sentence } from "./drawing.js";
import { openEngine, Trouble } from "./engine.js";
import { numbers } from "./numbers.js";
import { LOOKS, paint } from "./picture.js";
import { plane } from "./plane.js";
import { gifSaver, player } from "./play.js";
import { quiz } from "./quiz.js";
import { fromQuery, ofModel, State, toQuery } from "./state.js";
import { tiles } from "./tiles.js";
import { areDigits, details, fileName, subject } from "./words.js";

const SOON = 150; // ms without a change before the address says what is set
const PARTS = ["draw", "write", "guess"];
const main = byId("studio"), canvas = byId("picture");

/** Show what went wrong, with a button that calls `again` where waiting will not mend it; nothing for null. */
function tell(error, again) {
  const waits = error instanceof Trouble && error.again !== null;
  byId("status").hidden = !error;
  byId("message").textContent = error ? sentence(error) : "";
  byId("retry").hidden = !error || waits;
  byId("retry").onclick = again;
  if (error) announce(sentence(error));
}

function start({ models, docs }) {
  const settingsOf = (view) => models[view.model];
  const engines = new Map();
  let shown = null, built = null, part = null, later = null;

  function progress(fraction) {
    byId("loading").hidden = fraction >= 1;
    byId("progress").value = fraction;
  }

  async function open(settings) {
    byId("about").textContent = `Loading “${settings.name}” …`;
    const engine = await openEngine(settings, progress);
    byId("about").textContent = `The generator “${settings.name}” ${engine.about}`;
    return engine;
  }

  function engineOf({ model }) {
    if (!engines.has(model)) {
      engines.set(model, open(models[model]));
      engines.get(model).catch(() => { engines.delete(model); progress(1); });
    }
    return engines.get(model);
  }

  function look() {
    if (byId("pixels").ariaPressed === "true") return LOOKS.pixels;
    return LOOKS[settingsOf(state.view).class_names.every((name) => name.length === 1) ? "strokes" : "greys"];
  }

  function show(picture, view) {
    const settings = settingsOf(view), said = subject(settings, view);
    shown = picture;
    paint(canvas, picture, look());
    canvas.setAttribute("aria-label", `Drawn: ${said}`);
    byId("caption").textContent = `${said} · ${details(settings, view, models.length > 1)}`;
    byId("download").download = `${fileName(settings, view)}.png`;
    grid.show(picture);
    announce(`Drawn: ${said}`);
  }

  function address() {
    const query = toQuery(models, state.view);
    writer.toQuery(query);
    return `?${query}${location.hash}`;
  }

  function addressed() {
    clearTimeout(later);
    later = null;
    history.replaceState(null, "", address());
  }

  function addressSoon() {
    clearTimeout(later); // while a slider moves, the address stands still
    later = setTimeout(addressed, SOON);
  }

  function update(view) {
    const settings = settingsOf(view);
    if (settings !== built) {
      built = settings;
      surface.build(settings);
      byId("model").value = view.model;
      byId("to-write").hidden = !areDigits(settings);
      showPart();
    }
    surface.show(view);
    pad.show(settings, view);
    engineOf(view).catch(() => {}); // which the part that asks for it tells of
    addressSoon();
    main.dataset.state = "drawing";
    if (part === "draw") picture.follow();
    if (part === "write") writer.show(view);
    if (part === "guess") quizzer.show(view);
  }

  function showPart() {
    const wanted = location.hash.slice(1), digits = areDigits(settingsOf(state.view));
    part = PARTS.includes(wanted) && (wanted !== "write" || digits) ? wanted : "draw";
    for (const name of PARTS) {
      byId(`${name}-part`).hidden = name !== part;
      if (name === part) byId(`to-${name}`).setAttribute("aria-current", "page");
      else byId(`to-${name}`).removeAttribute("aria-current");
    }
    document.querySelector(`#${part}-part .slot`).append(byId("loading"), byId("status"));
    byId("title").textContent = digits ? "Draw a digit" : "Draw a picture";
    document.title = part === "draw" ? byId("title").textContent : byId(`to-${part}`).textContent;
  }

  function goOnFrom(place) {
    state.change({ grid: false, index: Math.min(state.view.index + place, 99) });
    byId("single").focus(); // the button that was pressed is gone
  }

  function showPixels() {
    byId("pixels").setAttribute("aria-pressed", byId("pixels").ariaPressed !== "true");
    if (shown) paint(canvas, shown, look());
  }

  async function copy({ currentTarget: button }) {
    addressed();
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
      announce("The link is copied");
      setTimeout(() => { button.textContent = before; }, 2000);
    } catch {
      tell(new Trouble("The browser does not let this page copy: copy the address at the top of the window."), () => tell(null));
    }
  }

  function onKey(event) {
    const key = event.key.toLowerCase(), typing = event.target.matches?.("input:not([type=range]), select, textarea");
    if (typing || event.altKey || part !== "draw") return;
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) state.redo();
      else state.undo();
    } else if (byId("shortcuts").checked) {
      if (/^\d$/.test(key) && Number(key) < built.class_names.length) surface.choose(Number(key));
      else if (key === "n") surface.another();
      else if (key === "g") surface.layOut(!state.view.grid);
      else if (key === "p") showPixels();
    }
  }

  const query = new URLSearchParams(location.search);
  const state = new State(fromQuery(models, query), update);
  const surface = controls(state), pad = plane(state), grid = tiles(goOnFrom);
  const done = () => { main.dataset.state = byId("status").hidden ? "ready" : "error"; };
  const picture = drawing({ state, engineOf, show, tell: (error) => tell(error, () => picture.retry()), done });
  const writer = numbers({ state, engineOf, tell, changed: addressSoon });
  const quizzer = quiz({ settingsOf, engineOf, look, tell });
  player(state);
  gifSaver({ settingsOf, state, engineOf, look, tell });

  byId("model-field").hidden = models.length < 2;
  byId("model").append(...models.map(({ name }, i) => new Option(name, i)));
  byId("model").addEventListener("change", ({ target }) => state.change(ofModel(models, Number(target.value), state.view)));
  byId("footer").hidden = !docs;
  if (docs) byId("docs").href = docs;
  byId("pixels").addEventListener("click", showPixels);
  byId("download").addEventListener("click", () => { byId("download").href = canvas.toDataURL("image/png"); });
  byId("copy").addEventListener("click", copy);
  byId("copy-number").addEventListener("click", copy);
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  byId("shortcuts").checked = remembered("shortcuts", true);
  byId("shortcuts").addEventListener("change", ({ target }) => remember("shortcuts", target.checked));
  document.addEventListener("keydown", onKey);
  window.addEventListener("popstate", () => {
    if (later) addressed(); // what was just set belongs to the entry that is now shown
    else state.take(fromQuery(models, new URLSearchParams(location.search)));
  });
  window.addEventListener("hashchange", () => { showPart(); update(state.view); });
  window.addEventListener("pagehide", () => { if (later) addressed(); });
  new ResizeObserver(([{ target }]) => { // what is focused must not hide behind the picture
    document.documentElement.style.setProperty("--stage", `${target.offsetHeight}px`);
  }).observe(document.querySelector(".stage"));

  writer.fromQuery(query);
  update(state.view);
}

async function begin() {
  try {
    const answer = await fetch("studio.json");
    if (!answer.ok) throw new Error(`studio.json: status ${answer.status}`);
    start(await answer.json());
  } catch (error) {
    byId("about").textContent = "";
    main.dataset.state = "error";
    for (const part of document.querySelectorAll("fieldset")) part.disabled = true; // there is nothing to change
    tell(new Trouble(`This page could not be set up (${error.message}).`), () => location.reload());
  }
}

begin();
