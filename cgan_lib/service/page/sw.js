// The service worker of the demo site: a page once seen can be opened again without a connection.
//
// tools/demo_site.py puts `const SITE = { version, shell, weights }` before this: what the files hold, those that make
// the page, and those of the generators. The names of weights say what is in them, so that one kept is always right;
// of the rest, what the server has goes before what was kept, so that an updated site is seen at once.
const PREFIX = `cgan ${self.registration.scope} `; // another site may lie beside this one
const CACHE = PREFIX + SITE.version;

self.addEventListener("install", (event) => event.waitUntil(fill()));

self.addEventListener("activate", (event) => event.waitUntil(replaceOlder()));

self.addEventListener("message", (event) => event.waitUntil(keep(event.data)));

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method !== "GET" || !url.startsWith(self.registration.scope)) return;
  event.respondWith(url.endsWith(".bin") ? weights(event.request) : shell(event));
});

async function fill() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SITE.shell.map((file) => new Request(file, { cache: "no-cache" })));
  await self.skipWaiting();
}

/** Weights that are still in use are taken over; then the caches of older versions go. */
async function replaceOlder() {
  const older = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  const cache = await caches.open(CACHE);
  for (const name of older) {
    const old = await caches.open(name);
    for (const file of SITE.weights) {
      const kept = await old.match(file);
      if (kept) await cache.put(file, kept);
    }
    await caches.delete(name);
  }
  await self.clients.claim();
}

/** Keep a file that the page has just loaded: from the browser's own cache, whatever its age, if it is there still. */
async function keep(file) {
  const cache = await caches.open(CACHE);
  if (SITE.weights.includes(file) && !(await cache.match(file))) {
    await cache.add(new Request(file, { cache: "force-cache" }));
  }
}

async function weights(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** Read to its end before it is handed on: a copy of what still comes would wait for whoever reads the other slowly. */
async function shell(event) {
  const { request } = event, { url } = request;
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request, { cache: "no-cache" }); // or a browser guesses how long a file stays as it was
    if (!answer.ok) return answer;
    const content = await answer.arrayBuffer(), headers = { "Content-Type": answer.headers.get("Content-Type") };
    event.waitUntil(cache.put(url.split("?")[0], new Response(content, { headers })));
    return new Response(content, { headers });
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true }); // what is drawn stands in the search
    if (kept) return kept;
    throw error;
  }
}
