// Curves over time and distributions, drawn by uPlot.
const plots = { alive: [] };

/** Ends all curves that are no longer on the page; uPlot listens to the window. */
function tidyPlots() {
  plots.alive = plots.alive.filter(({ plot, box }) => {
    if (document.contains(box)) return true;
    plot.destroy();
    return false;
  });
}

function fitPlots() {
  for (const { plot, box } of plots.alive) {
    if (box.clientWidth > 0 && box.clientWidth !== plot.width) {
      plot.setSize({ width: box.clientWidth, height: plot.height });
    }
  }
}

/** Draws `columns` (x first) into `box`. series: {label, colour, dash, width, value}. */
function curve(box, { columns, series, height, x, y, below, above, steps, sync }) {
  const text = theme.colour("text"), line = theme.colour("line");
  const axis = (scale, label, values, size) => ({
    scale, label, values, size, stroke: text, labelSize: 18, labelGap: 0, gap: 4,
    font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
    grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 5 },
  });
  const shortAll = (plot, values) => values.map((value) => (value === null ? "" : short(value)));
  // On a logarithmic axis uPlot asks for every 1, 2, ... 9: too many to read.
  const powers = (plot, values) => values.map((value) =>
    (value !== null && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9 ? short(value) : ""));
  const options = {
    width: Math.max(box.clientWidth, 240),
    height: height || 220,
    legend: { live: true },
    cursor: { sync: sync ? { key: sync } : undefined, drag: { x: true, y: false } },
    scales: {
      x: { time: false, distr: x.log ? 3 : 1, range: x.range },
      y: { distr: y.log ? 3 : 1, range: y.range || (y.log ? undefined : (plot, low, high) => [0, high > 0 ? high * 1.08 : 1]) },
    },
    axes: [axis("x", x.label, x.log ? powers : shortAll, 46), axis("y", y.label, y.log ? powers : shortAll, 62)],
    series: [
      { label: x.name, value: (plot, value) => (known(value) ? `${short3(value)} ${x.unit}` : "\u2013") },
      ...series.map((one) => ({
        label: one.label, stroke: one.colour, width: one.width || 2, dash: one.dash, spanGaps: false,
        points: { show: one.points ? undefined : false },
        paths: steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
        value: (plot, value) => (known(value) ? `${short3(value)} ${one.unit || y.unit}` : "\u2013"),
      })),
    ],
    hooks: {
      drawClear: below ? [(plot) => clipped(plot, () => below(plot, plot.ctx))] : [],
      draw: above ? [(plot) => clipped(plot, () => above(plot, plot.ctx))] : [],
    },
  };
  const plot = new uPlot(options, columns, box);
  plots.alive.push({ plot, box });
  return plot;
}

function short3(value) {
  return Math.abs(value) >= 1000 ? grouped(Math.round(value)) : String(+value.toPrecision(3));
}

function clipped(plot, draw) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}

/**
 * One x column for curves that have their own: [[xs, ys], ...] gives [x, y1, y2, ...]. null in ys breaks a line; where
 * a curve has no point of its own its line goes on.
 */
function joined(curves) {
  if (curves.length === 0) return [[]];
  return uPlot.join(curves);
}

const DASHES = [undefined, [6, 4], [2, 3], [10, 3, 2, 3]];

function seriesColour(index) {
  return theme.colour(`series-${index % 8}`);
}
