// The matrix as a heat map: mode, order and transport against where and what.
const MATRIX_BY = {
  verdict: "verdict",
  downtime: "longest downtime (s)",
  time: "time (s)",
};

function drawMatrix(data) {
  const choice = byId("matrix-by");
  for (const [by, label] of Object.entries(MATRIX_BY)) {
    const input = element("input", { type: "radio", name: "matrix-by", value: by, checked: by === "verdict", onchange: () => show(by) });
    choice.append(element("label", {}, input, " ", label));
  }

  const cells = new Map();
  const trouble = ({ verdict: kind }) => ["failed", "error", "interrupted"].includes(kind);
  for (const scenario of data.scenarios) {
    const place = `${scenario.row} ${scenario.column}`;
    // Of several of one name, which merged runs may have, the first that did not pass.
    if (!cells.has(place) || (trouble(scenario) && !trouble(cells.get(place)))) cells.set(place, scenario);
  }
  const links = [];
  const starts = data.columns.map(([where], index) => index === 0 || data.columns[index - 1][0] !== where);

  function head() {
    const groups = [];
    data.columns.forEach(([where], index) => {
      if (starts[index]) groups.push({ where, span: 0 });
      groups[groups.length - 1].span += 1;
    });
    return element("thead", {},
      element("tr", {}, element("td", {}), groups.map(({ where, span }) =>
        element("th", { colspan: span, class: span < 3 ? "where upright" : "where", scope: "colgroup", title: where }, element("span", {}, where)))),
      element("tr", {}, element("td", {}), data.columns.map(([where, what], index) =>
        element("th", { class: starts[index] ? "what first" : "what", scope: "col" }, element("span", {}, what)))));
  }

  function body() {
    return element("tbody", {}, data.rows.map((name, row) => element("tr", {},
      element("th", { scope: "row" }, name),
      data.columns.map((_, column) => {
        const scenario = cells.get(`${row} ${column}`);
        const place = { class: starts[column] ? "first" : null };
        if (!scenario) return element("td", place);
        const link = element("a", { href: scenarioLink(scenario.name), tabindex: links.length === 0 ? 0 : -1 });
        links.push({ link, row, column, scenario });
        return element("td", place, link);
      }))));
  }

  const table = element("table", { class: "matrix" }, head(), body());
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const from = step && links.find(({ link }) => link === document.activeElement);
    if (!from) return;
    event.preventDefault();
    let [row, column] = [from.row + step[0], from.column + step[1]];
    // A matrix has holes where its constraints forbid a combination: over them to the next cell.
    while (row >= 0 && row < data.rows.length && column >= 0 && column < data.columns.length) {
      const to = links.find((other) => other.row === row && other.column === column);
      if (to) {
        from.link.tabIndex = -1;
        to.link.tabIndex = 0;
        to.link.focus();
        return;
      }
      row += step[0];
      column += step[1];
    }
  });
  byId("matrix").replaceChildren(table);

  function show(by) {
    const value = ({ downtime_ms, time_s }) => (by === "downtime" ? (known(downtime_ms) ? downtime_ms / 1000 : null) : time_s);
    const values = links.map(({ scenario }) => value(scenario)).filter((number) => known(number) && number > 0);
    const low = Math.min(...values), high = Math.max(...values);
    for (const { link, scenario } of links) {
      const kind = scenario.verdict;
      const { symbol, name } = data.verdicts[kind];
      const lines = [scenario.name, name, duration(scenario.time_s * 1000),
        known(scenario.downtime_ms) ? `longest downtime ${duration(scenario.downtime_ms)} (${scenario.downtime_by})` : "no downtime known"];
      link.setAttribute("aria-label", lines.join(", "));
      link.title = lines.join("\n") + (scenario.headline ? `\n${scenario.headline}` : "");
      link.removeAttribute("style");
      if (by === "verdict") {
        link.className = `solid ${kind}`;
        link.textContent = symbol;
        continue;
      }
      const number = value(scenario);
      // Logarithmic: downtimes of 30 ms and of 3 s are both to be seen.
      const share = high > low && number > 0 ? Math.log(number / low) / Math.log(high / low) : 0;
      link.className = trouble(scenario) ? "mark" : "";
      link.textContent = known(number) && !(by === "time" && number === 0) ? cellNumber(number) : symbol;
      if (known(number) && number > 0) {
        link.style.background = `color-mix(in oklab, var(--high) ${Math.round(share * 100)}%, var(--low))`;
        link.style.color = share > 0.5 ? "var(--on-high)" : "var(--on-low)";
      }
    }
    const legend = byId("matrix-legend");
    if (by === "verdict") {
      const kinds = [...new Set(links.map(({ scenario }) => scenario.verdict))];
      legend.replaceChildren(...kinds.flatMap((kind) => [verdict(kind), " \u2002 "]));
    } else if (values.length === 0) {
      legend.replaceChildren("This record has no such number.");
    } else {
      const whose = by === "downtime" && links.some(({ scenario }) => scenario.downtime_by === "libvirt")
        ? " libvirt's, where the network's and the guest's own were not measured." : "";
      legend.replaceChildren(`${short(low)} s`, element("span", { class: "scale", "aria-hidden": "true" }), `${short(high)} s, logarithmic.`,
        ` Outlined: did not pass.${whose}`);
    }
  }
  show("verdict");
}

/** "0.05", "1.2", "35": fits a cell. */
function cellNumber(seconds) {
  if (seconds >= 10) return String(Math.round(seconds));
  if (seconds >= 1) return seconds.toFixed(1);
  return seconds.toFixed(2).replace(/^0/, "");
}
