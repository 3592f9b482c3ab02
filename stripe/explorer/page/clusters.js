// Images in clusters of alike gates, by k-means from a start that draws nothing at random.

const MOST_CLUSTERS = 8, MOST_ROUNDS = 20, USED_COLUMNS = 64;

// The cluster of every row; they are numbered along the first principal component.
function clustersOf(matrix) {
  const { rows, columns, steps } = matrix, along = sortedBy(rows, ((scores) => (i) => scores[i])(matrix.similarity()));
  const every = Math.max(1, Math.ceil(columns / USED_COLUMNS)), used = Math.ceil(columns / every);
  const count = Math.min(MOST_CLUSTERS, rows), found = new Int32Array(rows).fill(-1);
  const cell = (row, i) => steps[row * columns + i * every];
  const centres = Array.from({ length: count }, (_, k) => {
    const row = along[Math.floor(((k + 0.5) / count) * rows)];
    return Float64Array.from({ length: used }, (_, i) => cell(row, i));
  });
  for (let round = 0; round < MOST_ROUNDS; round++) {
    let changes = 0;
    for (let row = 0; row < rows; row++) {
      const nearest = nearestOf(centres, (i) => cell(row, i));
      if (nearest !== found[row]) changes++;
      found[row] = nearest;
    }
    if (!changes) break;
    moveCentres(centres, found, cell);
  }
  const place = new Float64Array(count), size = new Float64Array(count);
  along.forEach((row, at) => {
    place[found[row]] += at;
    size[found[row]]++;
  });
  const rank = new Int32Array(count);
  sortedBy(count, (k) => (size[k] ? place[k] / size[k] : Infinity)).forEach((k, at) => (rank[k] = at));
  return { clusters: found.map((k) => rank[k]), along };
}

function nearestOf(centres, value) {
  let nearest = 0, least = Infinity;
  for (let k = 0; k < centres.length; k++) {
    let apart = 0;
    for (let i = 0; i < centres[k].length && apart < least; i++) apart += (value(i) - centres[k][i]) ** 2;
    if (apart < least) [nearest, least] = [k, apart];
  }
  return nearest;
}

// A centre without a row stays where it is.
function moveCentres(centres, found, cell) {
  const sums = centres.map((centre) => new Float64Array(centre.length)), counts = new Int32Array(centres.length);
  found.forEach((k, row) => {
    counts[k]++;
    for (let i = 0; i < sums[k].length; i++) sums[k][i] += cell(row, i);
  });
  centres.forEach((centre, k) => {
    if (counts[k]) centre.forEach((_, i) => (centre[i] = sums[k][i] / counts[k]));
  });
}

// Rows by cluster, and along the first principal component within each; the order knows its clusters.
function clusterOrder(matrix) {
  const { clusters, along } = clustersOf(matrix), rank = new Int32Array(matrix.rows);
  along.forEach((row, at) => (rank[row] = at));
  const order = sortedBy(matrix.rows, (i) => clusters[i] * matrix.rows + rank[i]);
  order.clusters = clusters;
  return order;
}
