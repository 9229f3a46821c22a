/* Keys of the inbox and of a question. Everything here is a button or a link that works without it. */
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return; /* a key held down answers nothing twice */
  if (event.target.closest("input:not([type=checkbox]), select, textarea")) return;
  const items = [...document.querySelectorAll(".waiting .item")];
  const here = items.indexOf(document.activeElement?.closest(".waiting > li")?.querySelector(".item"));
  if (event.key === "j") items[Math.min(here + 1, items.length - 1)]?.focus();
  else if (event.key === "k") items[Math.max(here - 1, 0)]?.focus();
  else if (/^[1-6]$/.test(event.key)) {
    const question = document.activeElement?.closest(".question") ?? document.querySelector(".question[data-alone]");
    const option = question?.querySelector(`[data-number="${event.key}"]`);
    if (!option) return;
    event.preventDefault();
    option.focus();
    option.click();
  } else if (event.key === "Enter" && event.target.matches("input[type=checkbox][data-number]")) {
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
