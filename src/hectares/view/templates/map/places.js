// Where things are: transforms between the pixels of layers and of the page, longitude and latitude, areas of pixels.
// The pixels of the page are those of the first map.
"use strict";
(function (hectares) {
  const RADIUS_M = 6371008.8;

  function apply(affine, x, y) {
    const [a, b, c, d, e, f] = affine;
    return [a * x + b * y + c, d * x + e * y + f];
  }

  function invert(affine) {
    const [a, b, c, d, e, f] = affine, det = a * e - b * d;
    return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
  }

  // Give channel k of a table of nodes at a place, bilinear; beyond the table its outermost cells go on.
  function lookup(table, k, x, y) {
    const u = (x - table.x) / table.width * table.cols, v = (y - table.y) / table.height * table.rows;
    const col = Math.min(Math.max(Math.floor(u), 0), table.cols - 1), row = Math.min(Math.max(Math.floor(v), 0), table.rows - 1);
    const at = (r, c) => { const value = table.values[k][r * (table.cols + 1) + c]; return value === null ? NaN : value; };
    const s = u - col, t = v - row;
    return (1 - t) * ((1 - s) * at(row, col) + s * at(row, col + 1)) + t * ((1 - s) * at(row + 1, col) + s * at(row + 1, col + 1));
  }

  function lonlat(x, y) {
    const table = hectares.content.lonlat;
    return table ? [lookup(table, 0, x, y), lookup(table, 1, x, y)] : [NaN, NaN];
  }

  // Metres on the ground for one pixel of the page to the right; NaN where nobody knows.
  function pixelMetres(x, y) {
    if (!hectares.content.lonlat) return hectares.content.pixelM[1] || NaN;
    const [west, south] = lonlat(x - 0.5, y), [east, north] = lonlat(x + 0.5, y), rad = Math.PI / 180;
    return RADIUS_M * rad * Math.hypot(north - south, (east - west) * Math.cos((north + south) / 2 * rad));
  }

  // Direction to the north on the page as an angle, clockwise from up; NaN where nobody knows.
  function north(x, y, stretch) {
    if (!hectares.content.lonlat) return NaN;
    const [west, south] = lonlat(x, y), [lonX, latX] = lonlat(x + 1, y), [lonY, latY] = lonlat(x, y + 1);
    const a = lonX - west, b = lonY - west, d = latX - south, e = latY - south, det = a * e - b * d;
    return Math.atan2(-b / det * stretch, -(a / det));
  }

  // Is a place inside rings of x, y, x, y ...? Holes are rings as well.
  function inside(rings, x, y) {
    let odd = false;
    for (const ring of rings) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        if (ring[i + 1] > y !== ring[j + 1] > y &&
            x < (ring[j] - ring[i]) * (y - ring[i + 1]) / (ring[j + 1] - ring[i + 1]) + ring[i]) odd = !odd;
      }
    }
    return odd;
  }

  function boundsOf(rings) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const ring of rings) {
      for (let i = 0; i < ring.length; i += 2) {
        box[0] = Math.min(box[0], ring[i]); box[1] = Math.min(box[1], ring[i + 1]);
        box[2] = Math.max(box[2], ring[i]); box[3] = Math.max(box[3], ring[i + 1]);
      }
    }
    return box;
  }

  hectares.places = { apply, invert, lookup, lonlat, pixelMetres, north, inside, boundsOf };
})(window.hectares);
