/* Keys of the inbox, of the board's questions and of a question's page. Everything here is a button or a link that works without it. */
"use strict";
(() => {
  const PLACES = ".waiting > li, .asked > ul > li, [data-alone]"; /* what one may be at */
  const FIRST = "[data-alone], .asked .question, .waiting .question:has(button.option)"; /* the first of these is current while one is at nothing */
  const SETTLE = 600; /* ms in which a key may still be meant for the question that was current before */
  const NEWCOMER = 40; /* px of a question that must be seen before a key answers it */
  let marked = "", changedAt = -SETTLE;

  const placeOf = (node) => node?.closest(PLACES);
  const current = () => {
    const here = placeOf(document.activeElement);
    return here ? (here.matches(".question") ? here : null) : document.querySelector(FIRST);
  };
  const nameOf = (question) => question?.querySelector("form.options")?.getAttribute("action") ?? "";
  const mark = () => {
    const question = current();
    for (const one of document.querySelectorAll(".question.current")) one.classList.toggle("current", one === question);
    question?.classList.add("current");
    marked = nameOf(question);
  };
  const inSight = (question) => {
    const { top } = question.getBoundingClientRect();
    return question.contains(document.activeElement) || (top >= 0 && top < window.innerHeight - NEWCOMER);
  };
  const choose = (event) => {
    const question = current();
    const option = question?.querySelector(`[data-number="${event.key}"]`);
    if (!option) return;
    event.preventDefault();
    if (performance.now() - changedAt < SETTLE) return;
    if (!question.matches("[data-alone]") && !inSight(question)) return question.scrollIntoView({ block: "center" }); /* nobody answers what they do not see */
    option.focus();
    option.click();
  };
  const step = (items, node, by, around = false) => {
    const next = items.indexOf(node) + by;
    items[around ? next % items.length : Math.min(Math.max(next, 0), items.length - 1)]?.focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return; /* a key held down answers nothing twice */
    if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
    const here = placeOf(document.activeElement)?.querySelector(".item");
    const waiting = [...document.querySelectorAll(".waiting .item")]; /* on the board j and k belong to the sweeps */
    if (event.key === "j") step(waiting, here, 1);
    else if (event.key === "k") step(waiting, here, -1);
    else if (event.key === "q") step([...document.querySelectorAll(".asked .item")], here, 1, true);
    else if (/^[1-6]$/.test(event.key)) choose(event);
    else if (event.key === "Enter" && event.target.matches("input[type=checkbox][data-number]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  /* One answer is sent once: the buttons rest while it is under way, and wake where the page is still there afterwards. */
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form.options");
    if (!form) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 3000);
  });

  /* Which question is current is seen, and one that has just become so waits for the eye. */
  const renewed = (before) => {
    mark();
    if (before && before !== marked) changedAt = performance.now();
  };
  document.addEventListener("focusin", mark);
  document.addEventListener("focusout", () => setTimeout(mark));
  document.addEventListener("htmx:oobAfterSwap", () => renewed(marked));
  document.addEventListener("htmx:afterSwap", (event) => {
    const before = marked;
    if (event.detail.target?.id === "asked") /* the pressed button is gone: on to the next question, or to what came of it */
      (document.querySelector(".asked .item") ?? document.querySelector("#asked [role=status]"))?.focus({ preventScroll: true });
    renewed(before);
  });
  document.addEventListener("htmx:historyRestore", mark);
  mark();
})();
