// The page: reads studio.json; its parts draw, write and ask what is real, by the engine of the chosen generator.
import { address } from "./address.js";
import { areDigits, areStrokes, ofKey } from "./classes.js";
import { controls } from "./controls.js";
import { announce, byId } from "./dom.js";
import { drawing } from "./drawing.js";
import { Trouble } from "./engine.js";
import { engines } from "./engines.js";
import { keys } from "./keys.js";
import { numbers } from "./numbers.js";
import { showPart } from "./parts.js";
import { LOOKS, paint } from "./picture.js";
import { plane } from "./plane.js";
import { gifSaver, player } from "./play.js";
import { quiz } from "./quiz.js";
import { fromQuery, MAX_INDEX, ofModel, State, toQuery } from "./state.js";
import { tell } from "./status.js";
import { tiles } from "./tiles.js";
import { details, fileName, subject } from "./words.js";

function start({ models, docs }) {
  const canvas = byId("picture"), main = byId("studio"), settingsOf = (view) => models[view.model];
  let shown = null, built = null, part = null;

  const isPixels = () => byId("pixels").ariaPressed === "true";
  const look = () => LOOKS[isPixels() ? "pixels" : areStrokes(settingsOf(state.view)) ? "strokes" : "greys"];

  function show(picture, view) {
    const settings = settingsOf(view), said = subject(settings, view);
    shown = picture;
    paint(canvas, picture, look());
    canvas.setAttribute("aria-label", `Drawn: ${said}`);
    byId("caption").textContent = `${said} · ${details(settings, view, models.length > 1)}`;
    byId("download").download = `${fileName(settings, view)}.png`;
    grid.show(picture, MAX_INDEX + 1 - view.index);
    announce(`Drawn: ${said}`);
  }

  function showPixels() {
    byId("pixels").setAttribute("aria-pressed", !isPixels());
    if (shown) paint(canvas, shown, look());
  }

  /** Lay the page out for another generator, or another part of it. */
  function arrange() {
    const settings = settingsOf(state.view), digits = areDigits(settings), before = part;
    part = showPart((name) => name !== "write" || digits);
    if (part !== before) play.stop();
    byId("title").textContent = digits ? "Draw a digit" : "Draw a picture";
    document.title = part === "draw" ? byId("title").textContent : byId(`to-${part}`).textContent;
    if (settings === built) return;
    built = settings;
    surface.build(settings);
    byId("model").value = state.view.model;
  }

  function update(view) {
    if (settingsOf(view) !== built) arrange();
    surface.show(view);
    pad.show(settingsOf(view), view);
    place.soon();
    main.dataset.state = "drawing";
    if (part === "draw") picture.follow();
    if (part === "write") writer.show(view);
    if (part === "guess") quizzer.show(view);
  }

  function query() {
    const said = toQuery(models, state.view);
    writer.toQuery(said);
    return said;
  }

  function take(said) {
    writer.fromQuery(said);
    state.take(fromQuery(models, said));
  }

  /** Show what the address says, after Back, Forward or a link to another part. */
  function arrive() {
    const said = new URLSearchParams(location.search);
    arrange();
    if (`${said}` === `${query()}`) update(state.view);
    else take(said);
  }

  async function copy({ currentTarget: button }) {
    place.now();
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
      announce("The link is copied");
      setTimeout(() => { button.textContent = "Copy link"; }, 2000);
    } catch {
      const error = new Trouble("The browser does not let this page copy: copy the address at the top of the window.");
      tell(error, () => tell(null));
    }
  }

  const state = new State(fromQuery(models, new URLSearchParams(location.search)), update);
  const engineOf = engines(models), place = address(query, arrive);
  const surface = controls(state), pad = plane(state), play = player(state);
  const grid = tiles((chosen) => state.change({ grid: false, index: state.view.index + chosen }));
  const done = () => { main.dataset.state = byId("status").hidden ? "ready" : "error"; };
  const picture = drawing({ state, engineOf, show, done });
  const writer = numbers({ settingsOf, state, engineOf, changed: place.soon });
  const quizzer = quiz({ settingsOf, engineOf, look });
  gifSaver({ settingsOf, state, engineOf, look });

  function choose(digit) {
    const label = ofKey(built, state.view.value, digit);
    if (label !== null) surface.choose(label);
  }
  const digitKeys = Object.fromEntries([..."0123456789"].map((digit) => [digit, () => choose(digit)]));
  const single = { ...digitKeys, n: surface.another, g: () => surface.layOut(!state.view.grid), p: showPixels };
  keys(single, state, () => part === "draw");

  byId("model-field").hidden = models.length < 2;
  byId("model").append(...models.map(({ name }, i) => new Option(name, i)));
  byId("model").addEventListener("change", ({ target }) => {
    state.change(ofModel(models, Number(target.value), state.view));
  });
  byId("footer").hidden = !docs;
  if (docs) byId("docs").href = docs;
  byId("pixels").addEventListener("click", showPixels);
  byId("download").addEventListener("click", () => { byId("download").href = canvas.toDataURL("image/png"); });
  for (const id of ["copy", "copy-number"]) byId(id).addEventListener("click", copy);
  for (const form of document.forms) form.addEventListener("submit", (event) => event.preventDefault());
  document.querySelector("nav").addEventListener("click", place.now); // before there is another entry
  new ResizeObserver(([{ target }]) => { // what is focused must not hide behind the picture
    document.documentElement.style.setProperty("--stage", `${target.offsetHeight}px`);
  }).observe(document.querySelector(".stage"));

  take(new URLSearchParams(location.search));
}

async function begin() {
  try {
    const answer = await fetch("studio.json", { cache: "no-cache" }); // or an updated site is seen with old settings
    if (!answer.ok) throw new Error(`studio.json: status ${answer.status}`);
    start(await answer.json());
  } catch (error) {
    byId("about").textContent = "";
    byId("studio").dataset.state = "error";
    for (const part of document.querySelectorAll("fieldset")) part.disabled = true; // there is nothing to change
    tell(new Trouble(`This page could not be set up (${error.message}).`), () => location.reload());
  }
}

begin();
