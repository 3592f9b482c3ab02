// Pictures and tables of what is shown.

function download(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// All panels side by side, at twice the size of the screen.
function savePicture(app) {
  const shown = app.panels.filter((panel) => panel.ordered);
  const drawn = shown.map((panel) => {
    const canvas = element("canvas");
    panel.draw(canvas, 2);
    panel.pixels = null;
    return canvas;
  });
  const across = drawn.reduce((sum, canvas) => sum + canvas.width, 0);
  const whole = element("canvas", { width: across, height: Math.max(...drawn.map((canvas) => canvas.height)) });
  const pen = whole.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, whole.width, whole.height);
  let left = 0;
  for (const canvas of drawn) {
    pen.drawImage(canvas, left, 0);
    left += canvas.width;
  }
  whole.toBlob((blob) => download(fileName(app, "png"), blob));
}

// The cells in sight, a file for each panel, in the order shown; exact values where they can be had.
async function saveTables(app) {
  for (const panel of app.panels.filter((one) => one.ordered)) await saveTable(app, panel);
}

async function saveTable(app, panel) {
  const { matrix, rowOrder, columnOrder } = panel.ordered;
  const [left, right, top, bottom] = app.zoom;
  const rows = rowOrder.slice(Math.floor(top * matrix.rows), Math.ceil(bottom * matrix.rows));
  const columns = columnOrder.slice(Math.floor(left * matrix.columns), Math.ceil(right * matrix.columns));
  const where = `${panel.run}/${panel.index}/${panel.epoch}/${panel.side}`;
  const values = app.exact ? await app.answers.floats(`values/${where}`) : null;
  const value = (at) => (values ? String(+values[at].toPrecision(7)) : matrix.valueOf(matrix.steps[at]).toPrecision(4));
  const lines = [["image", "label", "prediction", ...Array.from(columns, (column) => `channel_${column}`)].join()];
  for (const row of rows) {
    const cells = Array.from(columns, (column) => value(row * matrix.columns + column));
    const about = ["image", "label", "prediction"].map((name) => panel.rows[name][row] ?? "");
    lines.push([...about, ...cells].join());
  }
  const kind = [...(panel.side === "before" ? ["before"] : []), ...(values ? [] : ["rounded"]), "csv"];
  download(fileName(app, kind.join("."), panel), new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
}

function fileName(app, suffix, panel = app.lead) {
  const safe = `${app.about.runs[panel.run].name}-${panel.gate}-epoch${panel.epoch}`.replace(/[^\w.-]+/g, "_");
  return `${safe}.${suffix}`;
}

async function copied(app, text, what) {
  try {
    await navigator.clipboard.writeText(text);
    app.say(`${what} copied`);
  } catch {
    app.say(text);
  }
}
