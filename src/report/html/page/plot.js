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
  const axis = (scale, label, values, size, log) => ({
    scale, label, values, size, stroke: text, labelSize: 18, labelGap: 0, gap: 4,
    font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif",
    grid: { stroke: line, width: 1, ...sparse(log) },
    ticks: { stroke: line, width: 1, size: 5, ...sparse(log) },
  });
  // On a logarithmic axis uPlot draws every 1, 2, ... 9: too many over many decades.
  const isPower = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
  const sparse = (log) => (log ? { filter: onlyPowers } : {});
  const onlyPowers = (plot, splits) => splits.map((value) => (value !== null && isPower(value) ? value : null));
  const shortAll = (plot, values) => values.map((value) => (value === null ? "" : short(value)));
  const powers = (plot, values) => values.map((value) => (value !== null && isPower(value) ? short(value) : ""));
  const options = {
    width: Math.max(box.clientWidth, 240),
    height: height || 220,
    legend: { live: true },
    cursor: { sync: sync ? { key: sync } : undefined, drag: { x: true, y: false } },
    scales: {
      x: { time: false, distr: x.log ? 3 : 1, range: x.range },
      y: { distr: y.log ? 3 : 1, range: y.range || (y.log ? undefined : (plot, low, high) => [0, high > 0 ? high * 1.08 : 1]) },
    },
    axes: [axis("x", x.label, x.log ? powers : shortAll, 26), axis("y", y.label, y.log ? powers : shortAll, 44, y.log)],
    series: [
      { label: x.name, value: (plot, value) => (known(value) ? `${short3(value)} ${x.unit}` : "\u2013") },
      ...series.map((one) => ({
        label: one.label, stroke: one.colour, width: one.width || 2, dash: one.dash, spanGaps: false,
        points: { show: one.points ? undefined : false },
        paths: steps || one.steps ? uPlot.paths.stepped({ align: one.steps || 1 }) : undefined,
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
  // 2: a break goes on to the curve's next own point, over the points of the others.
  return uPlot.join(curves, curves.map((columns) => columns.map(() => 2)));
}

const DASHES = [undefined, [6, 4], [2, 3], [10, 3, 2, 3]];

function seriesColour(index) {
  return theme.colour(`series-${index % 8}`);
}
