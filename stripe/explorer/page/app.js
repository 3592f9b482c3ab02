// The page: what is shown, who shows it, and what happens when something is chosen.

class Explorer {
  constructor(root, source, about, options) {
    Object.assign(this, { root, about, exact: options.exact, changedView: options.changed });
    this.answers = new Answers(source);
    this.map = bytesOf(options.colours.values);
    this.stepMap = bytesOf(options.colours.steps);
    this.gates = about.runs[0].gates;
    this.view = viewOf(about, options.view);
    this.glances = new Map();
    this.panels = [];
    this.pictures = new PictureStore(this.answers, about.pictures, () => {
      this.redraw();
      this.details.show();
    });
    this.build();
    this.set({});
    this.loading.finally(() => this.list.fill());
  }

  get zoom() {
    return this.view.zoom || [0, 1, 0, 1];
  }

  get gateIndex() {
    return this.gates.findIndex((gate) => gate.name === this.view.gate);
  }

  // The map that the rest of the page is about: the gate of the first run, where it is shown.
  get lead() {
    return this.shown(() => true);
  }

  // The map of the run in which a cell was chosen.
  get chosen() {
    return this.shown((panel) => panel.run === this.view.run) || this.lead;
  }

  shown(wanted) {
    const drawn = this.panels.filter((panel) => panel.ordered && wanted(panel));
    return drawn.find((panel) => panel.side === "after") || drawn[0];
  }

  // The name of a run, where there are several.
  runName(run) {
    return this.about.runs.length > 1 ? `${this.about.runs[run].name}: ` : "";
  }

  build() {
    const { root, about } = this, run = about.runs[0];
    const named = about.runs.map((one) => one.name).join(" and ");
    this.notice = element("span", { className: "sx-notice", role: "status" });
    this.maps = element("div", { className: "sx-maps" });
    this.list = new GateList(this);
    this.details = new Details(this);
    this.steps = new Steps(this);
    const once = (name) => [...new Set(about.runs.map((one) => one[name]).filter(Boolean))].join(" and ");
    const gates = `${run.gates.length} gates${about.runs.length > 1 ? ` of ${run.name}` : ""}`;
    const about_ = [once("model"), once("dataset"), gates, about.note].filter(Boolean).join(" · ");
    root.classList.add("sx");
    root.replaceChildren(
      element("header", {}, element("h2", {}, named), element("span", { className: "sx-hint" }, about_), this.notice, this.actions()),
      this.list.element,
      element("main", {}, this.tools(), this.maps, this.steps.element),
      this.details.element);
    new ResizeObserver(() => this.redraw()).observe(this.maps);
    const fit = () => { root.dataset.width = root.clientWidth > 1100 ? "wide" : root.clientWidth > 800 ? "medium" : "narrow"; };
    new ResizeObserver(fit).observe(root);
    fit();
  }

  actions() {
    const link = () => copied(this, location.href.split("#")[0] + hashOf(this.view), "link");
    return element("nav", {},
      button("PNG", "Save the maps as a picture", () => savePicture(this)),
      button("SVG", "Save the maps as a drawing", () => saveDrawing(this)),
      button("CSV", "Save the cells in sight as tables, one for each map", () => saveTables(this)),
      ...(this.changedView ? [] : [button("Link", "Copy a link to this view", link)]),
      button("Code", "Copy the line of code that brings this view back", () => copied(this, codeOf(this.about, this.view), "code")),
      button("Whole", "Show all images and channels (double click)", () => this.setZoom([0, 1, 0, 1])));
  }

  tools() {
    const { about, view } = this, { epochs, gates } = about.runs[0];
    const choose = (name, key, options) => chooser(name, options, view[key], (value) => this.set({ [key]: value }));
    const sides = [["after", "gate"], ["before", "features before"], ["both", "both"]];
    this.slider = element("input", { type: "range", min: 0, max: epochs.length - 1, step: 1, name: "epoch" });
    this.slider.addEventListener("input", () => this.set({ epoch: epochs[this.slider.value] }));
    this.epochText = element("output");
    this.player = button("▶", "Play the epochs", () => this.play());
    const epoch = element("label", {}, element("span", {}, "epoch"), element("span", { className: "sx-epoch" }, this.player, this.slider, this.epochText));
    const orders = [["recorded", "as recorded"], ["label", "label"], ["prediction", "prediction"], ["mean", "mean"], ["spread", "spread"], ["similarity", "similarity"], ["cluster", "cluster"]];
    const tools = [
      choose("images by", "image_order", orders),
      choose("channels by", "channel_order", orders.filter(([v]) => ["recorded", "mean", "spread"].includes(v))),
      choose("colour scale", "scale", [["own", "of each map"], ["shared", "shared by all gates"]]),
    ];
    if (gates.some((gate) => gate.pooled)) tools.unshift(choose("show", "side", sides));
    if (epochs.length > 1) tools.unshift(epoch);
    this.toolbar = element("div", { className: "sx-tools" }, ...tools);
    return this.toolbar;
  }

