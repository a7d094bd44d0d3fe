// Files: their texts, and results to download.

export const MOST_BYTES = 2_000_000;
export const MOST_TEXTS = 2_000;

/** The texts of a file; throws an Error that says what is wrong with it. */
export async function textsOf(file) {
  if (file.size > MOST_BYTES) {
    throw new Error(`${file.name}: larger than 2 MB; use mtt predict for large files.`);
  }
  let content;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name}: not UTF-8.`);
  }
  const ending = file.name.split(".").pop().toLowerCase();
  const read = { csv: table(","), tsv: table("\t"), jsonl: objects, ndjson: objects }[ending];
  const texts = (read ?? lines)(content, file.name);
  if (!texts.length) throw new Error(`${file.name}: holds no text.`);
  if (texts.length > MOST_TEXTS) {
    throw new Error(
      `${file.name}: ${texts.length} texts; at most ${MOST_TEXTS} here. Use mtt predict.`);
  }
  return texts;
}

function lines(content) {
  return content.split(/\r\n|\r|\n/).filter((line) => line.trim());
}

function objects(content, name) {
  return lines(content).map((line, place) => {
    let row;
    try {
      row = JSON.parse(line);
    } catch {
      throw new Error(`${name}, line ${place + 1}: not JSON.`);
    }
    const text = typeof row === "string" ? row : row?.text;
    if (typeof text !== "string") throw new Error(`${name}, line ${place + 1}: no key "text".`);
    return text;
  });
}

function table(separator) {
  return (content, name) => {
    const rows = cells(content, separator);
    const column = (rows[0] ?? []).findIndex((cell) => cell.trim().toLowerCase() === "text");
    if (column < 0 && (rows[0] ?? []).length !== 1) {
      throw new Error(`${name}: its first line names no column "text".`);
    }
    const body = column < 0 ? rows.map((row) => row[0]) : rows.slice(1).map((row) => row[column]);
    return body.filter((text) => text?.trim());
  };
}

/** Rows of cells, as RFC 4180 writes them. */
export function cells(content, separator) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0]) rows.push(row);
    [row, cell] = [[], ""];
  };
  for (let place = 0; place < content.length; place += 1) {
    const character = content[place];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (content[place + 1] === '"') { cell += '"'; place += 1; } else quoted = false;
    } else if (character === '"' && !cell) quoted = true;
    else if (character === separator) { row.push(cell); cell = ""; }
    else if (character === "\n" || character === "\r") {
      if (character === "\r" && content[place + 1] === "\n") place += 1;
      endRow();
    } else cell += character;
  }
  if (cell || row.length) endRow();
  return rows;
}

/** Results as CSV: the columns that `mtt predict --format=csv` writes. */
export function asCsv(tasks, rows) {
  const columns = ["text"];
  const sample = (name) => rows.map(({ result }) => result[name]).find((answer) => answer);
  for (const name of tasks) {
    columns.push(name);
    if (sample(name) && "label" in sample(name)) columns.push(`${name}_score`);
  }
  columns.push("error");
  const written = rows.map(({ text, result }) => columns.map((column) => {
    if (column === "text") return text;
    if (column === "error") return result.error ?? "";
    if (!tasks.includes(column)) return result[column.slice(0, -6)]?.score?.toFixed(6) ?? "";
    const answer = result[column];
    if (!answer) return "";
    if (Array.isArray(answer)) return JSON.stringify(answer);
    return "labels" in answer ? answer.labels.join("|") : answer.label ?? "";
  }));
  return [columns, ...written].map((row) => row.map(cellOf).join(",")).join("\n") + "\n";
}

function cellOf(value) {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Offers a file to save. */
export function download(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
