// How far the gate of the chosen image moved in each epoch.

class Steps {
  constructor(app) {
    this.app = app;
    this.title = element("h3", {}, "Change of the gate of an image in each epoch");
    this.canvas = element("canvas", { className: "sx-steps-map" });
    this.element = element("section", { className: "sx-steps" }, this.title, this.canvas);
    // Its height is there before its values, so that the maps do not move when they come.
    const steps = app.about.runs[0].epochs.length - 1;
    this.element.hidden = steps < 1;
    this.row = Math.max(6, Math.min(16, 120 / steps));
    this.canvas.style.height = steps * this.row + 6 + "px";
  }

  async show() {
    const { app } = this, panel = app.lead;
    if (this.element.hidden || !panel) return;
    const image = (this.image = app.view.image ?? panel.rows.image[0]);
    const key = (this.key = `steps/0/${app.gateIndex}/${image}`);
    this.title.textContent = `Change of the gate of image ${image} in each epoch`;
    try {
      this.matrix = await (app.exact ? app.answers.matrix(key) : this.computed(image));
    } catch (error) {
      this.title.textContent += ` cannot be shown: ${error.message}`;
      this.matrix = null;
    }
    if (this.key === key) this.draw();
  }

  // From the epochs that the page holds, in its steps of a value.
  async computed(image) {
    const { app } = this, found = [];
    for (const epoch of app.about.runs[0].epochs) {
      const matrix = await app.answers.matrix(`matrix/0/${app.gateIndex}/${epoch}/after`);
      const { image: images } = await app.answers.json(`rows/0/${epoch}`), row = images.indexOf(image);
      if (row < 0) throw new Error("it is not in every epoch");
      found.push(Float32Array.from({ length: matrix.columns }, (_, column) => matrix.value(row, column)));
    }
    return differences(found);
  }

  draw() {
    const panel = this.app.lead, { matrix, canvas, row } = this;
    if (!matrix || !panel || matrix.columns !== panel.ordered.matrix.columns) return;
    const dots = window.devicePixelRatio || 1;
    const { left, width } = panel.box, high = matrix.rows * row;
    canvas.width = Math.round(canvas.clientWidth * dots);
    canvas.height = Math.round((high + 6) * dots);
    const ordered = new Ordered(matrix, sortedBy(matrix.rows), panel.ordered.columnOrder);
    const pixels = new ImageData(Math.round(width * dots), Math.round(high * dots));
    const [from, to] = this.app.zoom;
    paint(pixels, ordered, [from, to, 0, 1], coloursOf(matrix, 0, matrix.high, this.app.stepMap));
    const pen = canvas.getContext("2d"), epochs = this.app.about.runs[0].epochs;
    pen.putImageData(pixels, Math.round(left * dots), 0);
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = FAINT;
    pen.textAlign = "right";
    const every = Math.ceil(12 / row);
    for (let i = 0; i < matrix.rows; i += every) pen.fillText(`${epochs[i]}→${epochs[i + 1]}`, left - 5, (i + 0.5) * row + 4);
    this.title.textContent = `Change of the gate of image ${this.image} in each epoch (0, black, to ${short(matrix.high)})`;
  }
}

// The absolute differences of each vector from the next, as a matrix.
function differences(vectors) {
  const columns = vectors[0].length, rows = vectors.length - 1;
  const values = new Float32Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) values[at++] = Math.abs(vectors[row + 1][column] - vectors[row][column]);
  }
  const high = values.reduce((a, b) => Math.max(a, b), 0), buffer = new ArrayBuffer(20 + values.length);
  const head = new DataView(buffer);
  head.setUint32(0, rows, true);
  head.setUint32(4, columns, true);
  head.setFloat32(16, high, true);
  new Uint8Array(buffer, 20).set(values.map((value) => (high ? Math.round((255 * value) / high) : 0)));
  return new Matrix(buffer);
}
