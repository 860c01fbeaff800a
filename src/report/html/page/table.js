// Tables that a click on a column's head sorts.

/** Gives the heads of a table buttons. A cell sorts by its data-sort, else by its text; numbers as numbers. */
function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const label = head.textContent;
    head.replaceChildren(element("button", { type: "button", onclick: () => sort(head, column) }, label));
  });

  function key(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
    const number = Number(text);
    return text === "" || text === "\u2013" ? null : Number.isNaN(number) ? text : number;
  }

  function sort(head, column) {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      // What is not known is last, whichever way.
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      return ascending ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }
  return table;
}

/**
 * A sortable table. A column is {head, cell(row), sort(row), number}; what `sort` gives is sorted by in place of the text.
 */
function tableOf(caption, columns, rows) {
  const heads = columns.map(({ head, number, title }) => element("th", { scope: "col", class: number && "number", title }, head));
  const cells = (row) => columns.map(({ cell, sort, number }) => {
    const key = sort ? sort(row) : undefined;
    return element("td", { class: number && "number", "data-sort": sort ? (known(key) ? key : "") : null }, cell(row));
  });
  return sortable(element("table", {},
    caption && element("caption", {}, caption),
    element("thead", {}, element("tr", {}, heads)),
    element("tbody", {}, rows.map((row) => element("tr", {}, cells(row))))));
}
