// Brings the parts of the page together.
"use strict";
(function (hectares) {
  const { content, stage, polygon, panel } = hectares, { apply, invert, lookup } = hectares.places;

  // What a map says at a place of the page; code 255 is no data.
  hectares.codeAt = async function (map, x, y) {
    const [left, top] = apply(invert(map.affine), x, y), col = Math.floor(left), row = Math.floor(top);
    const outside = col < 0 || row < 0 || col >= map.width || row >= map.height;
    if (outside) return { outside, code: 255, score: null, col, row, m2: 0 };
    const code = await valueAt(map, col, row), score = map.scores ? await valueAt(map.scores, col, row) : 255;
    const m2 = map.pixelArea ? lookup(map.pixelArea, 0, col + 0.5, row + 0.5) : 0;
    return { outside, code, score: score === 255 ? null : score, col, row, m2 };
  };

  async function valueAt(layer, col, row) {
    const { SIDE, load, widthOf } = hectares.tiles, [x, y] = [col, row].map(v => Math.floor(v / layer.step));
    const codes = await load(layer, 0, Math.floor(y / SIDE), Math.floor(x / SIDE));
    return codes ? codes[y % SIDE * widthOf(layer, 0, Math.floor(x / SIDE)) + x % SIDE] : 255;
  }

  panel.build();
  stage.state.showZones = content.zones.length > 0;
  stage.state.showOutlines = content.outlines.length > 0;
  stage.state.below = content.scenes[0] || content.maps[1] || null;
  stage.state.opacity = content.scenes.length ? 0.75 : 1;
  stage.start();
  content.maps.forEach(map => hectares.layers.paint(map, panel.hidden));
  panel.show(content.maps[0]);
  polygon.onchange(panel.chosenArea);
  stage.on("pick", (x, y) => polygon.drawing() ? polygon.add(x, y) : panel.look(x, y));
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(one => { one.open = true; }));
})(window.hectares);
