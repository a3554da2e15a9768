// Areas of classes inside rings: every pixel counts with the share of it that lies inside, and with its own area.
"use strict";
(function (hectares) {
  const { apply, invert, lookup, boundsOf } = hectares.places, { SIDE, load, kindOf, widthOf } = hectares.tiles;
  const LINES = 16; // lines across a pixel on which its share is measured

  // Give square metres of each class of a map inside rings of the page, and of what is not mapped last.
  async function count(map, rings, progress) {
    const back = invert(map.affine), own = rings.map(ring => moved(ring, back, map.step));
    const [left, top, right, bottom] = boundsOf(own), m2 = new Float64Array(map.classes.length + 1);
    const { height, width, tiles } = map.levels[0];
    const rows = range(top, bottom, height, tiles.length), cols = range(left, right, width, tiles[0].length);
    let done = 0;
    for (let row = rows[0]; row < rows[1]; row++) {
      for (let col = cols[0]; col < cols[1]; col++) {
        const codes = kindOf(map, 0, row, col) === "-" ? null : await load(map, 0, row, col);
        addTile(map, own, row, col, codes, m2);
        done += 1;
        if (progress) progress(done, (rows[1] - rows[0]) * (cols[1] - cols[0]));
      }
    }
    return m2;
  }

  function moved(ring, affine, step) {
    const points = [];
    for (let i = 0; i < ring.length; i += 2) points.push(...apply(affine, ring[i], ring[i + 1]).map(v => v / step));
    return points;
  }

  function range(from, to, length, tiles) {
    if (to <= 0 || from >= length) return [0, 0];
    return [Math.max(Math.floor(from / SIDE), 0), Math.min(Math.ceil(to / SIDE), tiles)];
  }

  function addTile(map, rings, row, col, codes, m2) {
    const level = map.levels[0], width = widthOf(map, 0, col), height = Math.min(SIDE, level.height - row * SIDE);
    const share = new Float64Array(width), sums = new Float64Array(257), nodata = map.classes.length, step = map.step;
    for (let r = 0; r < height; r++) {
      const y = row * SIDE + r;
      if (!cover(rings, y, col * SIDE, width, share)) continue;
      const high = Math.min(step, map.height - y * step), areas = areasAlong(map.pixelArea, y * step + high / 2);
      const perPixel = map.pixelArea.cols / map.pixelArea.width;
      for (let c = 0; c < width; c++) {
        if (share[c] < 1e-9) continue;
        const x = (col * SIDE + c) * step, wide = Math.min(step, map.width - x), u = (x + wide / 2) * perPixel;
        const cell = Math.min(Math.floor(u), map.pixelArea.cols - 1), t = u - cell;
        const area = areas[cell] + t * (areas[cell + 1] - areas[cell]);
        sums[codes ? codes[r * width + c] : 255] += share[c] * wide * high * area;
      }
    }
    for (let k = 0; k < nodata; k++) m2[k] += sums[k];
    m2[nodata] += sums[255];
  }

  // Areas of a pixel at the columns of the table, in one row of the map.
  function areasAlong(table, y) {
    return Float64Array.from({ length: table.cols + 1 }, (_, k) => lookup(table, 0, table.x + k * table.width / table.cols, y));
  }

  // Fill in the share of each pixel of a row that lies inside rings; false if none does.
  function cover(rings, y, start, width, share) {
    const steps = new Float64Array(width + 1); // of the share from one pixel to the next, where whole runs are inside
    let any = false;
    share.fill(0);
    for (let line = 0; line < LINES; line++) {
      const at = y + (line + 0.5) / LINES, crossings = [];
      for (const ring of rings) {
        for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
          const y0 = ring[j + 1], y1 = ring[i + 1];
          if (y0 > at !== y1 > at) crossings.push((ring[i] - ring[j]) * (at - y0) / (y1 - y0) + ring[j] - start);
        }
      }
      crossings.sort((p, q) => p - q);
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        const from = Math.max(crossings[k], 0), to = Math.min(crossings[k + 1], width);
        if (to <= from) continue;
        any = true;
        const first = Math.floor(from), last = Math.min(Math.floor(to), width - 1);
        if (first === last) {
          share[first] += (to - from) / LINES;
          continue;
        }
        share[first] += (first + 1 - from) / LINES;
        share[last] += (to - last) / LINES;
        steps[first + 1] += 1 / LINES;
        steps[last] -= 1 / LINES;
      }
    }
    for (let c = 0, inside = 0; any && c < width; c++) {
      inside += steps[c];
      share[c] += inside;
    }
    return any;
  }

  hectares.counting = { count };
})(window.hectares);
