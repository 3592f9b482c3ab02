// Beside the maps: the cell under the pointer, the chosen image, and the images that open a channel.

class Details {
  constructor(app) {
    this.app = app;
    this.cell = element("p", { className: "sx-cell", "aria-live": "polite" }, "Point at a cell.");
    this.image = element("div");
    this.channel = element("div");
    this.interventions = element("div");
    this.element = element("section", { className: "sx-details" }, this.cell, this.image, this.channel, this.interventions);
  }

  // Says what is under the pointer; the exact value replaces the rounded one when it has come.
  async point(found) {
    if (!found) return;
    const { panel, row, column } = found, { matrix } = panel.ordered;
    const key = (this.key = `${panel.run}/${panel.index}/${panel.epoch}/${panel.side}/${row}/${column}`);
    const say = (value) => this.cell.replaceChildren(
      element("b", {}, value), ` ${this.app.runName(panel.run)}channel ${column}, image ${found.image}`, this.named(panel.rows, row),
      ...this.besides(found).map((text) => element("div", {}, text)));
    say("≈ " + short(matrix.value(row, column)));
    if (!this.app.exact) return;
    await new Promise((done) => setTimeout(done, 60));
    if (this.key !== key) return;
    const { run, index, epoch, side } = panel;
    const values = await this.app.answers.floats(`exact/${run}/${index}/${epoch}/${side}/${row}`);
    if (this.key === key) say(String(+values[column].toPrecision(5)));
  }

  // What the other maps of the same images show for the same image and channel.
  besides({ panel, image, column }) {
    return this.app.panels
      .filter((other) => other !== panel && other.ordered && other.sameImages && panel.sameImages)
      .map((other) => [other, other.rows.image.indexOf(image)])
      .filter(([other, row]) => row >= 0 && column < other.ordered.matrix.columns)
      .map(([other, row]) => {
        const side = this.app.view.side === "both" ? `${other.side}: ` : "";
        return `${this.app.runName(other.run)}${side}≈ ${short(other.ordered.matrix.value(row, column))}`;
      });
  }

  named(rows, row) {
    const said = ["label", "prediction"].filter((name) => rows[name][row] !== null)
      .map((name) => `${name} ${this.app.className(rows[name][row])}`);
    return said.length ? ` (${said.join(", ")})` : "";
  }

  // What each intervention on the gate changed, where it was measured.
  showInterventions(gate) {
    const rows = this.app.about.ablation[gate] ?? [];
    this.interventions.replaceChildren();
    if (!rows.length) return;
    const share = (value) => (value === null ? "" : `${(100 * value).toFixed(1)} %`);
    const interval = (row) => (row.kl_low === null || row.kl_high === null ? "" : `${short(row.kl_low)} to ${short(row.kl_high)}`);
    const cells = (tag, texts) => element("tr", {}, ...texts.map((text) => element(tag, {}, text)));
    this.interventions.append(element("h3", {}, "Interventions on this gate"), element("table", { className: "sx-ablation" },
      cells("th", ["replaced by", "KL (nats)", "95 % interval", "predictions kept", "accuracy"]),
      ...rows.map((row) => cells("td", [row.intervention, row.kl === null ? "" : short(row.kl), interval(row), share(row.agreement), share(row.accuracy)]))));
  }

  show() {
    const panel = this.app.chosen;
    if (!panel) return;
    this.showInterventions(this.app.lead.gate);
    const { image, channel } = this.app.view, row = panel.rows.image.indexOf(image);
    this.image.replaceChildren();
    if (image !== null && row >= 0) {
      this.image.append(element("h3", {}, `Image ${image}`),
        figureOf(this.app, image, 96, this.named(panel.rows, row).replace(/^ \(|\)$/g, "") || "no label"));
    }
    this.channel.replaceChildren();
    if (channel !== null && channel < panel.ordered.matrix.columns) this.exceptions(panel, channel);
    else this.channel.append(element("p", { className: "sx-hint" }, "Click a cell: the images that open and close its channel most are shown here."));
  }

  exceptions(panel, channel) {
    const { matrix } = panel.ordered;
    const order = sortedBy(matrix.rows, (row) => matrix.steps[row * matrix.columns + channel]);
    const moments = matrix.moments(), width = (matrix.high - matrix.low) / 255;
    const said = `mean ${short(matrix.valueOf(moments.columnMean[channel]))}, spread ${short(moments.columnSpread[channel] * width)}`;
    this.channel.append(element("h3", {}, `${this.app.runName(panel.run)}channel ${channel}`.replace(/^c/, "C")), element("p", { className: "sx-hint" }, said));
    for (const [title, rows] of [["opened most by", [...order].reverse().slice(0, 6)], ["closed most by", [...order].slice(0, 6)]]) {
      const strip = element("div", { className: "sx-strip" }, ...rows.map((row) => {
        const image = panel.rows.image[row], label = panel.rows.label[row];
        const named = label === null ? "" : " " + this.app.className(label);
        return figureOf(this.app, image, 44, `${short(matrix.value(row, channel))} #${image}${named}`);
      }));
      this.channel.append(element("h4", {}, title), strip);
    }
  }
}
