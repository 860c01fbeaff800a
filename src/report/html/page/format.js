// Numbers as people read them.
function known(value) {
  return value !== null && value !== undefined;
}

/** Milliseconds: "0.4 ms", "38 ms", "1.25 s". */
function duration(ms) {
  if (!known(ms)) return "\u2013";
  if (ms < 10) return `${+ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${+(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60000)} min ${Math.round(ms % 60000 / 1000)} s`;
}

/** A number with thin spaces between thousands. */
function grouped(value) {
  if (!known(value)) return "\u2013";
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

function mib(bytes) {
  return known(bytes) ? `${grouped(Math.round(bytes / 1048576))} MiB` : "\u2013";
}

/** A few digits, for axes: "0.05", "250", "10k", "2M". */
function short(value) {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (Math.abs(value) >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(4));
}

function verdict(kind) {
  const { symbol, name } = data.verdicts[kind];
  return element("span", { class: `verdict ${kind}` },
    element("span", { class: "symbol", "aria-hidden": "true" }, symbol), " ", name);
}

function scenarioLink(name) {
  return `#scenario=${encodeURIComponent(name)}`;
}

/** For where there is little room. */
function arrow(leg) {
  return leg.back ? "\u2190 to source" : "\u2192 to target";
}

function direction(leg) {
  return leg.back ? "target to source" : "source to target";
}
