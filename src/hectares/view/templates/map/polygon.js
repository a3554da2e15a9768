// The polygon that is being drawn by hand: corners, one after the other.
"use strict";
(function (hectares) {
  const { redraw, screen, view } = hectares.stage;
  let corners = [], drawing = false, closed = false, onchange = () => {};

  function start() {
    corners = [];
    drawing = true;
    closed = false;
    changed();
  }

  function add(x, y) {
    if (!drawing) return;
    if (corners.length >= 3) { // a click on the first corner, or twice on one place, closes it
      const at = screen(x, y), near = corner => Math.hypot(...screen(...corner).map((v, i) => v - at[i])) < 12;
      if (near(corners[0]) || near(corners[corners.length - 1])) return finish();
    }
    corners.push([x, y]);
    changed();
  }

  function undo() {
    if (drawing) corners.pop();
    changed();
  }

  function finish() {
    if (!drawing || corners.length < 3) return;
    drawing = false;
    closed = true;
    changed();
  }

  function cancel() {
    corners = [];
    drawing = closed = false;
    changed();
  }

  function changed() {
    onchange();
    redraw();
  }

  function draw(context, toCanvas, ratio) {
    if (!corners.length) return;
    context.beginPath();
    corners.forEach((corner, i) => context[i ? "lineTo" : "moveTo"](...toCanvas(...corner)));
    if (closed) context.closePath();
    if (corners.length > 2) {
      context.fillStyle = "#1f5f9926";
      context.fill();
    }
    for (const [width, color] of [[5, "#fff"], [2.5, "#1f5f99"]]) {
      context.lineWidth = width * ratio;
      context.lineJoin = "round";
      context.strokeStyle = color;
      context.stroke();
    }
    if (!closed && corners.length > 2) { // the edge that would close it
      context.beginPath();
      context.moveTo(...toCanvas(...corners[corners.length - 1]));
      context.lineTo(...toCanvas(...corners[0]));
      context.setLineDash([6 * ratio, 5 * ratio]);
      context.stroke();
      context.setLineDash([]);
    }
    for (const corner of corners) {
      const [x, y] = toCanvas(...corner);
      context.beginPath();
      context.arc(x, y, 4.5 * ratio, 0, 7);
      context.fillStyle = "#fff";
      context.fill();
      context.lineWidth = 2 * ratio;
      context.stroke();
    }
  }

  // The polygon in longitude and latitude, for other programs.
  function geojson(properties) {
    const ring = [...corners, corners[0]].map(corner => hectares.places.lonlat(...corner).map(v => +v.toFixed(7)));
    const feature = { type: "Feature", properties, geometry: { type: "Polygon", coordinates: [ring] } };
    return JSON.stringify({ type: "FeatureCollection", features: [feature] });
  }

  hectares.polygon = {
    start, add, undo, finish, cancel, draw, geojson, view,
    drawing: () => drawing, closed: () => closed, size: () => corners.length,
    rings: () => [corners.flat()], onchange: call => { onchange = call; },
  };
})(window.hectares);
