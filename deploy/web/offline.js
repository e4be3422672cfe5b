// Keeps the page's files, so that it speaks without a network after the first visit. A new build has
// another version in offline.json, and replaces what is kept.

const LIST = "./offline.json";

async function keep() {
  const { version, files } = await (await fetch(LIST, { cache: "no-store" })).json();
  const cache = await caches.open(version);
  await cache.addAll(["./", ...files]);
  const old = (await caches.keys()).filter((name) => name !== version);
  await Promise.all(old.map((name) => caches.delete(name)));
}

self.oninstall = (event) => event.waitUntil(keep().then(() => self.skipWaiting()));
self.onactivate = (event) => event.waitUntil(self.clients.claim());
self.onfetch = (event) => {
  if (event.request.method !== "GET") return;
  const kept = caches.match(event.request, { ignoreSearch: true });
  event.respondWith(kept.then((reply) => reply ?? fetch(event.request)));
};
