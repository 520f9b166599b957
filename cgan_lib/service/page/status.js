// What went wrong, in a sentence on the page.
import { announce, byId } from "./dom.js";
import { Trouble } from "./engine.js";

const sentence = (error) => (error instanceof Trouble ? error.message : `It could not be drawn: ${error.message}`);

/** Whether an error mends itself, so that to wait is enough. */
export const passes = (error) => error instanceof Trouble && error.again !== null;

/** Show what went wrong, with a button that calls `again` where waiting will not mend it; nothing for null. */
export function tell(error, again) {
  const retry = byId("retry"), hidden = !error || passes(error);
  if (hidden && document.activeElement === retry) document.querySelector("nav [aria-current]").focus(); // else lost
  byId("status").hidden = !error;
  byId("message").textContent = error ? sentence(error) : "";
  retry.hidden = hidden;
  retry.onclick = again;
  if (error) announce(sentence(error));
}

/** What `task` promises, tried again as long as its error passes, while `isWanted()`. */
export async function patiently(task, isWanted = () => true) {
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (!passes(error) || !isWanted()) throw error;
      tell(error);
      await new Promise((resolve) => setTimeout(resolve, error.again));
    }
  }
}
