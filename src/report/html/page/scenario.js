// The page of one scenario. It is made when it is opened, so that a run of hundreds of them opens at once.

function drawScenario(data, index) {
  const page = byId("scenario");
  if (index < 0) {
    page.replaceChildren(element("p", { class: "notice" }, "There is no such scenario in this run. ", element("a", { href: "#overview" }, "To the overview")));
    return;
  }
  const detail = dataOf(`detail-${index}`);
  const neighbour = (to, label) => data.scenarios[to] && element("a", { href: scenarioLink(data.scenarios[to].name), title: data.scenarios[to].name }, label);
  const timeline = element("div", { class: "plot", id: "timeline" });
  const part = element("div", {});
  const curves = element("div", { id: "curves" });
  page.replaceChildren(element("div", { class: "scenario" },
    element("nav", { class: "crumbs", "aria-label": "Scenarios" },
      element("a", { href: "#overview" }, "\u2191 Overview"), neighbour(index - 1, "\u2190 Before"), neighbour(index + 1, "After \u2192")),
    element("h2", { tabindex: -1 }, detail.name),
    element("p", {}, verdict(detail.verdict), ` after ${duration(detail.duration_ms)}, began ${detail.started}`,
      detail.plays > 1 && `; played ${detail.plays} times, this is the last`),
    detail.reason && element("pre", {}, detail.reason),
    detail.findings.map(findingBlock),
    element("p", {}, "Run just this: ", element("code", {}, detail.rerun)),
    detail.evidence && element("p", {}, "Evidence: ", detail.evidence_link
      ? element("a", { href: detail.evidence_link }, detail.evidence) : element("code", {}, detail.evidence)),
    spentBar(detail.spent),
    detail.guests.length > 0 && [element("h3", {}, "Timeline"), part, timeline],
    curves,
    legTable(detail),
    proofTable(detail),
    restOf(detail)));
  part.append(partChoice(detail));
  drawPart(detail);
}

/** Which part of the time is shown: all of it, or one step, in which moves overlap. */
function partChoice(detail) {
  const steps = new Map();
  for (const leg of detail.legs) {
    const spans = leg.phases || [];
    const to = spans.length ? spans[spans.length - 1][2] : leg.began;
    const step = steps.get(leg.step) || { from: Infinity, to: 0, legs: [] };
    steps.set(leg.step, { from: Math.min(step.from, leg.began), to: Math.max(step.to, to), legs: [...step.legs, leg] });
  }
  const select = element("select", { id: "part", onchange: () => choosePart(detail) }, element("option", { value: "" }, "all of it"),
    [...steps].map(([step, { from, to, legs }]) => {
      const room = Math.max((to - from) * 0.15, 100);
      return element("option", { value: `${from - room} ${to + room}`, "data-step": step },
        `step ${step}: ${legs.map((leg) => `${leg.guest} ${arrow(leg)}`).join(", ")}, at ${duration(from)}`);
    }));
  return element("p", {}, element("label", {}, "Time shown ", select));
}

/** The time that is shown, milliseconds. */
function shownTime(detail) {
  const value = byId("part").value;
  return value === "" ? wholeTime(detail) : value.split(" ").map(Number);
}

/** Draws another part; where one guest's curves were shown that does not move in it, those of one that does. */
function choosePart(detail, guest) {
  const option = byId("part").selectedOptions[0];
  const moving = detail.legs.filter((leg) => String(leg.step) === option.dataset.step).map((leg) => leg.guest);
  const guests = byId("curve-guests");
  if (guests && guests.value !== "" && moving.length > 0) {
    if (guest) guests.value = guest;
    else if (!moving.includes(guests.value)) guests.value = moving[0];
  }
  drawPart(detail);
}

function drawPart(detail) {
  const timeline = byId("timeline");
  if (timeline) {
    drawTimeline(timeline, detail, shownTime(detail), (leg) => {
      const select = byId("part");
      const option = [...select.options].find((one) => one.dataset.step === String(leg.step));
      if (!option) return;
      option.selected = true;
      choosePart(detail, leg.guest);
      select.focus({ preventScroll: true });
    });
  }
  drawCurves(byId("curves"), detail);
}

function findingBlock(finding) {
  return element("section", { class: "failure failed" },
    element("p", {}, element("strong", {}, finding.headline)),
    element("p", {}, "expected:"), element("pre", {}, finding.expected),
    element("p", {}, "seen:"), element("pre", {}, finding.seen),
    finding.try_next && element("p", {}, `try next: ${finding.try_next}`));
}

