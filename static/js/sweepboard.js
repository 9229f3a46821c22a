/* What HTML cannot do by itself: copying, keys, tips near their badge, and updates that move nothing. */
"use strict";

/* A short word in the corner; one that stays does so until it is taken back. */
let staying = "", fading = 0;
const show = (text) => {
  const box = document.getElementById("toast");
  if (box.textContent !== text) box.textContent = text;
  box.classList.toggle("on", text !== "");
};
const toast = (text) => {
  show(text);
  clearTimeout(fading);
  fading = setTimeout(() => show(staying), 2500);
};
const stay = (text) => { staying = text; show(text); };

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
    const url = new URL(link.href);
    if (link.dataset.copy === "view") url.search = window.location.search; /* filters change without a new page */
    const answer = await fetch(url, { headers: { Accept: "text/plain" } });
    if (new URL(answer.url).pathname !== url.pathname) throw new Error("logged out");
    if (!answer.ok) throw new Error(String(answer.status));
    await copyText(await answer.text());
    toast("Copied as Markdown");
  } catch {
    window.location.href = link.href;
  }
});

/* A text on the page that is copied whole; without this it can be selected. */
for (const button of document.querySelectorAll("button[data-copy-text]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await copyText(document.getElementById(button.dataset.copyText).textContent);
      toast("Copied");
    } catch {
      toast("It could not be copied: select it");
    }
  });
}

/* The header's further screens close when one looks away from them. */
const further = document.querySelector(".more-places");
document.addEventListener("click", (event) => { if (further?.open && !further.contains(event.target)) further.open = false; });
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !further?.open) return;
  further.open = false;
  further.querySelector("summary").focus();
});
further?.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !further.contains(event.relatedTarget)) further.open = false;
});

/* A second press of what writes must not write twice: its buttons rest while the first one is under way. */
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-once]")) return;
  setTimeout(() => { for (const one of event.target.querySelectorAll("button")) one.disabled = true; });
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const one of document.querySelectorAll("form[data-once] button")) one.disabled = false;
});

/* Tips: a click works without this; hovering shows them too, beside the badge, and long enough to reach them. */
const place = (badge, tip) => {
  const at = badge.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const below = at.bottom + 6 + size.height < window.innerHeight;
  tip.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - size.height - 6)}px`;
  tip.style.left = `${Math.max(4, Math.min(at.left, window.innerWidth - size.width - 8))}px`;
};
const badgeOf = (tip) => document.querySelector(`[popovertarget="${tip.id}"]`);
const tipAt = (node) => {
  const found = node instanceof Element ? node.closest("[popovertarget], .tip") : null;
  return found?.matches("[popovertarget]") ? document.getElementById(found.getAttribute("popovertarget")) : found;
};
let hovered = null, leaving = 0;
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.(".tip")) return;
  if (event.newState === "open") place(badgeOf(event.target), event.target);
  else if (hovered === event.target) hovered = null;
}, true);
document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const tip = tipAt(event.target);
  clearTimeout(leaving);
  if (tip && !tip.matches(":popover-open")) {
    if (!hovered && document.querySelector(".tip:popover-open")) return; /* a pinned tip is being read */
    hovered?.hidePopover();
    tip.showPopover();
    hovered = tip;
  } else if (hovered && tip !== hovered) leaving = setTimeout(() => hovered?.hidePopover(), 200);
});
document.addEventListener("click", (event) => {
  if (!hovered || tipAt(event.target) !== hovered) return;
  if (event.target.closest("[popovertarget]")) event.preventDefault(); /* the click pins what hovering opened, and does not close it */
  hovered = null;
});
document.addEventListener("scroll", () => {
  const tip = document.querySelector(".tip:popover-open");
  if (tip) place(badgeOf(tip), tip);
}, { capture: true, passive: true });

/* Updates: what did not change is not swapped, what is being read is left alone, focus and place stay where they were. */
let focused = "", anchor = null;
const plain = (node) => node.outerHTML.replace(/ hx-swap-oob="true"/g, "").replace(/(name="csrfmiddlewaretoken" value=)"[^"]*"/g, "$1").replace(/ class="([^"]*?)\s*"/g, ' class="$1"').replace(/\s+/g, " ");
const isRead = (node) => {
  const selection = window.getSelection();
  return node.querySelector(":popover-open") || (selection && !selection.isCollapsed && selection.containsNode(node, true));
};
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const next = fragment.firstElementChild;
  if (!target || !next) return;
  if (isRead(target) || target.querySelector("form.htmx-request") || plain(target) === plain(next)) { event.detail.shouldSwap = false; return; }
  focused = target.contains(document.activeElement) ? document.activeElement.id : "";
});
document.addEventListener("htmx:oobAfterSwap", () => {
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  focused = "";
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/login/")) {
    event.detail.shouldSwap = false; /* not the log-in page inside the board */
    stay("You were logged out. Reload the page to log in again; the board shows what it last knew.");
    return;
  }
  const { target, requestConfig } = event.detail;
  if (requestConfig.elt === target && target.querySelector("form[method=post].htmx-request")) {
    event.detail.shouldSwap = false; /* a poll in the midst of a press would take away the form that waits for its answer */
    return;
  }
  anchor = null;
  if (event.detail.target.id !== "board-poll") return;
  const seen = [...document.querySelectorAll(".head-row, .runs tr[id]")].find((row) => row.getBoundingClientRect().top >= 0);
  const held = document.activeElement?.closest(".head-row, .runs tr[id]") ?? seen;
  const part = held?.closest("tr[id]") ?? held?.closest(".sweep");
  if (part) anchor = { id: part.id, top: part.getBoundingClientRect().top };
});
document.addEventListener("htmx:afterSwap", () => {
  const part = anchor && document.getElementById(anchor.id);
  if (part) window.scrollBy(0, part.getBoundingClientRect().top - anchor.top);
  anchor = null;
  const notices = [...document.querySelectorAll("#board-poll .notice")].map((one) => one.textContent.trim()).join(" ");
  const said = document.getElementById("said");
  if (said.textContent !== notices) said.textContent = notices; /* told once, not at every poll */
});

/* A server that is away shows as old rows and a sentence that stays, never as a spinner; it goes when the server is back. */
document.addEventListener("htmx:afterRequest", (event) => {
  const { status, responseURL } = event.detail.xhr;
  if (status === 0) stay("Sweepboard does not answer; the board shows what it last knew.");
  else if (status === 401 || status === 403) stay("You may not see this any more. Reload the page to log in again.");
  else if (status === 422) stay(""); /* the form says what is wrong with it */
  else if (status >= 400) stay(`Sweepboard failed (${status}); the board shows what it last knew.`);
  else if (!new URL(responseURL).pathname.startsWith("/login/")) stay("");
});

/* What somebody has ticked is not swept away by a poll; what was done is not done twice by the next press. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt } = event.detail;
  if (elt.id === "inbox" && elt.querySelector("input:checked")) event.preventDefault();
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id === "triage" && event.detail.successful) event.detail.elt.reset();
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
