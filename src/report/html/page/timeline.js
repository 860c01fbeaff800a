// When every migration of every guest was, in which phase, and which proofs were made when.
const ROW = 44, BAR = 18, GUTTER = 74;

/** Phases that a grey print must tell apart have a pattern. */
function patterns() {
  const stripes = (phase, turn) => drawn("pattern", { id: `p-${phase}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${turn})` },
    drawn("rect", { width: 6, height: 6, style: `fill: var(--${phase})` }),
    drawn("line", { x1: 0, y1: 0, x2: 0, y2: 6, style: "stroke: var(--page); stroke-width: 2" }));
  return drawn("defs", {}, stripes("post-copy", 45), stripes("completion", -45));
}

function phaseFill(phase) {
  return phase === "post-copy" || phase === "completion" ? `url(#p-${phase})` : `var(--${phase})`;
}

function legText(leg) {
  const parts = (leg.phases || []).map(([phase, from, to]) => `${data.phases[phase]} ${duration(to - from)}`);
  const end = leg.ok ? "" : leg.error ? `; failed: ${leg.error}` : leg.ok === undefined ? "; no end in the record" : "; failed";
  const down = known(leg.reported_ms) ? `; downtime ${duration(leg.reported_ms)}` : known(leg.libvirt_ms) ? `; downtime by libvirt ${duration(leg.libvirt_ms)}` : "";
  return `${leg.guest}, round ${leg.round}, ${direction(leg)}: ${parts.join(", ")}${down}${end}`;
}

function ticks(begin, end, width) {
  const rough = (end - begin) / Math.max(2, Math.floor(width / 90));
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const marks = [];
  for (let number = Math.ceil(begin / step); number * step <= end; number += 1) marks.push(number * step);
  return marks;
}

/** All of a scenario, milliseconds: what is measured may go on a little longer than its time. */
function wholeTime(detail) {
  const ends = detail.legs.flatMap((leg) => (leg.phases || []).map(([, , to]) => to)).concat(detail.marks.map(([t]) => t));
  return [0, ends.reduce((a, b) => Math.max(a, b), Math.max(detail.duration_ms, 1))];
}

