// Images x channels as bytes: its moments, its orders, and its means over blocks.

class Matrix {
  constructor(buffer) {
    const head = new DataView(buffer);
    this.rows = head.getUint32(0, true);
    this.columns = head.getUint32(4, true);
    this.unknown = head.getUint32(8, true);
    this.low = head.getFloat32(12, true);
    this.high = head.getFloat32(16, true);
    this.steps = new Uint8Array(buffer, 20);
  }

  value(row, column) {
    return this.valueOf(this.steps[row * this.columns + column]);
  }

  valueOf(step) {
    return this.low + (step / 255) * (this.high - this.low);
  }

  // Mean and standard deviation of every row and every column, in steps.
  moments() {
    if (this.kept) return this.kept;
    const { rows, columns, steps } = this;
    const of = { rowMean: new Float64Array(rows), rowSpread: new Float64Array(rows) };
    const sums = new Float64Array(columns), squares = new Float64Array(columns);
    for (let row = 0, at = 0; row < rows; row++) {
      let sum = 0, square = 0;
      for (let column = 0; column < columns; column++, at++) {
        const step = steps[at];
        sum += step;
        square += step * step;
        sums[column] += step;
        squares[column] += step * step;
      }
      of.rowMean[row] = sum / columns;
      of.rowSpread[row] = Math.sqrt(Math.max(0, square / columns - (sum / columns) ** 2));
    }
    of.columnMean = sums.map((sum) => sum / rows);
    of.columnSpread = squares.map((s, i) => Math.sqrt(Math.max(0, s / rows - of.columnMean[i] ** 2)));
    this.kept = of;
    return of;
  }

  // Position of every row along the first principal component of at most 256 columns.
  similarity() {
    if (this.component) return this.component;
    const { rows, columns, steps } = this, mean = this.moments().columnMean;
    const every = Math.max(1, Math.ceil(columns / 256)), used = Math.ceil(columns / every);
    let weights = Float64Array.from({ length: used }, (_, i) => Math.sin(1 + 7 * i));
    const scores = new Float64Array(rows);
    for (let round = 0; round < 12; round++) {
      const next = new Float64Array(used);
      for (let row = 0; row < rows; row++) {
        const at = row * columns;
        let score = 0;
        for (let i = 0, c = 0; i < used; i++, c += every) score += weights[i] * (steps[at + c] - mean[c]);
        scores[row] = score;
        for (let i = 0, c = 0; i < used; i++, c += every) next[i] += score * (steps[at + c] - mean[c]);
      }
      const length = Math.hypot(...next) || 1;
      weights = next.map((weight) => weight / length);
    }
    this.component = scores;
    return scores;
  }
}

// A matrix with its rows and columns in an order, and its means over blocks, made when needed.
class Ordered {
  constructor(matrix, rowOrder, columnOrder) {
    Object.assign(this, { matrix, rowOrder, columnOrder, levels: new Map() });
    const { rows, columns, steps } = matrix;
    const whole = columnOrder.every((column, i) => column === i);
    const data = new Uint8Array(rows * columns);
    for (let row = 0, to = 0; row < rows; row++) {
      const from = rowOrder[row] * columns;
      if (whole) {
        data.set(steps.subarray(from, from + columns), to);
        to += columns;
      } else {
        for (let column = 0; column < columns; column++) data[to++] = steps[from + columnOrder[column]];
      }
    }
    this.levels.set("0,0", { data, rows, columns });
  }

  // Means over blocks of 2 ** down rows and 2 ** across columns.
  level(down, across) {
    const key = down + "," + across;
    if (!this.levels.has(key)) this.levels.set(key, blockMeans(this.levels.get("0,0"), down, across));
    return this.levels.get(key);
  }
}

function blockMeans({ data, rows, columns }, down, across) {
  const high = Math.ceil(rows / 2 ** down), wide = Math.ceil(columns / 2 ** across);
  const means = new Uint8Array(high * wide), sums = new Uint32Array(wide);
  for (let block = 0; block < high; block++) {
    const first = block << down, last = Math.min(rows, first + (1 << down));
    sums.fill(0);
    for (let row = first; row < last; row++) {
      for (let column = 0, at = row * columns; column < columns; column++, at++) sums[column >> across] += data[at];
    }
    for (let column = 0; column < wide; column++) {
      const width = Math.min(columns, (column + 1) << across) - (column << across);
      means[block * wide + column] = sums[column] / (width * (last - first)) + 0.5;
    }
  }
  return { data: means, rows: high, columns: wide };
}

function sortedBy(count, key) {
  const order = Array.from({ length: count }, (_, i) => i);
  if (key) order.sort((a, b) => (key(a) - key(b)) || a - b);
  return Int32Array.from(order);
}

function rowOrderOf(matrix, rows, name) {
  const named = rows[name], moments = matrix.moments();
  const keys = {
    mean: (i) => moments.rowMean[i],
    spread: (i) => moments.rowSpread[i],
    similarity: (i) => matrix.similarity()[i],
  };
  if (named && name !== "image") return sortedBy(matrix.rows, (i) => named[i] ?? 2 ** 31);
  if (name === "similarity") matrix.similarity();
  if (name === "cluster") return clusterOrder(matrix);
  return sortedBy(matrix.rows, keys[name]);
}

function columnOrderOf(matrix, name) {
  const moments = matrix.moments();
  const keys = { mean: (i) => moments.columnMean[i], spread: (i) => moments.columnSpread[i] };
  return sortedBy(matrix.columns, keys[name]);
}
