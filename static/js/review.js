/* The review as a show: one part at a time, by arrow keys; a timer for each; full screen. Without this it is one long page. */
"use strict";
(() => {
  const review = document.getElementById("review");
  const parts = () => [...review.querySelectorAll(".part")];
  const clock = document.getElementById("clock");
  const controls = review.querySelector(".controls");
  if (!controls) return;
  const button = (name) => controls.querySelector(`[data-do="${name}"]`);
  const kept = `sweepboard-review-${review.dataset.week}`;
  let current = "", all = false;

  /* Which part an address means: its own id, or that of something inside it. */
  const partOf = (hash) => {
    const target = hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null;
    return target?.closest(".part")?.id ?? "";
  };
  const paint = () => {
    review.classList.toggle("stepping", !all);
    for (const part of parts()) part.classList.toggle("current", part.id === current);
    for (const link of review.querySelectorAll(".agenda a")) {
      if (link.dataset.part === current) link.setAttribute("aria-current", "step");
      else link.removeAttribute("aria-current");
    }
    button("all").setAttribute("aria-pressed", String(all));
    tick();
  };
  const show = (id, { focus = false } = {}) => {
    keepTime();
    current = id;
    history.replaceState(null, "", `#${id}`);
    paint();
    const title = document.getElementById(`${id}-title`);
    if (all) document.getElementById(id).scrollIntoView({ block: "start" });
    else window.scrollTo(0, 0);
    if (focus) title.focus({ preventScroll: true });
  };
  const step = (by) => {
    const ids = parts().map((part) => part.id);
    const next = ids[Math.min(Math.max(ids.indexOf(current) + by, 0), ids.length - 1)];
    if (next !== current) show(next, { focus: true });
  };

  /* Timers outlive a reload: seconds by part, and which one runs since when. */
  const read = () => { try { return JSON.parse(sessionStorage.getItem(kept)) ?? {}; } catch { return {}; } };
  const times = { spent: {}, since: 0, ...read() };
  const write = () => { try { sessionStorage.setItem(kept, JSON.stringify(times)); } catch { /* a private window keeps nothing */ } };
  const keepTime = () => {
    if (!times.since) return;
    times.spent[current] = (times.spent[current] ?? 0) + (Date.now() - times.since) / 1000;
    times.since = Date.now();
    write();
  };
  const toggleTimer = () => {
    keepTime();
    times.since = times.since ? 0 : Date.now();
    write();
    tick();
  };
  const tick = () => {
    const on = times.since !== 0;
    button("timer").setAttribute("aria-pressed", String(on));
    const spent = (times.spent[current] ?? 0) + (on ? (Date.now() - times.since) / 1000 : 0);
    clock.hidden = !on && !spent;
    const minutes = Number(document.getElementById(current)?.dataset.minutes ?? 0);
    const over = spent - minutes * 60;
    const told = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
    clock.textContent = over >= 0 ? `${told(over)} over ${minutes} min` : `${told(spent)} of ${minutes} min`;
    clock.classList.toggle("over", over >= 0);
    if (!on && spent) clock.textContent += ", paused";
  };
  setInterval(() => { if (times.since) tick(); }, 1000);

  const full = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen?.().catch(() => {});
  };
  const toggleAll = () => { all = !all; show(current); };
  const acts = { timer: toggleTimer, full, all: toggleAll };
  controls.hidden = false;
  controls.addEventListener("click", (event) => acts[event.target.closest("button")?.dataset.do]?.());
  review.querySelector(".agenda ol").addEventListener("click", (event) => {
    const link = event.target.closest("a[data-part]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.dataset.part, { focus: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const key = { ArrowRight: () => step(1), PageDown: () => step(1), ArrowLeft: () => step(-1), PageUp: () => step(-1), f: full, t: toggleTimer, a: toggleAll }[event.key];
    if (!key) return;
    event.preventDefault();
    key();
  });
  window.addEventListener("hashchange", () => { const id = partOf(location.hash); if (id && id !== current) show(id); });
  document.addEventListener("htmx:load", () => paint()); /* a part that was written to comes back anew */
  document.addEventListener("fullscreenchange", () => {
    document.documentElement.classList.toggle("showing", document.fullscreenElement !== null);
  });
  window.addEventListener("pagehide", keepTime);
  const inside = location.hash;
  current = partOf(inside) || parts()[0].id;
  paint();
  if (inside.length > 1 && inside !== `#${current}`) document.getElementById(inside.slice(1))?.scrollIntoView({ block: "center" });
  else window.scrollTo(0, 0);
})();
