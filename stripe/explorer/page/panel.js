// One heat map with its title, axes, colour bar, class borders and thumbnails, on a canvas;
// the cell under the pointer, pan by drag, and zoom by wheel.

const MARGIN = { left: 58, top: 40, right: 10, bottom: 34 };
const THUMB = 30;
const INK = "#24292f", FAINT = "#6e7781", MARK = "#d1242f";

class Panel {
  constructor(app, run, side) {
    Object.assign(this, { app, run, side, ordered: null, message: "loading ..." });
    this.canvas = element("canvas", { className: "sx-map", tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.listen();
  }

  get box() {
    const left = MARGIN.left + (this.app.showsPictures() ? THUMB + 4 : 0);
    return {
      left,
      top: MARGIN.top,
      width: Math.max(20, this.canvas.clientWidth - left - MARGIN.right),
      height: Math.max(20, this.canvas.clientHeight - MARGIN.top - MARGIN.bottom),
    };
  }

  draw(canvas = this.canvas, dots = window.devicePixelRatio || 1) {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * dots)) canvas.width = Math.round(width * dots);
    if (canvas.height !== Math.round(height * dots)) canvas.height = Math.round(height * dots);
    const pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    if (!this.ordered) {
      pen.fillStyle = FAINT;
      pen.fillText(this.message, MARGIN.left, MARGIN.top + 20, width - MARGIN.left);
      return;
    }
    this.drawMap(pen, dots);
    this.drawTitle(pen);
    this.drawColumns(pen);
    this.drawRows(pen);
    if (this.app.showsPictures()) this.drawPictures(pen);
    this.drawMark(pen);
  }

  drawMap(pen, dots) {
    const { left, top, width, height } = this.box;
    const wide = Math.round(width * dots), high = Math.round(height * dots);
    if (!this.pixels || this.pixels.width !== wide || this.pixels.height !== high) {
      this.pixels = new ImageData(wide, high);
    }
    paint(this.pixels, this.ordered, this.app.zoom, this.colours());
    pen.putImageData(this.pixels, Math.round(left * dots), Math.round(top * dots));
    pen.strokeStyle = "#d0d7de";
    pen.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  }

  colours() {
    const [low, high] = this.scale(), matrix = this.ordered.matrix;
    const key = [low, high, matrix.low, matrix.high].join();
    if (this.coloursKey !== key) {
      this.coloursKey = key;
      this.table = coloursOf(matrix, low, high, this.app.map);
    }
    return this.table;
  }

  scale() {
    const { low, high } = this.ordered.matrix;
    return this.app.view.scale === "shared" ? this.app.sharedScale(low, high) : [low, high];
  }

  drawTitle(pen) {
    const { left, width } = this.box, bar = Math.min(90, width / 4);
    const { name } = this.app.about.runs[this.run];
    const side = this.app.view.side === "both" || this.side === "before" ? this.side : "";
    const told = [name, side].filter(Boolean).join(", ");
    const eta2 = this.eta2 === undefined || this.eta2 === null ? "" : `η² = ${indexText(this.eta2)}, `.replace("= >", ">");
    const room = width - bar - 90;
    pen.fillStyle = INK;
    pen.font = "600 12px system-ui, sans-serif";
    // The end of a gate's name tells it from others, and the list beside the maps has it whole.
    const roomOfGate = width - pen.measureText(`${told}: `).width;
    const gate = roomOfGate > 60 ? `: ${fitted(pen, this.gate, roomOfGate)}` : "";
    pen.fillText(fitted(pen, told + gate, width, true), left, 16);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = FAINT;
    const unknown = this.ordered.matrix.unknown ? `, ${this.ordered.matrix.unknown} not finite` : "";
    pen.fillText(fitted(pen, `${eta2}epoch ${this.epoch}${unknown}`, room, true), left, 32);
    this.drawBar(pen, left + width - bar - 40, bar);
  }

  drawBar(pen, left, width) {
    const [low, high] = this.scale(), map = this.app.map;
    for (let x = 0; x < width; x++) {
      const at = 3 * Math.round((255 * x) / (width - 1));
      pen.fillStyle = `rgb(${map[at]},${map[at + 1]},${map[at + 2]})`;
      pen.fillRect(left + x, 20, 1.5, 10);
    }
    pen.fillStyle = FAINT;
    pen.textAlign = "right";
    pen.fillText(short(low), left - 4, 29);
    pen.textAlign = "left";
    pen.fillText(short(high), left + width + 4, 29);
  }