/** Where the time of a scenario went. */
function spentBar(spent) {
  const parts = spent.map(([name, seconds], index) => ({ name, index, seconds })).filter(({ seconds }) => seconds > 0);
  if (parts.length === 0) return null;
  const text = parts.map(({ name, seconds }) => `${name} ${duration(seconds * 1000)}`);
  return [
    element("div", { class: "bar", role: "img", "aria-label": `Time went to ${text.join(", ")}` },
      parts.map(({ index, seconds }, place) => element("span", { title: text[place], style: `flex: ${seconds}; background: var(--series-${[6, 4, 0, 2, 3, 5][index]})` }))),
    element("ul", { class: "key" }, parts.map(({ index }, place) =>
      element("li", {}, element("i", { style: `background: var(--series-${[6, 4, 0, 2, 3, 5][index]})` }), text[place]))),
  ];
}

// --- curves

function drawCurves(box, detail) {
  const withSamples = detail.legs.some((leg) => leg.samples && leg.samples.t && leg.samples.t.length);
  if (!withSamples && Object.keys(detail.speeds).length === 0 && Object.keys(detail.cpu).length === 0) return;
  const before = byId("curve-guests");
  const select = element("select", { id: "curve-guests" },
    element("option", { value: "" }, "all guests"), detail.guests.map((guest) => element("option", { value: guest }, guest)));
  // More than four guests at once are a tangle: begin with the first.
  if (before) select.value = before.value;
  else if (detail.guests.length > 4) select.value = detail.guests[0];
  const place = element("div", {});
  box.replaceChildren(
    element("h3", {}, "Over time"),
    element("p", {}, element("label", {}, "Curves of ", select), " ",
      element("span", { class: "hint" }, "Shaded: pre-copy, switchover and post-copy of these guests. Drag to zoom in, double-click to zoom out.")),
    place);
  const show = () => {
    place.replaceChildren();
    tidyPlots();
    const guests = select.value ? [select.value] : detail.guests;
    for (const draw of [throughput, remaining, writeSpeed, hostCpu]) draw(place, detail, guests);
  };
  select.addEventListener("change", show);
  show();
}

function section(place, title, hint) {
  const plot = element("div", { class: "plot" });
  place.append(element("h4", {}, title), hint && element("p", { class: "hint" }, hint), plot);
  return plot;
}

/** The samples of a guest's migrations, one after the other; a null between two of them breaks the line, undefined is no point. */
function sampled(detail, guest, values) {
  const xs = [], ys = [];
  for (const leg of detail.legs.filter((one) => one.guest === guest && one.samples && one.samples.t)) {
    const column = values(leg.samples, leg);
    if (!column) continue;
    leg.samples.t.forEach((t, index) => {
      // Two samples may have come within the same millisecond.
      const at = t / 1000;
      if (column[index] === undefined || (xs.length && at <= xs[xs.length - 1])) return;
      xs.push(at);
      ys.push(column[index]);
    });
    if (xs.length) {
      xs.push(xs[xs.length - 1] + 1e-4);
      ys.push(null);
    }
  }
  return [xs, ys];
}

/** Milliseconds. An average over less says more about when libvirt was asked than about the migration. */
const SHORTEST_AVERAGE = 50;

/** MiB/s sent between each sample and the one before; the first has that of the second, where the step to it begins. */
function sentRates({ t, sent_kib: sent }) {
  if (!sent) return null;
  const kept = [];
  t.forEach((at, index) => {
    if (!known(sent[index])) return;
    const last = kept.length - 1;
    if (last >= 0 && at - t[kept[last]] < SHORTEST_AVERAGE) {
      // The last of all is the end, and stays.
      if (index === t.length - 1 && last > 0) kept[last] = index;
      return;
    }
    kept.push(index);
  });
  if (kept.length < 2) return null;
  const rates = t.map(() => undefined);
  kept.forEach((index, place) => {
    if (place === 0) return;
    const before = kept[place - 1];
    rates[index] = Math.max(sent[index] - sent[before], 0) / 1024 / ((t[index] - t[before]) / 1000);
  });
  rates[kept[0]] = rates[kept[1]];
  return rates;
}

