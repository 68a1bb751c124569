/* Sorting and filtering of tables that are there without it, and the switch between light and dark. */
"use strict";

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

byId("theme").addEventListener("click", () => {
  const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("theme", theme); } catch { /* kept until the page is left */ }
});

/* Rows are sorted inside their tbody, so that references and reported rows stay apart; blanks go last either way. */
function sortBy(button) {
  const heading = button.closest("th");
  const table = heading.closest("table");
  const place = heading.cellIndex;
  const fresh = heading.getAttribute("aria-sort") === "none";
  const rising = fresh ? button.dataset.sort !== "higher" : heading.getAttribute("aria-sort") === "descending";
  for (const other of all("thead th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const key = (row) => {
    const cell = row.cells[place];
    if (cell.tagName === "TH") return row.dataset.name ?? cell.textContent.trim();
    return cell.dataset.v === undefined ? null : Number(cell.dataset.v);
  };
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "string" ? x.localeCompare(y) : x - y;
    return rising ? order : -order;
  };
  for (const body of table.tBodies) body.append(...[...body.rows].sort(compare));
  const status = byId("status");
  if (status) status.textContent = `sorted by ${heading.textContent.trim()}, ${rising ? "ascending" : "descending"}`;
}
for (const button of all("th button[data-sort]")) button.addEventListener("click", () => sortBy(button));

/* The overview: which board, which columns, which rows. */
const value = (id) => byId(id)?.value ?? "";

function showColumns(table, frames, moving) {
  const headings = all("thead tr:last-child th", table);
  const shown = headings.map((heading) => {
    const { frames: own, moving: twin } = heading.dataset;
    if (own === undefined) return true;
    const right = !frames || own === frames;
    const pixels = heading.classList.contains("main") || !twin || (twin === "only") === moving;
    return right && pixels;
  });
  for (const row of all("tr:not(.groups)", table)) [...row.cells].forEach((cell, place) => { cell.hidden = !shown[place]; });
  for (const group of all(".groups th", table)) {
    const span = headings.filter((heading, place) => shown[place] && heading.dataset.group === group.dataset.group).length;
    group.hidden = span === 0;
    if (span) group.colSpan = span;
  }
}

function rightRow(row) {
  const { kind, use, trained } = row.dataset;
  const tags = trained.split("|");
  const data = value("trained");
  const known = !tags.includes("not stated");
  const right = data === "" || (data === "none" || data === "not stated" ? tags.includes(data) : known && !tags.includes(data));
  return right && (!value("kind") || kind === value("kind")) && (!value("use") || use === value("use"));
}

function filter() {
  for (const board of all("[data-board]")) {
    board.hidden = board.dataset.board !== value("dataset");
    if (board.hidden) continue;
    showColumns(board.querySelector("table"), value("frames"), byId("moving").checked);
    for (const row of all("tbody tr", board)) row.hidden = !rightRow(row);
    for (const body of all("tbody[data-references]", board)) body.hidden = !byId("references").checked;
    const rows = all("tbody:not([hidden]) tr:not([hidden])", board).length;
    byId("status").textContent = `${rows} rows`;
  }
}
if (byId("controls")) {
  byId("controls").addEventListener("change", filter);
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  filter();
}

/* Lists that a select narrows down: data-show names the group that an element belongs to. */
for (const select of all("select[data-narrows]")) {
  const narrow = () => {
    for (const part of all(`[data-${select.dataset.narrows}]`)) {
      const chosen = all("select[data-narrows]").every((other) => {
        const own = part.getAttribute(`data-${other.dataset.narrows}`);
        return own === null || other.value === "" || own.split("|").includes(other.value);
      });
      part.hidden = !chosen;
    }
  };
  select.addEventListener("change", narrow);
  narrow();
}