  drawColumns(pen) {
    const { left, top, width, height } = this.box, { columns } = this.ordered.matrix;
    const [from, to] = this.app.zoom.map((share) => share * columns);
    pen.fillStyle = FAINT;
    pen.textAlign = "center";
    const sorted = this.app.view.channel_order !== "recorded";
    for (const tick of ticks(from, to, width / 60)) {
      const x = left + ((tick + 0.5 - from) / (to - from)) * width;
      if (x > left + width) continue;
      pen.fillRect(x - 0.5, top + height, 1, 4);
      pen.fillText(String(sorted ? this.ordered.columnOrder[tick] : tick), x, top + height + 15);
    }
    const order = { recorded: "", mean: ", by mean", spread: ", by spread" }[this.app.view.channel_order];
    pen.fillText(`channel (${columns}${order})`, left + width / 2, top + height + 30);
    pen.textAlign = "left";
  }

  // Classes with borders where rows are sorted by them; positions elsewhere.
  drawRows(pen) {
    const { left, top, width, height } = this.box, { rows } = this.ordered.matrix;
    const [, , from, to] = this.app.zoom.map((share) => share * rows);
    const y = (row) => top + ((row - from) / (to - from)) * height;
    pen.textAlign = "right";
    pen.fillStyle = FAINT;
    const edge = left - (this.app.showsPictures() ? THUMB + 8 : 5);
    const groups = this.groups();
    if (!groups) {
      for (const tick of ticks(from, to, height / 40)) {
        pen.fillText(String(this.rows.image[this.ordered.rowOrder[tick]]), edge, y(tick + 0.5) + 4);
      }
    } else {
      for (const { first, last, name } of groups) {
        if (first > from && first < to) {
          pen.fillStyle = "rgba(255,255,255,.8)";
          pen.fillRect(left, y(first) - 0.5, width, 1);
        }
        const a = Math.max(y(first), top), b = Math.min(y(last), top + height);
        pen.fillStyle = FAINT;
        if (b - a > 11) pen.fillText(fitted(pen, name, MARGIN.left - 8, true), edge, (a + b) / 2 + 4);
      }
    }
    pen.save();
    pen.translate(14, top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    if (!groups) pen.fillText(`image (${rows})`, 0, 0);
    pen.restore();
    pen.textAlign = "left";
  }

  groups() {
    const order = this.ordered.rowOrder, named = order.clusters || this.rows[this.app.view.image_order];
    if (!named || named.every((name) => name === null)) return null;
    if (this.grouped?.order === order) return this.grouped.groups;
    const groups = [];
    for (let row = 0; row < order.length; row++) {
      const label = named[order[row]], last = groups[groups.length - 1];
      if (last && last.label === label) last.last = row + 1;
      else groups.push({ label, name: order.clusters ? String(label + 1) : this.app.className(label), first: row, last: row + 1 });
    }
    this.grouped = { order, groups };
    return groups;
  }

  // The images beside the rows: of every row where there is room, of some elsewhere.
  drawPictures(pen) {
    if (!this.sameImages) return;
    const { left, top, height } = this.box, { rows } = this.ordered.matrix;
    const [, , from, to] = this.app.zoom.map((share) => share * rows);
    const each = height / (to - from), side = Math.max(THUMB, Math.min(each, THUMB));
    const count = Math.max(1, Math.min(Math.floor(height / (side + 2)), Math.ceil(to - from)));
    const wanted = [];
    for (let i = 0; i < count; i++) {
      const row = Math.min(rows - 1, Math.floor(from + ((i + 0.5) / count) * (to - from)));
      wanted.push([this.rows.image[this.ordered.rowOrder[row]], top + ((i + 0.5) / count) * height]);
    }
    const pictures = this.app.pictures.get(wanted.map(([image]) => image));
    for (const [image, y] of wanted) {
      const picture = pictures.get(image);
      if (picture) pen.drawImage(picture, left - side - 4, y - side / 2, side, side);
    }
  }

  drawMark(pen) {
    const { image, channel } = this.app.view, { left, top, width, height } = this.box;
    const { rows, columns } = this.ordered.matrix;
    const zoom = this.app.zoom;
    const row = image === null || !this.sameImages ? -1 : this.ordered.rowOrder.indexOf(this.rows.image.indexOf(image));
    const column = channel === null ? -1 : this.ordered.columnOrder.indexOf(channel);
    const x = left + ((column + 0.5) / columns - zoom[0]) / (zoom[1] - zoom[0]) * width;
    const y = top + ((row + 0.5) / rows - zoom[2]) / (zoom[3] - zoom[2]) * height;
    pen.fillStyle = MARK;
    if (row >= 0 && y > top && y < top + height) {
      pen.fillRect(left - 4, y - 1, 4, 2);
      pen.fillRect(left + width, y - 1, 5, 2);
    }
    if (column >= 0 && x > left && x < left + width) {
      pen.fillRect(x - 1, top - 4, 2, 4);
      pen.fillRect(x - 1, top + height, 2, 5);
    }
  }

  // The cell at a place of the canvas: positions in the recording, or null.
  cell(x, y) {
    const { left, top, width, height } = this.box;
    const u = (x - left) / width, v = (y - top) / height;
    if (!this.ordered || u < 0 || u >= 1 || v < 0 || v >= 1) return null;
    const { rows, columns } = this.ordered.matrix, zoom = this.app.zoom;
    const column = this.ordered.columnOrder[Math.floor((zoom[0] + u * (zoom[1] - zoom[0])) * columns)];
    const row = this.ordered.rowOrder[Math.floor((zoom[2] + v * (zoom[3] - zoom[2])) * rows)];
    return { row, column, image: this.rows.image[row], u, v, panel: this };
  }

  listen() {
    const { canvas } = this;
    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      const found = this.cell(event.offsetX, event.offsetY);
      if (!found || event.button) return;
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, y: event.clientY, zoom: [...this.app.zoom], moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return this.app.point(this.cell(event.offsetX, event.offsetY), event);
      const { width, height } = this.box;
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.moved ||= Math.hypot(dx, dy) > 4;
      if (drag.moved) this.app.pan(drag.zoom, -dx / width, -dy / height);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.moved) this.app.select(this.cell(event.offsetX, event.offsetY));
      drag = null;
    });
    canvas.addEventListener("pointercancel", () => (drag = null));
    canvas.addEventListener("pointerleave", () => this.app.point(null));
    canvas.addEventListener("dblclick", () => this.app.setZoom([0, 1, 0, 1]));
    canvas.addEventListener("wheel", (event) => {
      const found = this.cell(event.offsetX, event.offsetY);
      if (!found) return;
      event.preventDefault();
      const factor = Math.exp(Math.max(-200, Math.min(200, event.deltaY || event.deltaX)) / 400);
      this.app.zoomAt(found.u, found.v, event.altKey ? 1 : factor, event.shiftKey ? 1 : factor);
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.app.key(event));
  }
}

// Text without its beginning, or its end, where it is too long.
function fitted(pen, text, room, keepsBeginning = false) {
  if (pen.measureText(text).width <= room) return text;
  for (let cut = 1; cut < text.length; cut++) {
    const left = keepsBeginning ? text.slice(0, -cut) + "…" : "…" + text.slice(cut);
    if (pen.measureText(left).width <= room) return left;
  }
  return "";
}

function ticks(from, to, most) {
  const step = [1, 2, 5].flatMap((n) => [n, n * 10, n * 100, n * 1000]).sort((a, b) => a - b)
    .find((size) => (to - from) / size <= Math.max(2, most)) || 10000;
  const found = [];
  for (let tick = Math.ceil(from / step) * step; tick < to; tick += step) found.push(tick);
  return found;
}

function short(number) {
  const size = Math.abs(number);
  return size && (size < 0.01 || size >= 1e4) ? number.toExponential(1) : String(+number.toPrecision(3));
}

// A stripe index with two digits, or with three or four if it is just below 1.
function indexText(value) {
  const written = [2, 3, 4].map((digits) => value.toFixed(digits));
  return written.find((text) => value >= 1 || Number(text) < 1) ?? "> 0.9999";
}