function shading(detail, guests) {
  const colours = data.phases.map((phase) => theme.colour(phase));
  const shown = detail.legs.filter((leg) => guests.includes(leg.guest));
  return (plot, ctx) => {
    const { top, height } = plot.bbox;
    for (const leg of shown) {
      for (const [phase, from, to] of leg.phases || []) {
        if (data.phases[phase] === "setup" || data.phases[phase] === "completion") continue;
        const left = plot.valToPos(from / 1000, "x", true), right = plot.valToPos(to / 1000, "x", true);
        ctx.globalAlpha = data.phases[phase] === "switchover" ? 0.5 : 0.16;
        ctx.fillStyle = colours[phase];
        ctx.fillRect(left, top, Math.max(right - left, data.phases[phase] === "switchover" ? 2 : 0), height);
      }
    }
  };
}

/** A mark with its number at every pass that began. */
function passes(detail, guests) {
  const shown = detail.legs.filter((leg) => guests.includes(leg.guest));
  const colours = Object.fromEntries(detail.guests.map((guest, index) => [guest, seriesColour(index)]));
  return (plot, ctx) => {
    const scale = devicePixelRatio;
    ctx.font = `${10 * scale}px system-ui, sans-serif`;
    ctx.textAlign = "center";
    let free = -Infinity;
    const marks = shown.flatMap((leg) => (leg.iterations || []).map(([t, pass]) => [t, pass, leg.guest])).sort((a, b) => a[0] - b[0]);
    for (const [t, pass, guest] of marks) {
      const at = plot.valToPos(t / 1000, "x", true);
      ctx.strokeStyle = ctx.fillStyle = colours[guest];
      ctx.globalAlpha = 0.75;
      ctx.lineWidth = scale;
      ctx.setLineDash([2 * scale, 3 * scale]);
      ctx.beginPath();
      ctx.moveTo(at, plot.bbox.top + 12 * scale);
      ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      // A number that would lie on the one before is left out.
      if (at - free > 9 * scale) {
        ctx.fillText(String(pass), at, plot.bbox.top + 10 * scale);
        free = at;
      }
    }
  };
}

/** A curve over the same time as the timeline above it, until a part of it is dragged over. */
function timeCurve(box, detail, options) {
  const times = options.columns[0];
  const first = times[0], last = times[times.length - 1];
  const whole = shownTime(detail).map((ms) => ms / 1000);
  return curve(box, {
    ...options,
    x: {
      name: "at", label: "seconds since the scenario began", unit: "s",
      // uPlot asks with the ends of the data when it begins, and after a double-click.
      range: (plot, low, high) => (low === first && high === last ? whole : [low, high]),
    },
    sync: "time",
  });
}

function throughput(place, detail, guests) {
  const curves = [], series = [];
  for (const guest of guests) {
    const colour = seriesColour(detail.guests.indexOf(guest));
    const sent = sampled(detail, guest, sentRates);
    const dirty = sampled(detail, guest, (samples) => samples.dirty_kib_s && samples.dirty_kib_s.map((kib) => (known(kib) ? kib / 1024 : null)));
    if (sent[0].length) { curves.push(sent); series.push({ label: `${guest} sent`, colour, steps: -1 }); }
    if (dirty[0].length) { curves.push(dirty); series.push({ label: `${guest} dirtied`, colour, dash: [6, 4], points: true }); }
  }
  if (curves.length === 0) return;
  const box = section(place, "Throughput and dirty rate",
    "Solid: memory sent, averaged from one sample to the next, of which the first is the beginning of the first pass and the last the end. Dashed: memory that the guest dirties, which QEMU measures once per pass. Numbered: the pass that begins.");
  timeCurve(box, detail, {
    columns: joined(curves), series, y: { label: "MiB/s", unit: "MiB/s" },
    below: shading(detail, guests), above: passes(detail, guests), height: 260,
  });
}

function remaining(place, detail, guests) {
  const curves = [], series = [];
  for (const guest of guests) {
    // Before the first pass libvirt says 0, which is not what remains.
    const left = sampled(detail, guest, ({ remaining_kib: kib, sent_kib: sent }) =>
      kib && kib.map((value, index) => (known(value) && (value > 0 || (sent && sent[index] > 0)) ? value / 1024 : null)));
    if (left[0].length) { curves.push(left); series.push({ label: guest, colour: seriesColour(detail.guests.indexOf(guest)), points: true }); }
  }
  if (curves.length === 0) return;
  const box = section(place, "Remaining memory", "Rises where a pass begins and the pages are counted that were dirtied meanwhile.");
  timeCurve(box, detail, {
    columns: joined(curves), series, y: { label: "MiB", unit: "MiB" },
    below: shading(detail, guests), above: passes(detail, guests),
  });
}

