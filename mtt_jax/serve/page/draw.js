// Drawing answers. All text reaches the page as text nodes, never as markup.

const MOST_BARS = 12;
const COLORS = 8;

/** An element with attributes and children; strings become text nodes. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/**
 * Offsets in UTF-16 units, as JavaScript counts, of each character as Python counts them; one more
 * for the end.
 */
export function offsetsOf(text) {
  const offsets = [];
  let place = 0;
  for (const character of text) {
    offsets.push(place);
    place += character.length;
  }
  offsets.push(place);
  return offsets;
}

/** A text that can be sent: halves of surrogate pairs, as while an emoji is typed, are replaced. */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

export function shown(score) {
  return score.toFixed(2);
}

/** One task's answer under its name, whatever the kind of the task. */
export function drawn(name, task, answer, text) {
  const title = element("h3", {}, name);
  const section = element("section", { class: "answer", "data-task": name }, title);
  if (answer === null) {
    section.append(element("p", { class: "quiet" }, "The text has no word."));
  } else if (Array.isArray(answer)) {
    section.append(marked(task, answer, text), tableOf(answer));
  } else {
    section.append(bars(answer));
  }
  return section;
}

/** What an answer says in a few words, for tables and screen readers. */
export function titleOf(answer) {
  if (answer === null || answer === undefined) return "";
  if (Array.isArray(answer)) {
    return answer.filter((span) => span.label).map((s) => `${s.text} (${s.label})`).join(", ");
  }
  return "labels" in answer ? answer.labels.join(", ") : answer.label ?? "";
}

function bars(answer) {
  const chosen = new Set("labels" in answer ? answer.labels : [answer.label]);
  let rows = Object.entries(answer.scores);
  if (rows.length > MOST_BARS) {
    rows.sort((a, b) => b[1] - a[1]);
    rows = rows.filter(([label], place) => place < MOST_BARS || chosen.has(label));
  }
  const list = element("ul", { class: "bars" });
  for (const [label, score] of rows) {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${100 * score}%`;
    const row = element(
      "li", chosen.has(label) ? { class: "chosen" } : {},
      element("bdi", { class: "name" }, label),
      element("span", { class: "track", "aria-hidden": "true" }, fill),
      element("span", { class: "score", title: String(score) }, shown(score)),
    );
    if (chosen.has(label)) row.append(element("span", { class: "unseen" }, "is the answer"));
    list.append(row);
  }
  const box = element("div", {}, list);
  if (answer.label === null || answer.labels?.length === 0) {
    box.append(element("p", { class: "quiet" }, "No label reaches its threshold."));
  }
  return box;
}

function marked(task, spans, text) {
  const offsets = offsetsOf(text);
  const box = element("p", { class: "marked", dir: "auto" });
  let done = 0;
  for (const span of spans) {
    const [start, end] = [offsets[span.start], offsets[span.end]];
    if (start < done || span.label === null) continue;
    box.append(text.slice(done, start));
    const color = Math.max(task.labels.indexOf(span.label), 0) % COLORS;
    const score = element("span", { class: "score" }, shown(span.score));
    const tag = element("bdi", { class: "tag" }, span.label, score);
    box.append(
      element("mark", { class: `c${color}`, tabindex: "0", "data-label": span.label },
        element("bdi", { class: "piece" }, text.slice(start, end)), tag),
    );
    done = end;
  }
  box.append(text.slice(done));
  return box;
}

function tableOf(spans) {
  const body = element("tbody");
  for (const span of spans) {
    body.append(
      element("tr", {},
        element("td", { dir: "auto" }, span.text),
        element("td", {}, span.label ?? "none"),
        element("td", { class: "score" }, shown(span.score)),
        element("td", {}, `${span.start} to ${span.end}`)),
    );
  }
  const head = element("tr", {}, ...["text", "label", "score", "characters"].map(
    (name) => element("th", { scope: "col" }, name)));
  const count = spans.filter((span) => span.label !== null).length;
  return element("details", {},
    element("summary", {}, `${count} found, as a table`),
    element("div", { class: "wide" }, element("table", {}, element("thead", {}, head), body)));
}
