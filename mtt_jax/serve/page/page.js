// The page: what is typed goes to the server, and its answers are drawn.

import { drawn, element, titleOf, wellFormed } from "./draw.js";
import { MOST_TEXTS, asCsv, download, textsOf } from "./files.js";

const TYPING_MS = 150;
const RETRY_MS = 1000;
const AT_ONCE = 32; // texts of a file per request
const MOST_ROWS = 200; // in the table of a file; downloads hold all

const $ = (id) => document.getElementById(id);
let info = null; // as GET info answers
let token = "";
let running = null; // AbortController of the request for the text
let timer = 0;
let last = null; // the latest response
let rows = []; // {text, result} of the file
let uploading = null; // AbortController of the file

/** A refusal of the server; `wait` is the milliseconds after which to try again, 0 for never. */
class Refused extends Error {
  constructor(status, message, wait) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  if (response.ok) return response.json();
  const body = await response.json().catch(() => ({}));
  const wait = response.status === 503 ? 1000 * (Number(response.headers.get("Retry-After")) || 1) : 0;
  throw new Refused(response.status, body.error ?? `status ${response.status}`, wait);
}

function predict(body, signal) {
  return ask("predict", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, model: $("model").value }),
    signal,
  });
}

/** Says what is wrong; returns the milliseconds after which to try again, 0 for never. */
function explain(error) {
  if (!(error instanceof Refused)) {
    $("status").textContent = "The server cannot be reached. Trying again…";
    return RETRY_MS;
  }
  if (error.status === 401) {
    $("access").hidden = false;
    $("status").textContent = token ? "This token is wrong." : "This server asks for a token.";
    $("token").focus();
    return 0;
  }
  $("status").textContent = error.wait ? `${error.message} Trying again…` : error.message;
  return error.wait;
}

// What is served

async function start() {
  clearTimeout(timer);
  try {
    info = await ask("info");
  } catch (error) {
    const wait = explain(error);
    if (wait) timer = setTimeout(start, wait);
    return;
  }
  $("access").hidden = true;
  $("status").textContent = "";
  const names = Object.keys(info.models);
  const before = $("model").value;
  $("model").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  $("model").value = names.includes(before) ? before : info.default;
  $("models").hidden = names.length < 2;
  $("examples").replaceChildren(...info.examples.map(example));
  describe();
  update();
}

function example(text) {
  const button = element("button", { type: "button", dir: "auto" }, text);
  button.addEventListener("click", () => {
    $("text").value = text;
    update();
  });
  return button;
}

function describe() {
  const tasks = Object.entries(info.models[$("model").value].tasks);
  $("about").textContent = tasks.map(([name, task]) => `${name}: ${task.kind}`).join(" · ");
}

// The text

function later(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(update, milliseconds);
}

async function update() {
  clearTimeout(timer);
  running?.abort();
  if (!info) { start(); return; }
  const text = wellFormed($("text").value);
  if (!text) { show(null); return; }
  const mine = new AbortController();
  running = mine;
  $("answers").classList.add("stale");
  try {
    const response = await predict({ text }, mine.signal);
    if (running !== mine) return;
    $("status").textContent = "";
    show(response);
  } catch (error) {
    if (running !== mine || error.name === "AbortError") return;
    const wait = explain(error);
    if (wait) later(wait);
  }
}

function show(response) {
  last = response;
  $("copy").disabled = !response;
  $("answers").classList.remove("stale");
  if (!response) {
    $("answers").replaceChildren();
    $("summary").textContent = "";
    return;
  }
  const [result] = response.results;
  if ("error" in result && !("error" in info.models[response.model].tasks)) {
    $("answers").replaceChildren(element("p", {}, result.error));
    return;
  }
  const tasks = Object.entries(info.models[response.model].tasks);
  // Kept open while one types.
  const open = new Set([...document.querySelectorAll(".answer:has(details[open])")].map(
    (section) => section.dataset.task));
  const sections = tasks.map(([name, task]) => drawn(name, task, result[name], result.text));
  for (const section of sections) {
    if (open.has(section.dataset.task)) section.querySelector("details")?.setAttribute("open", "");
  }
  $("answers").replaceChildren(...sections);
  $("summary").textContent = tasks.map(
    ([name]) => `${name}: ${titleOf(result[name]) || "nothing"}`).join("; ");
}

