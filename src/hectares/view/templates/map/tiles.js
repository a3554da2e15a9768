// Tiles: codes come as scripts, pictures as images, since a page on a disk may read no file.
"use strict";
(function (hectares) {
  const SIDE = 512, LEAST_HELD = 64;
  const codes = new Map(), pictures = new Map(), waiting = new Map();
  let pending = 0, asked = 0, before = 0;

  // Called before each drawing: a large screen needs more tiles at once than a phone should keep.
  function begin() {
    before = asked;
    asked = 0;
  }

  function touch(held, name, value) { // the least recently used goes first
    held.delete(name);
    held.set(name, value);
    if (held.size > Math.max(LEAST_HELD, 2 * before, 2 * asked)) held.delete(held.keys().next().value);
    return value;
  }

  function nameOf(layer, level, row, col) { return `${layer.id}/${level}/${row}-${col}`; }

  function kindOf(layer, level, row, col) {
    const line = layer.levels[level].tiles[row];
    return line && line[col] || "-";
  }

  function widthOf(layer, level, col) { return Math.min(SIDE, layer.levels[level].width - col * SIDE); }

  // Called by the scripts of tiles.
  hectares.receive = async function (name, text) {
    const entry = waiting.get(name);
    if (!entry) return;
    try {
      const packed = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      entry.resolve(new Uint8Array(await new Response(stream).arrayBuffer()));
    } catch (error) {
      entry.resolve(null);
      hectares.say("A part of the map cannot be unpacked; a newer browser may help.");
    }
  };

  // Give a promise of the codes of a tile; null where there are none.
  function load(layer, level, row, col) {
    const name = nameOf(layer, level, row, col);
    if (kindOf(layer, level, row, col) === "-") return Promise.resolve(null);
    if (codes.has(name)) return Promise.resolve(touch(codes, name, codes.get(name)));
    if (waiting.has(name)) return waiting.get(name).promise;
    const entry = {};
    entry.promise = new Promise(resolve => { entry.resolve = resolve; }).then(found => {
      waiting.delete(name);
      pending -= 1;
      return touch(codes, name, found);
    });
    waiting.set(name, entry);
    pending += 1;
    const script = document.createElement("script");
    script.src = `tiles/${name}.js`;
    script.onload = () => script.remove();
    script.onerror = () => { script.remove(); entry.resolve(null); hectares.say(`The file tiles/${name}.js is missing.`); };
    document.head.append(script);
    return entry.promise;
  }

  // Give what can be drawn of a tile now, or null; what is missing is fetched, and then `ready` is called.
  function picture(layer, level, row, col, ready) {
    const kind = kindOf(layer, level, row, col), name = nameOf(layer, level, row, col);
    if (kind === "-") return null;
    asked += 1;
    if (pictures.has(name)) {
      const held = touch(pictures, name, pictures.get(name));
      if (kind !== "c") return held.complete && held.naturalWidth ? held : null;
      if (held.paint === layer.paint) return held.canvas;
    }
    if (kind !== "c") {
      const image = new Image();
      pending += 1;
      image.onload = () => { pending -= 1; ready(); };
      image.onerror = () => { pending -= 1; hectares.say(`The file ${image.getAttribute("src")} is missing.`); };
      image.src = `tiles/${name}.${kind === "j" ? "jpg" : "png"}`;
      touch(pictures, name, image);
      return null;
    }
    if (!codes.has(name)) {
      load(layer, level, row, col).then(ready);
      return null;
    }
    const found = codes.get(name);
    if (!found) return null;
    const width = widthOf(layer, level, col);
    return touch(pictures, name, { paint: layer.paint, canvas: painted(found, width, layer.colors) }).canvas;
  }

  function painted(found, width, colors) {
    const canvas = document.createElement("canvas"), height = found.length / width;
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height), pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < found.length; i++) pixels[i] = colors[found[i]];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  hectares.tiles = { SIDE, begin, load, picture, kindOf, widthOf, pending: () => pending };
})(window.hectares);
