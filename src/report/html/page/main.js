// The address says behind its # what the page shows: the overview, or `scenario=NAME`. So links, the back button and bookmarks work.
const data = dataOf("data");
let shown = null;
let overviewAt = 0;

function wanted() {
  const match = /^#scenario=(.*)$/.exec(location.hash);
  if (!match) return null;
  // An address by hand may have a % that stands for nothing.
  try { return decodeURIComponent(match[1]); } catch (error) { return match[1]; }
}

function show() {
  const name = wanted();
  if (name !== null && shown === null) overviewAt = scrollY;
  byId("overview").hidden = name !== null;
  byId("scenario").hidden = name === null;
  if (name === null) {
    byId("scenario").replaceChildren();
    document.title = `multivm ${data.run}`;
    // Only now: a curve needs the width of a box that is to be seen.
    showDowntime();
    const link = shown !== null && document.querySelector(`#matrix a[href="${scenarioLink(shown)}"]`);
    if (link) {
      scrollTo(0, overviewAt);
      link.focus({ preventScroll: true });
    }
  } else {
    drawScenario(data, data.scenarios.findIndex((scenario) => scenario.name === name));
    document.title = `${name} - multivm`;
    scrollTo(0, 0);
    const heading = byId("scenario").querySelector("h2");
    if (heading) heading.focus({ preventScroll: true });
  }
  tidyPlots();
  shown = name;
}

/** What depends on the width of the window. */
function fit() {
  fitPlots();
  const index = data.scenarios.findIndex((scenario) => scenario.name === shown);
  if (index >= 0) drawPart(dataOf(`detail-${index}`));
}

function scenarioTable() {
  const table = tableOf(null, [
    { head: "scenario", cell: ({ name }) => element("a", { href: scenarioLink(name) }, name) },
    { head: "verdict", cell: (scenario) => verdict(scenario.verdict) },
    { head: "time", number: true, sort: ({ time_s }) => time_s, cell: ({ time_s }) => duration(time_s * 1000) },
    { head: "longest downtime", number: true, sort: ({ downtime_ms }) => downtime_ms, cell: ({ downtime_ms }) => duration(downtime_ms) },
    { head: "clock", cell: ({ downtime_by }) => downtime_by || "" },
    { head: "migrations", number: true, cell: ({ migrations }) => String(migrations) },
    { head: "finding", cell: ({ headline }) => element("span", { class: "seen" }, headline) },
  ], data.scenarios);
  byId("scenarios").replaceChildren(table);
  const count = byId("scenarios-count");
  const filter = byId("scenarios-filter");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      left += !row.hidden;
    }
    count.textContent = words.length ? `${left} of ${data.scenarios.length}` : "";
  };
  filter.addEventListener("input", apply);
}

theme.begin();
drawMatrix(data);
const showDowntime = drawDowntime(data);
scenarioTable();
show();
addEventListener("hashchange", show);
theme.listeners.push(() => {
  if (shown === null) showDowntime();
  else drawScenario(data, data.scenarios.findIndex((scenario) => scenario.name === shown));
  tidyPlots();
});
let fitting = false;
addEventListener("resize", () => {
  if (fitting) return;
  fitting = true;
  requestAnimationFrame(() => { fitting = false; fit(); });
});
// For measurements: when everything was there, milliseconds since the page began to load.
document.documentElement.dataset.ready = Math.round(performance.now());
