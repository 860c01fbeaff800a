// How downtimes are distributed, by clock.
const MOST_STEPS = 400;

function drawDowntime(data) {
  const select = byId("downtime-group");
  const groups = [...new Set(data.legs.map(([scenario]) => data.scenarios[scenario].group))];
  for (const group of ["all", ...groups]) select.append(element("option", { value: group }, group));
  const table = byId("percentiles");
  if (table) sortable(table);
  select.addEventListener("change", show);

  function show() {
    const group = select.value;
    if (table) {
      for (const row of table.tBodies[0].rows) row.hidden = group !== "all" && row.dataset.group !== group;
    }
    const box = byId("downtime-curve");
    box.replaceChildren();
    tidyPlots();
    const legs = data.legs.filter(([scenario]) => group === "all" || data.scenarios[scenario].group === group);
    const clocks = data.clocks
      .map((name, index) => ({ name, index, values: legs.map((leg) => leg[index + 1]).filter(known).sort((a, b) => a - b) }))
      .filter(({ values }) => values.length > 0);
    if (clocks.length === 0) {
      box.append(element("p", {}, "This record has no downtime of a migration that succeeded."));
      return;
    }
    // A logarithmic axis has no zero, and no clock can tell less than that anyway.
    const least = (value) => Math.max(value, 0.1);
    const steps = new Set();
    for (const { values } of clocks) {
      const every = Math.max(1, Math.ceil(values.length / MOST_STEPS));
      values.forEach((value, index) => { if (index % every === 0 || index === values.length - 1) steps.add(least(value)); });
    }
    const xs = [...steps].sort((a, b) => a - b);
    const low = xs[0] / 1.5, high = xs[xs.length - 1] * 1.5;
    const columns = [[low, ...xs, high]];
    for (const { values } of clocks) {
      let count = 0;
      columns.push(columns[0].map((x) => {
        while (count < values.length && least(values[count]) <= x) count += 1;
        return count / values.length * 100;
      }));
    }
    curve(box, {
      columns,
      series: clocks.map(({ name, index, values }) => ({
        label: `${name} (${values.length})`, colour: seriesColour([1, 0, 2, 3, 4][index]), width: name === "reported" ? 5 : 2,
        dash: [undefined, [6, 4], [2, 3], [10, 3, 2, 3], [4, 2]][index],
      })),
      height: 300,
      steps: true,
      x: { name: "downtime", label: "downtime (ms, logarithmic)", unit: "ms", log: true, range: (plot, from, to) => [from, to] },
      y: { label: "migrations (%)", unit: "%", range: () => [0, 102] },
    });
  }
  return show;
}