  // Changes the view, and shows it.
  set(change) {
    Object.assign(this.view, change);
    const { epochs } = this.about.runs[0];
    this.slider.value = epochs.indexOf(this.view.epoch);
    this.epochText.value = this.view.epoch;
    this.list.arrange();
    const reload = ["gate", "epoch", "side", "image_order", "channel_order"].some((name) => name in change);
    if (reload || !this.panels.length) this.load();
    if ("epoch" in change) this.loading.finally(() => this.list.fill());
    this.redraw();
    this.details.show();
    this.steps.show();
    this.tell();
  }

  // Writes the link once the view has rested.
  tell() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = null;
      if (this.changedView) this.changedView(Object.fromEntries(changed(this.view)));
      else if (location.protocol !== "about:") {
        history.replaceState(null, "", location.search + hashOf(this.view));
      }
    }, 150);
  }

  // Loads what the view needs into panels; those that are there stay until it has come.
  load() {
    const sides = this.view.side === "both" ? ["before", "after"] : [this.view.side];
    const wanted = this.about.runs.flatMap((_, run) => sides.map((side) => [run, side]));
    const same = wanted.length === this.panels.length && wanted.every(([run, side], i) => this.panels[i].run === run && this.panels[i].side === side);
    if (!same) {
      this.panels = wanted.map(([run, side]) => new Panel(this, run, side));
      this.maps.replaceChildren(...this.panels.map((panel) => panel.canvas));
    }
    this.loading = this.fillPanels((this.turn = (this.turn || 0) + 1));
    return this.loading;
  }

  async fillPanels(turn) {
    const found = await Promise.allSettled(this.panels.map((panel) => this.fetched(panel)));
    if (turn !== this.turn) return;
    const first = found.find((one) => one.status === "fulfilled")?.value;
    this.panels.forEach((panel, i) => {
      if (found[i].status === "rejected") {
        Object.assign(panel, { ordered: null, message: found[i].reason.message });
        return;
      }
      const got = found[i].value;
      const lead = this.follows(got, first) ? first : got;
      const orders = this.orders(lead, this.follows(got, first, "columns") ? first : got);
      Object.assign(panel, got, { ordered: this.ordered(got, ...orders) });
      panel.canvas.setAttribute("aria-label", `values of ${panel.gate} in epoch ${panel.epoch}; rows are images, columns are channels`);
    });
    this.redraw();
    this.details.show();
    this.steps.show();
  }

  async fetched(panel) {
    const run = this.about.runs[panel.run];
    let index = run.gates.findIndex((gate) => gate.name === this.view.gate);
    if (index < 0) index = Math.min(this.gateIndex, run.gates.length - 1);
    const epoch = run.epochs.includes(this.view.epoch) ? this.view.epoch : run.epochs[run.epochs.length - 1];
    const request = `${panel.run}/${index}/${epoch}`;
    const [matrix, rows] = await Promise.all([
      this.answers.matrix(`matrix/${request}/${panel.side}`), this.answers.json(`rows/${panel.run}/${epoch}`)]);
    const glance = this.answers.json(`glance/${request}`);
    glance.then((numbers) => { panel.eta2 = panel.side === "after" ? numbers.eta2 : undefined; this.redraw(); }, () => {});
    return { matrix, rows, index, epoch, gate: run.gates[index].name, sameImages: run.same_images };
  }

  // Tells whether a panel can have the order of the first one: the same images, or as many channels.
  follows(got, first, axis = "rows") {
    if (axis === "columns") return got.matrix.columns === first.matrix.columns;
    if (!got.sameImages) return got === first;
    const a = got.rows.image, b = first.rows.image;
    return a.length === b.length && a[0] === b[0] && a[a.length - 1] === b[b.length - 1];
  }

  orders(byRows, byColumns) {
    const { image_order: images, channel_order: channels } = this.view;
    return [kept(byRows.matrix, "rows " + images, () => rowOrderOf(byRows.matrix, byRows.rows, images)),
      kept(byColumns.matrix, "columns " + channels, () => columnOrderOf(byColumns.matrix, channels))];
  }

  ordered({ matrix }, rowOrder, columnOrder) {
    const last = matrix.lastOrdered;
    if (last && last.rowOrder === rowOrder && last.columnOrder === columnOrder) return last;
    matrix.lastOrdered = new Ordered(matrix, rowOrder, columnOrder);
    return matrix.lastOrdered;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      for (const panel of this.panels) panel.draw();
      this.steps.draw();
    });
  }

  setZoom(zoom) {
    const whole = zoom[0] === 0 && zoom[1] === 1 && zoom[2] === 0 && zoom[3] === 1;
    this.view.zoom = whole ? null : zoom;
    this.redraw();
    this.tell();
  }

  zoomAt(u, v, across, down) {
    const [left, right, top, bottom] = this.zoom;
    this.setZoom([...stretched(left, right, u, across), ...stretched(top, bottom, v, down)]);
  }

  pan(zoom, across, down) {
    this.setZoom([...moved(zoom[0], zoom[1], across), ...moved(zoom[2], zoom[3], down)]);
  }

  point(found) {
    if (found) this.details.point(found);
  }

  select(found) {
    if (!found) return;
    const image = found.panel.sameImages ? found.image : this.view.image;
    this.set({ run: found.panel.run, image, channel: found.column });
    this.details.point(found);
  }

  key(event) {
    const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (step) this.pan(this.zoom, ...step);
    else if (event.key === "+" || event.key === "=") this.zoomAt(0.5, 0.5, 0.7, 0.7);
    else if (event.key === "-") this.zoomAt(0.5, 0.5, 1.4, 1.4);
    else if (event.key === "0") this.setZoom([0, 1, 0, 1]);
    else if (event.key === " ") this.play();
    else return;
    event.preventDefault();
  }

  async play() {
    const { epochs } = this.about.runs[0];
    this.playing = !this.playing;
    this.player.textContent = this.playing ? "❚❚" : "▶";
    let at = epochs.indexOf(this.view.epoch);
    at = at === epochs.length - 1 ? -1 : at;
    while (this.playing && ++at < epochs.length) {
      this.set({ epoch: epochs[at] });
      await Promise.all([this.loading, new Promise((done) => setTimeout(done, 500))]);
    }
    this.playing = false;
    this.player.textContent = "▶";
  }

  sharedScale(low, high) {
    const found = [...this.glances.values()].filter((one) => one.low !== null);
    return [Math.min(low, ...found.map((one) => one.low)), Math.max(high, ...found.map((one) => one.high))];
  }

  showsPictures(always) {
    return this.about.pictures > 0 && (always || this.root.clientWidth > 600);
  }

  className(label) {
    return label === null ? "none" : this.about.classes[label] ?? String(label);
  }

  say(text) {
    this.notice.textContent = text;
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (this.notice.textContent = ""), 6000);
  }
}

function kept(matrix, name, make) {
  matrix.orders ||= new Map();
  if (!matrix.orders.has(name)) matrix.orders.set(name, make());
  return matrix.orders.get(name);
}

function stretched(from, to, at, factor) {
  const span = Math.max(1e-4, Math.min(1, (to - from) * factor));
  return moved(0, span, (from + (to - from) * at) / span - at);
}

function moved(from, to, by) {
  const span = to - from, start = Math.max(0, Math.min(1 - span, from + by * span));
  return [start, start + span];
}

// Starts the page in an element.
async function start(root, source, options) {
  try {
    const about = JSON.parse(new TextDecoder().decode(await source("about")));
    root.explorer = new Explorer(root, source, about, options);
    if (!options.changed) {
      window.addEventListener("hashchange", () => {
        const view = viewOf(about, viewOfHash(location.hash));
        if (hashOf(view) !== hashOf(root.explorer.view)) root.explorer.set(view);
      });
    }
  } catch (error) {
    root.textContent = `The recording cannot be shown: ${error.message}`;
  }
}
