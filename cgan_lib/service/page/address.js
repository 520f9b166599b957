// The address of the page says what is set: it can be reloaded, kept and sent. It is replaced, so that Back need not
// go through every step of a slider.

const APART = 400; // ms between two writings: browsers refuse more than a hundred in half a minute

/** `query()` gives what is set; `arrive()` follows when another entry of the history is shown: `{ soon(), now() }`. */
export function address(query, arrive) {
  let timer = null, changed = false; // since it was written last

  function now() {
    changed = false;
    history.replaceState(null, "", `?${query()}${location.hash}`);
    clearTimeout(timer);
    timer = setTimeout(() => { timer = null; flush(); }, APART);
  }

  const flush = () => { if (changed) now(); };
  window.addEventListener("popstate", () => {
    flush(); // what was just set belongs to the entry that is now shown
    arrive();
  });
  window.addEventListener("pagehide", flush);
  return {
    now,
    /** At once, as a reload takes nothing that comes later, or in its turn. */
    soon() {
      changed = `?${query()}` !== location.search;
      if (!timer) flush();
    },
  };
}
