// Real or drawn? One image after the other: a person wrote it, or the generator drew it. The score is remembered.
import { announce, byId, remember, remembered } from "./dom.js";
import { areStrokes } from "./classes.js";
import { Trouble } from "./engine.js";
import { paint } from "./picture.js";
import { MAX_SEED } from "./state.js";
import { patiently, tell } from "./status.js";
import { subject } from "./words.js";

const EACH = 10; // real images of a class, in a row of the sheet
const LARGE = 560; // pixels along a side of the picture, or a few less
const below = (count) => Math.floor(Math.random() * count);

/** One image of the sheet as a picture. */
function cut(sheet, { image_size: side }, row, column) {
  const canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d");
  context.drawImage(sheet, column * side, row * side, side, side, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const plane = (channel) => Uint8ClampedArray.from({ length: side * side }, (_, p) => data[4 * p + channel]);
  return { tiles: [[0, 1, 2].map(plane)], side, columns: 1 };
}

/** The sheet of a generator, once: `settings.real` says where it lies. */
async function load(sheets, settings) {
  if (!sheets.has(settings.real)) {
    const answer = await fetch(settings.real).catch(() => null);
    const why = answer ? `status ${answer.status}` : "no connection";
    if (!answer?.ok) throw new Trouble(`The real images cannot be loaded: ${why}.`);
    sheets.set(settings.real, await createImageBitmap(await answer.blob()));
  }
  return sheets.get(settings.real);
}

/** The quiz: `{ show(view) }`, to be called when it comes into sight, or with another generator. */
export function quiz({ settingsOf, engineOf, look }) {
  const sheets = new Map(), answers = byId("answers"), next = byId("next");
  let settings = null, view = null, asked = null, turn = 0;
  const key = () => `quiz of ${settings.name}`;
  const score = () => remembered(key(), { right: 0, of: 0 });

  function tellScore() {
    const { right, of } = score();
    byId("score").textContent = of ? `${right} of ${of} right` : "No answer yet";
    byId("reset-score").hidden = !of;
  }

  /** What is said of real images: of photographs, other words than of what was written. */
  const real = () => (areStrokes(settings)
    ? { question: "Did a person write this,", answer: "A person wrote it" }
    : { question: "Is this real,", answer: "It is real" });

  const written = async (value) => (
    cut(await load(sheets, settings), settings, settings.real_classes.indexOf(value), below(EACH)));

  async function drawn(value) {
    const plain = { share: 0, moves: view.moves.map(() => 0), truncation: null, index: 0, grid: false };
    return (await engineOf(view)).draw({ ...view, ...plain, value, toward: value, seed: below(MAX_SEED) });
  }

  async function ask() {
    const mine = ++turn, value = settings.real_classes[below(settings.real_classes.length)];
    const isReal = Math.random() < 0.5;
    byId("guess-part").dataset.state = "drawing";
    byId("verdict").textContent = "";
    try {
      const picture = await patiently(() => (isReal ? written(value) : drawn(value)), () => mine === turn);
      if (mine !== turn) return;
      asked = { value, real: isReal };
      paint(byId("quiz-picture"), picture, look(), LARGE);
      const said = subject(settings, { ...view, value, share: 0, grid: false });
      byId("quiz-picture").setAttribute("aria-label", `The image in question: ${said}`);
      tell(null);
      byId("guess-part").dataset.state = "ready";
    } catch (error) {
      if (mine === turn) tell(error, ask);
    }
  }

  function answer(said) {
    if (byId("guess-part").dataset.state !== "ready") return;
    const right = said === asked.real, { right: before, of } = score();
    remember(key(), { right: before + right, of: of + 1 });
    const truth = asked.real ? real().answer.replace(/^./, (first) => first.toLowerCase()) : "the generator drew it";
    byId("verdict").textContent = `${right ? "Right" : "No"}: ${truth}.`;
    announce(`${byId("verdict").textContent} ${score().right} of ${score().of} right.`);
    tellScore();
    answers.hidden = true;
    next.hidden = false;
    next.focus();
  }

  function begin() {
    tellScore();
    byId("question").textContent = `${real().question} or did the generator draw it?`;
    byId("say-real").textContent = real().answer;
    answers.hidden = false;
    next.hidden = true;
    ask();
  }

  window.addEventListener("storage", () => { if (settings) tellScore(); }); // the quiz goes on in another tab
  byId("say-real").addEventListener("click", () => answer(true));
  byId("say-drawn").addEventListener("click", () => answer(false));
  next.addEventListener("click", () => {
    answers.hidden = false;
    byId("say-real").focus();
    next.hidden = true;
    ask();
  });
  byId("reset-score").addEventListener("click", () => {
    remember(key(), { right: 0, of: 0 });
    (next.hidden ? byId("say-real") : next).focus();
    tellScore();
  });

  return {
    show(newView) {
      view = newView;
      if (settingsOf(view) === settings) return;
      settings = settingsOf(view);
      byId("quiz-game").hidden = !settings.real;
      byId("quiz-missing").hidden = Boolean(settings.real);
      byId("guess-part").dataset.state = "ready"; // to say that there is no quiz
      if (settings.real) begin();
    },
  };
}