/** Draws from one time to another, milliseconds. `chosen` is told which migration is clicked on. */
function drawTimeline(box, detail, [begin, end], chosen) {
  const width = Math.max(box.clientWidth, 280);
  const length = end - begin;
  const rows = [...detail.guests];
  if (detail.marks.some(([, guest]) => guest === null)) rows.push(null);
  const gutter = Math.min(GUTTER, width / 4);
  const x = (t) => gutter + Math.min(Math.max(0, (t - begin) / length), 1) * (width - gutter - 12);
  const outside = (from, to) => to < begin || from > end;
  const top = (guest) => 6 + rows.indexOf(guest) * ROW;
  const height = 6 + rows.length * ROW + 26;
  const readout = element("p", { class: "readout", "aria-live": "polite" }, "Point at a bar or a mark, or go to it with Tab, to read it. A click or Enter on a bar shows its time only.");
  const say = (text) => () => { readout.textContent = text; };
  const readable = (text) => ({ tabindex: 0, role: "img", "aria-label": text, onmouseenter: say(text), onfocus: say(text) });

  const svg = drawn("svg", { class: "timeline", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Timeline of all migrations" }, patterns());
  for (const t of ticks(begin / 1000, end / 1000, width - gutter)) {
    const at = x(t * 1000);
    svg.append(drawn("line", { class: "grid", x1: at, x2: at, y1: 2, y2: height - 22 }),
      drawn("text", { class: "faint", x: at, y: height - 7, "text-anchor": at > width - 24 ? "end" : "middle" }, t === 0 ? "0" : `${short(t)} s`));
  }
  for (const guest of rows) {
    const name = guest === null ? "fleet" : guest;
    svg.append(drawn("text", { x: 0, y: top(guest) + 14 }, name.length > 9 ? `${name.slice(0, 8)}\u2026` : name, drawn("title", {}, name)),
      drawn("line", { class: "grid", x1: 0, x2: width, y1: top(guest) + ROW - 4, y2: top(guest) + ROW - 4 }));
  }
  for (const leg of detail.legs) {
    const y = top(leg.guest);
    const spans = leg.phases || [];
    if (outside(leg.began, spans.length ? spans[spans.length - 1][2] : leg.began)) continue;
    const choose = () => chosen(leg);
    const from = x(leg.began), to = x(spans.length ? spans[spans.length - 1][2] : leg.began);
    const text = legText(leg);
    const frame = drawn("rect", { class: leg.ok ? "frame" : "frame failed", x: from, y, width: Math.max(to - from, 2), height: BAR });
    svg.append(drawn("g", { class: "leg", ...readable(text), onclick: choose, onkeydown: (event) => { if (event.key === "Enter") choose(); } },
      spans.map(([phase, start, end]) => drawn("rect", {
        x: x(start), y, width: Math.max(x(end) - x(start), data.phases[phase] === "switchover" ? 2 : 0.5), height: BAR, style: `fill: ${phaseFill(data.phases[phase])}`,
      })),
      frame,
      // Paint order: the text has an outline of the page's colour, so that it can be read on every phase.
      to - from > 18 && drawn("text", { x: from + 3, y: y + 14, style: "paint-order: stroke; stroke: var(--page); stroke-width: 3px; pointer-events: none" },
        `${leg.ok ? "" : "\u2717 "}${leg.back ? "\u2190" : "\u2192"}`),
      drawn("title", {}, text)));
  }
  for (const [guest, from, length_ms] of detail.gaps) {
    if (!rows.includes(guest) || outside(from, from + length_ms)) continue;
    svg.append(drawn("rect", { class: "gap", x: x(from), y: top(guest) + BAR + 2, width: Math.max(x(from + length_ms) - x(from), 1.5), height: 5 },
      drawn("title", {}, `${guest} answered no probe for ${duration(length_ms)}`)));
  }
  for (const [t, guest, held, failed] of detail.marks) {
    if (outside(t, t)) continue;
    const at = x(t), y = top(guest) + (guest === null ? 10 : BAR + 14);
    const what = [failed && `did not hold: ${failed.split(" ").join(", ")}`, held && `held: ${held.split(" ").join(", ")}`].filter(Boolean).join("; ");
    const text = `${guest === null ? "fleet and hosts" : guest} at ${duration(t)}: ${what}`;
    const mark = failed
      ? drawn("path", { class: "broken", d: `M${at - 5} ${y - 5} l10 10 m0 -10 l-10 10` })
      : drawn("circle", { class: "held", cx: at, cy: y, r: 3.5 });
    // Only what did not hold is a stop for Tab: there are hundreds of the others.
    const attributes = failed ? readable(text) : { onmouseenter: say(text) };
    svg.append(drawn("g", { class: "leg", ...attributes }, drawn("circle", { cx: at, cy: y, r: 7, fill: "transparent" }), mark, drawn("title", {}, text)));
  }
  const key = element("ul", { class: "key" },
    data.phases.map((phase) => element("li", {}, drawn("svg", { width: 22, height: 13, "aria-hidden": "true" },
      drawn("rect", { width: 22, height: 13, style: `fill: ${phaseFill(phase)}; stroke: var(--line)` })), phase)),
    element("li", {}, drawn("svg", { class: "timeline", style: "width: 14px; display: inline", width: 14, height: 13, "aria-hidden": "true" }, drawn("circle", { class: "held", cx: 7, cy: 7, r: 3.5 })), "proofs held"),
    element("li", {}, drawn("svg", { class: "timeline", style: "width: 14px; display: inline", width: 14, height: 13, "aria-hidden": "true" }, drawn("path", { class: "broken", d: "M2 2 l10 10 m0 -10 l-10 10" })), "a proof did not hold"),
    detail.gaps.length > 0 && element("li", {}, drawn("svg", { class: "timeline", style: "width: 22px; display: inline", width: 22, height: 13, "aria-hidden": "true" }, drawn("rect", { class: "gap", y: 4, width: 22, height: 5 })), "no answer to probes"),
    element("li", {}, "\u2192 source to target, \u2190 back"));
  box.replaceChildren(key, svg, readout);
}
