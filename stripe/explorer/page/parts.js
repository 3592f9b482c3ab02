// Elements of the page, and the thumbnails of images.

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "title" || !(name in made)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

// A choice with a name; `options` are [value, text].
function chooser(name, options, value, changed) {
  const select = element("select", {}, ...options.map(([v, text]) => element("option", { value: v }, text)));
  select.value = value;
  select.name = name;
  select.addEventListener("change", () => changed(select.value));
  return element("label", {}, element("span", {}, name), select);
}

function button(text, title, pressed) {
  const made = element("button", { type: "button", title }, text);
  made.addEventListener("click", pressed);
  return made;
}

// Thumbnails by index, asked for once, several at a time.
class PictureStore {
  constructor(answers, count, arrived) {
    Object.assign(this, { answers, count, arrived, kept: new Map(), wanted: new Set() });
  }

  get(indices) {
    for (const index of indices) {
      if (!this.kept.has(index) && index < this.count) this.wanted.add(index);
    }
    if (this.wanted.size && !this.asking) this.ask();
    return this.kept;
  }

  async ask() {
    this.asking = true;
    await new Promise((done) => setTimeout(done, 30));
    const indices = [...this.wanted].slice(0, 256);
    for (const index of indices) this.wanted.delete(index);
    try {
      await this.fetched(indices);
    } catch {
      for (const index of indices) this.kept.set(index, null);
    }
    this.asking = false;
    this.arrived();
  }

  async fetched(indices) {
    const buffer = await this.answers.source("images/" + indices.join(","));
    const head = new DataView(buffer), side = head.getUint32(4, true);
    const bytes = new Uint8Array(buffer, 8);
    indices.forEach((index, place) => this.kept.set(index, pictureOf(bytes, place * side * side * 3, side)));
  }
}

function pictureOf(bytes, from, side) {
  const picture = element("canvas", { width: side, height: side });
  const pixels = new ImageData(side, side);
  for (let i = 0, at = from; i < side * side; i++, at += 3) pixels.data.set([bytes[at], bytes[at + 1], bytes[at + 2], 255], 4 * i);
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture;
}

// A picture of an image at a size, or its number where there is none.
function figureOf(app, image, size, caption) {
  const figure = element("figure", { className: "sx-image", title: `image ${image}` });
  const picture = app.showsPictures(true) ? app.pictures.get([image]).get(image) : null;
  if (picture) {
    const copy = element("canvas", { width: picture.width, height: picture.height });
    copy.style.width = copy.style.height = size + "px";
    copy.getContext("2d").drawImage(picture, 0, 0);
    figure.append(copy);
  }
  figure.append(element("figcaption", {}, caption));
  figure.addEventListener("click", () => app.set({ image }));
  return figure;
}
