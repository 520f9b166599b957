// The engines of a page: each is opened when its generator is first asked for, and what happens meanwhile is said.
import { byId } from "./dom.js";
import { openEngine } from "./engine.js";

function progress(fraction) {
  byId("loading").hidden = fraction >= 1;
  byId("progress").value = fraction;
}

async function open(settings) {
  byId("about").textContent = `Loading “${settings.name}” …`;
  try {
    return await openEngine(settings, progress);
  } finally {
    progress(1);
  }
}

/** Function: a view → a promise of the engine that draws it. One that could not be opened is tried once more. */
export function engines(models) {
  const opened = new Map();
  return async ({ model }) => {
    if (!opened.has(model)) opened.set(model, open(models[model]));
    try {
      const engine = await opened.get(model);
      byId("about").textContent = `The generator “${models[model].name}” ${engine.about}`;
      return engine;
    } catch (error) {
      opened.delete(model);
      throw error;
    }
  };
}