async function copy() {
  const text = JSON.stringify(last.results[0], null, 2);
  try {
    await navigator.clipboard.writeText(text);
  } catch { // only pages of this machine, or over https, may use the clipboard directly
    const area = element("textarea", { class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy as JSON"; }, 1500);
}

// A file

async function upload(file) {
  uploading?.abort();
  const mine = new AbortController();
  uploading = mine;
  rows = [];
  $("stop").hidden = false;
  drawTable();
  try {
    const texts = (await textsOf(file)).map(wellFormed);
    for (const part of parts(texts)) {
      $("file-status").textContent = `${rows.length} of ${texts.length} texts`;
      const results = await patiently(part, mine.signal);
      if (uploading !== mine) return;
      part.forEach((text, place) => rows.push({ text, result: results[place] }));
    }
    $("file-status").textContent = `${rows.length} texts.`;
  } catch (error) {
    if (uploading !== mine) return;
    const unreachable = error instanceof TypeError;
    $("file-status").textContent = error.name === "AbortError" ? `Stopped after ${rows.length} texts.`
      : unreachable ? "The server cannot be reached; choose the file again." : error.message;
  }
  $("stop").hidden = true;
  drawTable();
}

/** Texts by request, within the limits of the server; one that is too long goes alone. */
function* parts(texts) {
  const most = Math.min(AT_ONCE, info.limits.texts);
  let part = [];
  let size = 0;
  for (const text of texts) {
    const more = 3 * text.length + 100;
    if (part.length && (part.length >= most || size + more > info.limits.body_bytes / 2)) {
      yield part;
      [part, size] = [[], 0];
    }
    part.push(text);
    size += more;
  }
  if (part.length) yield part;
}

/** Results for some texts; waits as long as the server asks, and keeps what it refuses as errors. */
async function patiently(texts, signal) {
  for (;;) {
    try {
      return (await predict({ texts }, signal)).results;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.wait) {
        await new Promise((resolve) => { setTimeout(resolve, error.wait); });
        signal.throwIfAborted();
      } else if ([413, 422].includes(error.status)) {
        if (texts.length === 1) return [{ error: error.message }];
        const found = [];
        for (const text of texts) found.push(...await patiently([text], signal));
        return found;
      } else throw error;
    }
  }
}

function drawTable() {
  for (const id of ["download-csv", "download-jsonl", "table"]) $(id).hidden = !rows.length;
  if (!rows.length) { $("table").replaceChildren(); return; }
  const tasks = Object.keys(info.models[$("model").value].tasks);
  const head = ["text", ...tasks].map((name) => element("th", { scope: "col" }, name));
  const body = rows.slice(0, MOST_ROWS).map(({ text, result }) => element("tr", {},
    element("td", { dir: "auto" }, text),
    ...tasks.map((name) => element("td", { dir: "auto" }, result.error ?? titleOf(result[name])))));
  const caption = rows.length > MOST_ROWS
    ? [element("caption", {}, `The first ${MOST_ROWS} of ${rows.length}; downloads hold all.`)] : [];
  $("table").replaceChildren(element("table", {}, ...caption,
    element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)));
}

function asJsonl() {
  return rows.map(({ text, result }) => `${JSON.stringify({ text, ...result })}\n`).join("");
}

// What the user does

$("text").addEventListener("input", () => later(TYPING_MS));
$("model").addEventListener("change", () => {
  describe();
  rows = [];
  drawTable();
  update();
});
$("copy").addEventListener("click", copy);
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file && info) upload(file);
  $("file").value = ""; // so that the same file can be chosen again
});
$("stop").addEventListener("click", () => uploading?.abort());
$("download-csv").addEventListener("click", () => {
  const tasks = Object.keys(info.models[$("model").value].tasks);
  download("results.csv", "text/csv", asCsv(tasks, rows));
});
$("download-jsonl").addEventListener("click", () => {
  download("results.jsonl", "application/jsonl", asJsonl());
});
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  start();
});
start();
