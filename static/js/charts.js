/* Charts: plotly.js is fetched when the first one comes into sight, so that it never stands before the text. */
"use strict";

const scheme = window.matchMedia("(prefers-color-scheme: dark)");
const phone = window.matchMedia("(max-width: 40rem)");
const CONFIG = { displayModeBar: false, responsive: true, showTips: false, doubleClick: "reset" };
let plotly = null, line = Promise.resolve();

const loadPlotly = () => {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector('meta[name="plotly"]').content;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => { plotly = null; reject(new Error("plotly.js did not come")); });
    document.head.append(script);
  });
  return plotly;
};

const figureOf = async (node, colours) => {
  const url = new URL(node.dataset.figure, window.location.href);
  url.searchParams.set("scheme", colours);
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok || new URL(answer.url).pathname !== url.pathname) throw new Error(String(answer.status));
  return answer.json();
};

/* On a phone a legend beside or below many traces takes the plot's own room: it is left out, the table names them. */
const fitted = (figure) => {
  if (!phone.matches) return figure;
  if (figure.data.length > 4) figure.layout.showlegend = false;
  const names = figure.layout.yaxis?.ticktext;
  if (names) figure.layout.yaxis.ticktext = names.map((name) => (name.length > 12 ? `${name.slice(0, 11)}…` : name));
  return figure;
};

const draw = async (node) => {
  try {
    const [Plotly, figure] = await Promise.all([loadPlotly(), figureOf(node, scheme.matches ? "dark" : "light")]);
    if (!node.isConnected) return;
    if (!node.dataset.drawn) node.replaceChildren();
    fitted(figure);
    await Plotly.react(node, figure.data, figure.layout, CONFIG);
    if (!node.dataset.drawn) listen(node);
    node.dataset.drawn = "yes";
    for (const button of node.closest(".chart").querySelectorAll("[data-download]")) button.hidden = false;
  } catch (error) {
    const told = document.createElement("p");
    told.className = "notice bad";
    told.setAttribute("role", "status");
    told.textContent = `The chart could not be drawn (${error.message}). Its rows stand below as a table.`;
    node.replaceChildren(told);
    delete node.dataset.drawn;
  }
};

/* One after the other, so that several charts at once do not hold the page up. */
const inTurn = (node) => { line = line.then(() => draw(node)); };

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    inTurn(entry.target);
  }
}, { rootMargin: "200px" });

const watch = (root) => {
  for (const node of root.querySelectorAll(".plot[data-figure]:not([data-watched])")) {
    node.dataset.watched = "yes";
    seen.observe(node);
  }
};
watch(document);
document.addEventListener("htmx:load", (event) => watch(event.detail.elt.parentElement ?? document));
scheme.addEventListener("change", () => { for (const node of document.querySelectorAll(".plot[data-drawn]")) inTurn(node); });

/* A picture goes into documents: on white ground, in the light scheme, whatever the screen shows. plotly.js would paint a
   PNG by way of a blob, which the policy forbids as an image; the same SVG as a data address is allowed. */
const SIZE = { width: 1100, height: 520 };

const svgOf = async (node) => {
  const [Plotly, figure] = await Promise.all([loadPlotly(), figureOf(node, "light")]);
  figure.layout.paper_bgcolor = "#ffffff";
  const size = { ...SIZE, height: Math.max(SIZE.height, figure.layout.height ?? 0) };
  const text = await Plotly.toImage({ ...figure, config: CONFIG }, { ...size, format: "svg", imageDataOnly: true });
  return { text, size };
};

const painted = async ({ text, size }) => {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: size.width * 2, height: size.height * 2 });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
};

const handOver = (blob, name) => {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-download]");
  if (!button) return;
  const node = button.closest(".chart").querySelector(".plot"), kind = button.dataset.download;
  try {
    const made = await svgOf(node);
    const blob = kind === "svg" ? new Blob([made.text], { type: "image/svg+xml" }) : await painted(made);
    handOver(blob, `${node.dataset.name}.${kind}`);
  } catch (error) {
    toast(`The picture could not be made (${error.message})`);
  }
});

/* What is brushed in parallel coordinates narrows the table of runs: the form carries it, and works without this too. */
const listen = (node) => {
  if (node.dataset.name !== "parallel") return;
  node.on("plotly_restyle", () => {
    clearTimeout(listen.waiting);
    listen.waiting = setTimeout(() => brush(node), 300);
  });
};

const field = (form, name, value) => {
  const made = document.createElement("input");
  Object.assign(made, { type: "hidden", name, value });
  form.append(made);
};

const brush = (node) => {
  const form = document.getElementById("filters"), axes = node.layout?.meta?.axes;
  if (!form || !axes) return;
  const brushed = node.data[0].dimensions.map((one, place) => ({ ...axes[place], range: one.constraintrange }));
  const keys = brushed.map((one) => one.key);
  for (const old of form.querySelectorAll('input[name="range"], input[name="word"]')) {
    if (keys.includes(old.value.split("~")[0])) old.remove();
  }
  for (const { key, kind, words, range } of brushed) {
    if (!range) continue;
    const ranges = Array.isArray(range[0]) ? range : [range];
    if (kind === "text") {
      const wanted = words.filter((_, at) => ranges.some(([low, high]) => low <= at && at <= high));
      for (const word of wanted.length ? wanted : ["—"]) field(form, "word", `${key}~${word}`);
    } else {
      const [low, high] = [Math.min(...ranges.flat()), Math.max(...ranges.flat())];
      const real = (value) => (kind === "log" ? 10 ** value : value);
      field(form, "range", `${key}~${real(low)}~${real(high)}`);
    }
  }
  form.requestSubmit();
};