function writeSpeed(place, detail, guests) {
  const shown = guests.filter((guest) => detail.speeds[guest] && detail.speeds[guest][0].length);
  if (shown.length === 0) return;
  const values = shown.flatMap((guest) => detail.speeds[guest][1]).filter((value) => value > 0).sort((a, b) => a - b);
  const log = values.length > 0 && values[values.length - 1] > 20 * values[Math.floor(values.length / 2)];
  const box = section(place, "The guest's write speed", "How long writing a GiB of memory would have taken: higher is slower.");
  timeCurve(box, detail, {
    columns: joined(shown.map((guest) => {
      const [times, speeds] = detail.speeds[guest];
      return [times.map((t) => t / 1000), speeds.map((speed) => (log ? Math.max(speed, values[0]) : speed))];
    })),
    series: shown.map((guest) => ({ label: guest, colour: seriesColour(detail.guests.indexOf(guest)), width: 1 })),
    y: { label: log ? "ms per GiB (logarithmic)" : "ms per GiB", unit: "ms per GiB", log },
    below: shading(detail, guests),
  });
}

function hostCpu(place, detail, guests) {
  const hosts = Object.keys(detail.cpu).filter((host) => detail.cpu[host][0].length);
  if (hosts.length === 0) return;
  const box = section(place, "Host CPU", "CPUs that were busy with each host's processes, its guests among them.");
  timeCurve(box, detail, {
    columns: joined(hosts.map((host) => [detail.cpu[host][0].map((t) => t / 1000), detail.cpu[host][1]])),
    series: hosts.map((host, index) => ({ label: host, colour: seriesColour(index), dash: DASHES[index % 4] })),
    y: { label: "CPUs", unit: "CPUs" }, below: shading(detail, guests), height: 180,
  });
}

// --- tables

function withError(value, error) {
  return known(value) ? `${short3(value)}${known(error) ? ` \u00b1 ${short3(error)}` : ""}` : "\u2013";
}

function legTable(detail) {
  if (detail.legs.length === 0) return null;
  const ms = (head, key, error, title) => ({ head, title, number: true, sort: (leg) => leg[key], cell: (leg) => withError(leg[key], error && leg[error]) });
  const columns = [
    { head: "guest", cell: (leg) => leg.guest },
    { head: "round", number: true, cell: (leg) => String(leg.round) },
    { head: "direction", cell: (leg) => element("span", { class: "verdict" }, arrow(leg)) },
    { head: "result", cell: (leg) => (leg.ok ? verdict("passed") : [verdict(leg.ok === undefined && !leg.error ? "interrupted" : "failed"), leg.error && element("span", { class: "seen" }, leg.error)]) },
    ms("reported", "reported_ms", null, "Downtime, ms: how long the network was silent, and within its error what the guest says"),
    ms("network", "network_ms", "network_error_ms", "Downtime, ms: longest gap in the answers to probes from outside"),
    ms("guest", "guest_ms", "guest_error_ms", "Downtime, ms: how long the guest itself did nothing"),
    { head: "libvirt", title: "Downtime, ms: of the completed job", number: true, sort: (leg) => leg.libvirt_ms,
      cell: (leg) => element("span", { class: leg.nonsense && "nonsense", title: leg.nonsense && "Longer than the whole job: nonsense, and not counted" }, withError(leg.libvirt_ms)) },
    ms("QEMU", "qemu_ms", null, "Downtime, ms: from the stop on the source to the start on the target"),
    ms("worst write", "worst_write_ms", null, "The longest synced write to the guest's disk, ms"),
    ms("typical write", "typical_write_ms", null, "The median of the synced writes to the guest's disk, ms"),
    { head: "total", title: "libvirt's, ms", number: true, sort: (leg) => leg.total_ms, cell: (leg) => withError(leg.total_ms) },
    { head: "setup", title: "libvirt's, ms", number: true, sort: (leg) => leg.setup_ms, cell: (leg) => withError(leg.setup_ms) },
    { head: "to switch", title: "Time to the switch to post-copy, ms", number: true, sort: (leg) => leg.switchover_ms, cell: (leg) => withError(leg.switchover_ms) },
    { head: "sent", number: true, sort: (leg) => leg.sent_bytes, cell: (leg) => mib(leg.sent_bytes) },
    { head: "\u00d7 memory", title: "Sent, in sizes of the guest's memory", number: true, cell: (leg) => (known(leg.ratio) ? String(leg.ratio) : "\u2013") },
    { head: "passes", number: true, cell: (leg) => (known(leg.passes) ? String(leg.passes) : "\u2013") },
    { head: "requests", title: "Pages that the target had to ask for after the switch to post-copy", number: true, cell: (leg) => grouped(leg.requests) },
    { head: "throttle", title: "How much of their time the guest's CPUs were held back, percent", number: true, cell: (leg) => (known(leg.throttle) ? `${leg.throttle} %` : "\u2013") },
  ];
  // An empty column only takes room; the clocks' columns stay, so that a reader sees that they are empty.
  const optional = { "to switch": "switchover_ms", requests: "requests", throttle: "throttle", setup: "setup_ms", "worst write": "worst_write_ms", "typical write": "typical_write_ms" };
  const shown = columns.filter(({ head }) => !optional[head] || detail.legs.some((leg) => known(leg[optional[head]])));
  const disagreements = detail.legs.filter((leg) => leg.disagreement);
  return [
    element("h3", {}, "Migrations"),
    element("div", { class: "scroll" }, tableOf("Downtimes (by clock) and times in milliseconds", shown, detail.legs)),
    disagreements.length > 0 && element("details", { open: disagreements.length <= 4 }, element("summary", {},
      `The clocks disagree by more than errors and the guest's silence beside migrations explain: ${disagreements.length} of ${detail.legs.length} migrations`), element("ul", {}, disagreements.map((leg) =>
      element("li", {}, `${leg.guest}, round ${leg.round}, ${direction(leg)}: ${leg.disagreement}`)))),
  ];
}

