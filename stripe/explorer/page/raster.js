// Draws a part of an ordered matrix into pixels: a colour per step, the mean where cells are small.

// Colours of the 256 steps of a matrix, on a scale from low to high.
function coloursOf(matrix, low, high, map) {
  const table = new Uint32Array(256);
  const width = high - low;
  for (let step = 0; step < 256; step++) {
    const share = width > 0 ? (matrix.valueOf(step) - low) / width : 0.5;
    const at = 3 * Math.max(0, Math.min(255, Math.round(255 * share)));
    table[step] = 0xff000000 | (map[at + 2] << 16) | (map[at + 1] << 8) | map[at];
  }
  return table;
}

function cells(from, to, count, pixels) {
  const span = (to - from) * count;
  const level = Math.max(0, Math.round(Math.log2(span / pixels)));
  const found = new Int32Array(pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const cell = Math.floor(from * count + ((pixel + 0.5) / pixels) * span);
    found[pixel] = Math.max(0, Math.min(count - 1, cell)) >> level;
  }
  return { found, level };
}

// `zoom` is left, right, top, bottom as shares of columns and rows.
function paint(pixels, ordered, zoom, table) {
  const { width, height } = pixels, matrix = ordered.matrix;
  const across = cells(zoom[0], zoom[1], matrix.columns, width);
  const down = cells(zoom[2], zoom[3], matrix.rows, height);
  const { data, columns } = ordered.level(down.level, across.level);
  const out = new Uint32Array(pixels.data.buffer);
  for (let y = 0, at = 0; y < height; y++) {
    if (y && down.found[y] === down.found[y - 1]) {
      out.copyWithin(at, at - width, at);
      at += width;
      continue;
    }
    const row = down.found[y] * columns;
    for (let x = 0; x < width; x++) out[at++] = table[data[row + across.found[x]]];
  }
}
