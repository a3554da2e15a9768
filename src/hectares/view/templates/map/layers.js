// Draws maps and scenes: the tiles of the level that fits the scale, and coarser ones until those have come.
"use strict";
(function (hectares) {
  const { apply, invert } = hectares.places, { SIDE, picture, kindOf } = hectares.tiles;

  // Colors of a map as numbers for its tiles; hidden classes and nodata are clear.
  function paint(map, hidden) {
    map.paint = (map.paint || 0) + 1;
    map.colors = new Uint32Array(256);
    const bytes = new Uint8Array(map.colors.buffer);
    map.classes.forEach((one, index) => {
      if (hidden.has(one.name)) return;
      const [red, green, blue] = [1, 3, 5].map(at => parseInt(one.color.slice(at, at + 2), 16));
      bytes.set([red, green, blue, 255], 4 * index);
    });
  }

  // Give the transform from the pixels of a layer to those of the canvas.
  function toCanvas(layer, view) {
    const [a, b, c, d, e, f] = layer.affine, sx = view.scale * view.stretch, sy = view.scale;
    return [a * sx, b * sx, (c - view.x) * sx + view.width / 2, d * sy, e * sy, (f - view.y) * sy + view.height / 2];
  }

  function draw(context, layer, view, ready) {
    const matrix = toCanvas(layer, view), [a, b, , d, e] = matrix;
    const perPixel = Math.sqrt(Math.abs(a * e - b * d)) * layer.step; // of the canvas, for one of the finest level
    const level = Math.min(Math.max(Math.floor(Math.log2(1 / perPixel)), 0), layer.levels.length - 1);
    const size = layer.step * 2 ** level * SIDE, back = invert(matrix);
    const corners = [[0, 0], [view.width, 0], [0, view.height], [view.width, view.height]].map(([x, y]) => apply(back, x, y));
    const [first, last] = [Math.min, Math.max].map(pick => [0, 1].map(i => pick(...corners.map(corner => corner[i])) / size));
    const rows = layer.levels[level].tiles.length, cols = layer.levels[level].tiles[0].length;
    context.imageSmoothingEnabled = perPixel * 2 ** level < 1;
    for (let row = Math.max(Math.floor(first[1]), 0); row < Math.min(last[1], rows); row++) {
      for (let col = Math.max(Math.floor(first[0]), 0); col < Math.min(last[0], cols); col++) {
        drawTile(context, layer, matrix, level, row, col, ready);
      }
    }
  }

  function drawTile(context, layer, matrix, level, row, col, ready) {
    if (kindOf(layer, level, row, col) === "-") return;
    const unit = layer.step * 2 ** level;
    for (let up = level; up < layer.levels.length; up++) {
      const by = 2 ** (up - level), image = picture(layer, up, Math.floor(row / by), Math.floor(col / by), ready);
      if (!image) continue;
      const side = SIDE / by, left = (col % by) * side, top = (row % by) * side;
      const wide = Math.min(side, image.width - left), high = Math.min(side, image.height - top);
      if (wide <= 0 || high <= 0) return;
      place(context, matrix, image, [left, top, wide, high], [col * SIDE * unit, row * SIDE * unit, wide * by * unit, high * by * unit]);
      return;
    }
  }

  function place(context, matrix, image, from, [x, y, wide, high]) {
    const [a, b, c, d, e, f] = matrix;
    if (b === 0 && d === 0) { // edges on whole pixels, so that no seams show
      const left = Math.round(a * x + c), right = Math.round(a * (x + wide) + c);
      const top = Math.round(e * y + f), bottom = Math.round(e * (y + high) + f);
      if (right > left && bottom > top) {
        context.drawImage(image, ...from, left, top, right - left, bottom - top);
        return;
      }
    }
    context.save();
    context.transform(a, d, b, e, c, f);
    context.drawImage(image, ...from, x, y, wide, high);
    context.restore();
  }

  hectares.layers = { paint, draw, toCanvas };
})(window.hectares);
