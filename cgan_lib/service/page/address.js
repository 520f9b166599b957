// The address of the page says what is set: it can be reloaded, kept and sent. It is replaced, so that Back need not go
// through every step of a slider.

const SOON = 150; // ms without a change before it is written

/** `query()` gives what is set, `take(query)` sets it when the visitor goes back or forth: `{ soon(), now() }`. */
export function address(query, take) {
  let waiting = null;

  function now() {
    clearTimeout(waiting);
    waiting = null;
    history.replaceState(null, "", `?${query()}${location.hash}`);
  }

  window.addEventListener("popstate", () => {
    if (waiting) now(); // what was just set belongs to the entry that is now shown
    else if (location.search !== `?${query()}`) take(new URLSearchParams(location.search));
  });
  window.addEventListener("pagehide", () => { if (waiting) now(); });
  return {
    now,
    soon() {
      clearTimeout(waiting);
      waiting = setTimeout(now, SOON);
    },
  };
}
