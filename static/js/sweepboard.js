/* What HTML cannot do by itself: copying, keys, tips near their badge, and updates that move nothing. */
"use strict";

const toast = (text) => {
  const box = document.getElementById("toast");
  box.textContent = text;
  box.classList.add("on");
  setTimeout(() => box.classList.remove("on"), 2500);
};

/* A clipboard needs HTTPS or localhost; elsewhere the old way still works. */
const copyText = async (text) => {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("no clipboard");
};

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-copy]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/plain" } });
    if (!answer.ok) throw new Error(String(answer.status));
    await copyText(await answer.text());
    toast("Copied as Markdown");
  } catch {
    window.location.href = link.href;
  }
});

/* Tips: a click works without this; hovering shows them too, beside the badge. */
const place = (badge, tip) => {
  const at = badge.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const below = at.bottom + 6 + size.height < window.innerHeight;
  tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - size.height - 6)}px`;
  tip.style.left = `${Math.max(4, Math.min(at.left, window.innerWidth - size.width - 8))}px`;
};
const tipOf = (node) => {
  const badge = node instanceof Element ? node.closest(".badge[popovertarget]") : null;
  return badge ? [badge, document.getElementById(badge.getAttribute("popovertarget"))] : [null, null];
};
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".tip") || event.newState !== "open") return;
  const badge = document.querySelector(`[popovertarget="${event.target.id}"]`);
  if (badge) place(badge, event.target);
}, true);
document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const [badge, tip] = tipOf(event.target);
  if (tip && !tip.matches(":popover-open")) { tip.showPopover(); tip.dataset.hover = "1"; place(badge, tip); }
});
document.addEventListener("pointerout", (event) => {
  const [badge, tip] = tipOf(event.target);
  if (!tip || !tip.dataset.hover || badge.contains(event.relatedTarget) || tip.contains(event.relatedTarget)) return;
  delete tip.dataset.hover;
  if (tip.matches(":popover-open")) tip.hidePopover();
});
document.addEventListener("click", (event) => {
  const [, tip] = tipOf(event.target);
  if (tip) delete tip.dataset.hover; /* a click pins the tip that hovering opened */
});

/* Updates: what did not change is not swapped, what is being read is left alone, focus stays where it was. */
let focused = "";
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const next = fragment.firstElementChild;
  if (!target || !next) return;
  const plain = (node) => node.outerHTML.replace(/ hx-swap-oob="true"/g, "").replace(/ class="([^"]*?)\s*"/g, ' class="$1"').replace(/\s+/g, " ");
  const reading = target.querySelector(":popover-open") || (window.getSelection()?.toString() && target.contains(window.getSelection().anchorNode));
  if (reading || plain(target) === plain(next)) { event.detail.shouldSwap = false; return; }
  focused = target.contains(document.activeElement) ? document.activeElement.id : "";
});
document.addEventListener("htmx:oobAfterSwap", () => {
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  focused = "";
});

/* A server that is away shows as stale rows and a sentence, never as a spinner. */
document.addEventListener("htmx:sendError", () => toast("Sweepboard does not answer; the board shows what it last knew."));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 403 || event.detail.xhr.status === 401) toast("You were logged out. Reload the page to log in.");
});

/* Keys. */
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const toggles = [...document.querySelectorAll(".sweep .toggle")];
  const here = toggles.indexOf(document.activeElement?.closest(".sweep")?.querySelector(".toggle"));
  if (event.key === "/") { event.preventDefault(); document.getElementById("filter-q")?.focus(); }
  else if (event.key === "j") toggles[Math.min(here + 1, toggles.length - 1)]?.focus();
  else if (event.key === "k") toggles[Math.max(here - 1, 0)]?.focus();
  else if (event.key === "w") document.activeElement?.closest(".sweep")?.querySelector(".wandb")?.click();
});
