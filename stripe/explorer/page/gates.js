// All gates at a glance: a card each, sorted, with a small picture and the numbers.

class GateList {
  constructor(app) {
    this.app = app;
    this.cards = element("div", { className: "sx-cards" });
    const options = [["depth", "depth"], ["eta2", "η² (stripe index)"], ["spread", "spread"], ["class", "class share"]];
    if (Object.keys(app.about.costs).length) options.push(["cost", "cost of freezing"]);
    this.sort = chooser("sort gates by", options, app.view.gate_order, (v) => app.set({ gate_order: v }));
    const run = app.runName(0) && element("p", { className: "sx-hint" }, `gates of ${app.about.runs[0].name}`);
    this.element = element("aside", { className: "sx-gates" }, ...(run ? [run] : []), this.sort, this.cards);
    this.byName = new Map(app.gates.map((gate, i) => [gate.name, this.card(gate, i)]));
    this.cards.append(...this.byName.values());
  }

  card(gate, index) {
    const picture = element("canvas", { width: 96, height: 24 });
    const numbers = element("span", { className: "sx-numbers" }, "...");
    const card = element("button", { type: "button", className: "sx-card", title: gate.name },
      element("span", { className: "sx-name" }, element("bdi", {}, gate.name)), picture, numbers);
    card.dataset.gate = gate.name;
    card.dataset.depth = index;
    card.addEventListener("click", () => this.app.set({ gate: gate.name, channel: null }));
    return card;
  }

  // Asks for one gate after another, so that what is looked at is not held up.
  async fill() {
    const epoch = this.app.view.epoch;
    this.filling = epoch;
    this.app.glances.clear();
    for (const [index, gate] of this.app.gates.entries()) {
      let found;
      try {
        found = await this.app.answers.json(`glance/0/${index}/${epoch}`);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        continue;
      }
      if (this.filling !== epoch) return;
      this.app.glances.set(gate.name, found);
      this.show(gate, found);
      if (gate.name === this.app.view.gate) this.app.redraw();
    }
    this.arrange();
    this.app.redraw();
  }

  show(gate, found) {
    const card = this.byName.get(gate.name), [, canvas, numbers] = card.children;
    canvas.width = found.columns;
    canvas.height = found.rows;
    const steps = bytesOf(found.picture), map = this.app.map, pixels = new ImageData(found.columns, found.rows);
    steps.forEach((step, i) => pixels.data.set([map[3 * step], map[3 * step + 1], map[3 * step + 2], 255], 4 * i));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    const share = found.class === null ? "" : ` · class ${(100 * found.class).toFixed(0)} %`;
    const cost = this.app.about.costs[gate.name], told = cost === undefined ? "" : ` · ${short(cost)} nats`;
    numbers.textContent = `η² ${typeof found.eta2 === "number" ? indexText(found.eta2) : "?"} · spread ${short(found.spread ?? NaN)}${share}${told}`;
    numbers.title = "η²: share of the variance that lies between channels. Spread: median over channels of the " +
      "standard deviation over images. Class: share of the variance within channels that lies between classes." +
      (told && " Nats: what freezing the gate at its mean costs, as it was given.");
  }

  arrange() {
    const by = this.app.view.gate_order;
    this.sort.querySelector("select").value = by;
    const costs = this.app.about.costs;
    const key = (card) => by === "depth" ? +card.dataset.depth : by === "cost" ? -(costs[card.dataset.gate] ?? -1) : -(this.app.glances.get(card.dataset.gate)?.[by] ?? -1);
    const cards = [...this.byName.values()].sort((a, b) => key(a) - key(b) || a.dataset.depth - b.dataset.depth);
    if (cards.some((card, i) => this.cards.children[i] !== card)) this.cards.append(...cards);
    for (const [name, card] of this.byName) card.setAttribute("aria-pressed", String(name === this.app.view.gate));
  }
}
