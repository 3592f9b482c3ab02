// The maps as a drawing in SVG: text and lines as such, the values of each map as one picture.

// What a panel draws with, as far as it uses a canvas.
class SvgPen {
  constructor() {
    Object.assign(this, { parts: [], places: [], at: "", dots: 1, fillStyle: "#000", strokeStyle: "#000", textAlign: "left" });
    this.ruler = element("canvas").getContext("2d");
    this.font = "12px sans-serif";
  }

  setTransform(dots) {
    this.dots = dots;
    this.at = "";
  }

  save() {
    this.places.push(this.at);
  }

  restore() {
    this.at = this.places.pop() ?? "";
  }

  translate(x, y) {
    this.at += ` translate(${x} ${y})`;
  }

  rotate(angle) {
    this.at += ` rotate(${(angle * 180) / Math.PI})`;
  }

  measureText(text) {
    this.ruler.font = this.font;
    return this.ruler.measureText(text);
  }

  fillRect(x, y, width, height) {
    this.add("rect", { x, y, width, height, fill: this.fillStyle });
  }

  strokeRect(x, y, width, height) {
    this.add("rect", { x, y, width, height, fill: "none", stroke: this.strokeStyle });
  }

  fillText(text, x, y) {
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    this.add("text", { x, y, fill: this.fillStyle, "text-anchor": anchor, style: `font: ${this.font}` }, text);
  }

  putImageData(pixels, x, y) {
    const canvas = element("canvas", { width: pixels.width, height: pixels.height });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    const { dots } = this;
    this.drawImage(canvas, x / dots, y / dots, pixels.width / dots, pixels.height / dots);
  }

  drawImage(picture, x, y, width, height) {
    const canvas = element("canvas", { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    this.add("image", { x, y, width, height, preserveAspectRatio: "none", href: canvas.toDataURL("image/png") });
  }

  add(tag, attributes, text = "") {
    const where = this.at ? { ...attributes, transform: this.at.trim() } : attributes;
    const written = Object.entries(where).map(([name, value]) => ` ${name}="${escaped(value)}"`).join("");
    this.parts.push(`<${tag}${written}>${escaped(text)}</${tag}>`);
  }
}

function escaped(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (letter) => names[letter]);
}

// All panels side by side.
function drawingOf(app) {
  let left = 0, height = 0;
  const groups = app.panels.filter((panel) => panel.ordered).map((panel) => {
    const pen = new SvgPen();
    panel.draw({ getContext: () => pen }, 2);
    panel.pixels = null;
    const group = `<g transform="translate(${left} 0)">${pen.parts.join("\n")}</g>`;
    left += panel.canvas.clientWidth;
    height = Math.max(height, panel.canvas.clientHeight);
    return group;
  });
  const size = `width="${left}" height="${height}" viewBox="0 0 ${left} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n${groups.join("\n")}\n</svg>\n`;
}

function saveDrawing(app) {
  download(fileName(app, "svg"), new Blob([drawingOf(app)], { type: "image/svg+xml" }));
}
