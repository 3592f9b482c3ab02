// What is shown, as a link and as a line of code.

const DEFAULTS = {
  gate: null, epoch: null, side: "after", scale: "own", image_order: "recorded", channel_order: "recorded",
  gate_order: "depth", run: 0, image: null, channel: null, zoom: null,
};

function viewOf(about, given) {
  const run = about.runs[0], view = { ...DEFAULTS, ...given };
  if (!run.gates.some((gate) => gate.name === view.gate)) view.gate = run.gates[run.gates.length - 1].name;
  if (!(view.run in about.runs)) view.run = 0;
  if (!run.epochs.includes(view.epoch)) view.epoch = run.epochs[run.epochs.length - 1];
  return view;
}

function changed(view) {
  return Object.entries(view).filter(([name, value]) => value !== null && value !== DEFAULTS[name]);
}

function hashOf(view) {
  return "#" + new URLSearchParams(changed(view).map(([name, value]) => [name, String(value)]));
}

function viewOfHash(hash) {
  const view = {};
  for (const [name, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (!(name in DEFAULTS)) continue;
    if (["epoch", "run", "image", "channel"].includes(name)) view[name] = Number(value);
    else if (name === "zoom") view[name] = value.split(",").map(Number);
    else view[name] = value;
  }
  if (view.zoom && !(view.zoom.length === 4 && view.zoom.every((v) => v >= 0 && v <= 1))) delete view.zoom;
  return view;
}

function codeOf(about, view) {
  const written = (value) => Array.isArray(value) ? `(${value.map((v) => +v.toFixed(4)).join(", ")})` : JSON.stringify(value);
  const paths = about.runs.map((run) => JSON.stringify(run.path));
  const data = paths.length > 1 ? `[${paths.join(", ")}]` : paths[0];
  return `stripe.explore(${data}${changed(view).map(([name, value]) => `, ${name}=${written(value)}`).join("")})`;
}