function proofTable(detail) {
  if (detail.proofs.length === 0) return null;
  return [
    element("h3", {}, "Proofs"),
    element("div", { class: "scroll" }, tableOf("What the first that did not hold saw, else the last", [
      { head: "proof", cell: ([name]) => name },
      { head: "result", cell: ([, made, held]) => verdict(made === held ? "passed" : "failed") },
      { head: "made", number: true, cell: ([, made]) => String(made) },
      { head: "held", number: true, cell: ([, , held]) => String(held) },
      { head: "seen", cell: (proof) => element("span", { class: "seen" }, proof[3]) },
    ], detail.proofs)),
  ];
}

function restOf(detail) {
  const folded = (title, content) => element("details", {}, element("summary", {}, title), element("div", { class: "scroll" }, content));
  return [
    element("h3", {}, "More"),
    detail.loads.length > 0 && folded(`Loads: ${detail.loads.length}`, tableOf(null, [
      { head: "where", cell: (load) => load.place },
      { head: "at", number: true, sort: (load) => load.t, cell: (load) => duration(load.t) },
      { head: "command", cell: (load) => element("code", {}, load.command) },
      { head: "size from", cell: (load) => load.basis || "" },
    ], detail.loads)),
    detail.probes.length > 0 && folded(`Probes from outside: ${detail.probes.length} guests, ${detail.gap_count} gaps recorded`, [
      tableOf(null, [
        { head: "guest", cell: ([guest]) => guest },
        { head: "sent", number: true, cell: ([, sent]) => String(sent) },
        { head: "answered", number: true, cell: ([, , received]) => String(received) },
        { head: "longest gap", number: true, sort: (probe) => probe[3], cell: (probe) => duration(probe[3]) },
      ], detail.probes),
      detail.gaps.length > 0 && tableOf(`The longest gaps${detail.gaps.length < detail.gap_count ? `, ${detail.gaps.length} of ${detail.gap_count}` : ""}`, [
        { head: "guest", cell: ([guest]) => guest },
        { head: "from", number: true, sort: (gap) => gap[1], cell: (gap) => duration(gap[1]) },
        { head: "length", number: true, sort: (gap) => gap[2], cell: (gap) => duration(gap[2]) },
      ], detail.gaps),
    ]),
    Object.keys(detail.numbers).length > 0 && folded("Numbers", tableOf(null, [
      { head: "name", cell: ([name]) => name },
      { head: "value", number: true, cell: ([, value]) => value },
    ], Object.entries(detail.numbers))),
    detail.repairs.length > 0 && folded(`Put in order before it: ${detail.repairs.length}`, tableOf(null, [
      { head: "what", cell: ([what]) => what }, { head: "why", cell: ([, why]) => why },
    ], detail.repairs)),
  ];
}
