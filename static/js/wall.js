/* The wall: the next screen is fetched and put in place of this one, so that a server that is away leaves a calm sentence
   and not a browser's error page, and so that nothing piles up however long it stays open. */
"use strict";
(() => {
  const said = document.getElementById("wall-said");
  const AGAIN = 15;
  const wall = () => document.getElementById("wall");
  const scripts = (page) => page.querySelector("script[src]")?.getAttribute("src");
  const own = scripts(document);
  let since = null;

  const later = (seconds) => setTimeout(turn, seconds * 1000);
  const away = (sentence) => {
    since ??= new Date();
    said.textContent = `${sentence} What you see is from ${since.toTimeString().slice(0, 5)}; it is tried again every ${AGAIN} seconds.`;
    later(AGAIN);
  };
  const turn = async () => {
    let answer, text;
    try {
      answer = await fetch(wall().dataset.next, { signal: AbortSignal.timeout(20000), cache: "no-store" });
      text = await answer.text();
    } catch {
      return away("Sweepboard does not answer.");
    }
    if (new URL(answer.url).pathname.startsWith("/login") || answer.status === 401 || answer.status === 403)
      return away("The session has ended: log in again on this screen.");
    const page = new DOMParser().parseFromString(text, "text/html");
    const next = page.getElementById("wall");
    if (!answer.ok || !next) return away(`Sweepboard failed (${answer.status}).`);
    if (scripts(page) !== own) return location.assign(wall().dataset.next); /* another version is served by now */
    since = null;
    said.textContent = "";
    document.title = page.title;
    wall().replaceWith(document.importNode(next, true));
    later(Number(next.dataset.seconds));
  };
  later(Number(wall().dataset.seconds));
})();
