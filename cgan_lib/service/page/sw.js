// The service worker of the demo site: a page once seen can be opened again without a connection.
//
// tools/demo_site.py puts `const SITE = { version, shell, weights }` before this: what the files hold, the files that make
// the page, and those of the generators. The names of weights say what is in them, so that one kept is always right; of
// the rest, what the server has goes before what was kept, so that an updated site is seen at once.
const PREFIX = `cgan ${self.registration.scope} `; // another site may lie beside this one
const CACHE = PREFIX + SITE.version;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => event.waitUntil(replaceOlder()));

self.addEventListener("message", (event) => event.waitUntil(keep(event.data)));

self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method !== "GET" || !url.startsWith(self.registration.scope)) return;
  event.respondWith(SITE.weights.some((file) => url.endsWith(`/${file}`)) ? fromCache(event) : fromServer(event));
});

async function fill() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SITE.shell.map((file) => new Request(file, { cache: "no-cache" })));
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

async function fromCache({ request }) {
  return (await caches.match(request)) ?? fetch(request);
}

async function fromServer(event) {
  const { request } = event;
  try {
    const answer = await fetch(request);
    if (answer.ok) event.waitUntil(store(request, answer.clone()));
    return answer;
  } catch (error) {
    const kept = await (await caches.open(CACHE)).match(request, { ignoreSearch: true }); // what is drawn is in the search
    if (kept) return kept;
    throw error;
  }
}

async function store(request, answer) {
  const cache = await caches.open(CACHE);
  await cache.put(request.url.split("?")[0], answer);
}
