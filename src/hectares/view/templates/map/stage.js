// The stage: the canvas with the map on it, and what hands, mouse and keys do there.
"use strict";
(function (hectares) {
  const { lonlat, pixelMetres, north, boundsOf } = hectares.places, { words, layers } = hectares;
  const content = hectares.content, canvas = document.getElementById("canvas"), context = canvas.getContext("2d");
  const stage = document.getElementById("stage"), swipe = document.getElementById("swipe");
  const [rowM, colM] = content.pixelM;
  const raw = rowM > 0 && colM > 0 ? colM / rowM : 1; // pixels of degrees are not square on the ground
  const view = { x: 0, y: 0, scale: 1, stretch: Math.abs(raw - 1) < 0.02 ? 1 : raw, width: 1, height: 1 };
  const state = { map: null, below: null, opacity: 1, swipe: null, marker: null, cross: false, chosen: null, outline: null };
  const listeners = { pick: [], move: [] };
  let ratio = 1, frame = 0;

  function redraw() {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; draw(); });
  }

  // --- Places ---------------------------------------------------------------------------------------------

  const toPage = (x, y) => [
    view.x + (x * ratio - view.width / 2) / (view.scale * view.stretch), view.y + (y * ratio - view.height / 2) / view.scale];
  const toCanvas = (x, y) => [
    (x - view.x) * view.scale * view.stretch + view.width / 2, (y - view.y) * view.scale + view.height / 2];

  function fit(box, margin) {
    const wide = (box[2] - box[0]) * view.stretch, high = box[3] - box[1];
    const room = margin || 1;
    view.scale = Math.min(view.width / wide, view.height / high, 64 * ratio) * room;
    view.x = (box[0] + box[2]) / 2;
    view.y = (box[1] + box[3]) / 2;
    redraw();
  }

  function zoom(by, x, y) { // keeps the place below (x, y) where it is
    const at = x === undefined ? [stage.clientWidth / 2, stage.clientHeight / 2] : [x, y], before = toPage(...at);
    const [left, top, right, bottom] = content.extent;
    const least = Math.min(view.width / ((right - left) * view.stretch), view.height / (bottom - top)) / 4;
    view.scale = Math.min(Math.max(view.scale * by, Math.min(least, 1)), 96 * ratio);
    const after = toPage(...at);
    view.x += before[0] - after[0];
    view.y += before[1] - after[1];
    hold();
  }

  function pan(x, y) {
    view.x -= x * ratio / (view.scale * view.stretch);
    view.y -= y * ratio / view.scale;
    hold();
  }

  function hold() { // some of the map stays in sight
    const [left, top, right, bottom] = content.extent;
    view.x = Math.min(Math.max(view.x, left), right);
    view.y = Math.min(Math.max(view.y, top), bottom);
    redraw();
  }

  // --- Drawing --------------------------------------------------------------------------------------------

  function draw() {
    hectares.tiles.begin();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    if (state.below) layers.draw(context, state.below, view, redraw);
    if (state.map) {
      context.save();
      if (state.swipe !== null) {
        context.beginPath();
        context.rect(Math.round(state.swipe * view.width), 0, view.width, view.height);
        context.clip();
      }
      context.globalAlpha = state.opacity;
      layers.draw(context, state.map, view, redraw);
      context.restore();
    }
    if (state.showOutlines) content.outlines.forEach(one => trace(one, 1, "#ffffff66", "#000000b0"));
    if (state.showZones) content.zones.forEach(zone => trace(zone, 2, "#fff", "#1f2328"));
    for (const one of [state.outline, state.chosen]) if (one) trace(one, 2.5, "#fff", "#1f5f99");
    if (state.showZones) content.zones.filter(zone => zone.label).forEach(label);
    if (hectares.polygon) hectares.polygon.draw(context, toCanvas, ratio);
    if (state.marker) mark(...toCanvas(...state.marker), 7);
    if (state.cross) mark(view.width / 2, view.height / 2, 11);
    furniture();
  }

  function trace(shape, width, casing, color) {
    shape.box = shape.box || boundsOf(shape.rings);
    const [left, top] = toCanvas(shape.box[0], shape.box[1]), [right, bottom] = toCanvas(shape.box[2], shape.box[3]);
    if (right < 0 || bottom < 0 || left > view.width || top > view.height || Math.max(right - left, bottom - top) < 3 * ratio) return;
    const sx = view.scale * view.stretch, sy = view.scale, ox = view.width / 2 - view.x * sx, oy = view.height / 2 - view.y * sy;
    context.beginPath();
    for (const ring of shape.rings) { // of thousands of corners: no detours
      context.moveTo(ring[0] * sx + ox, ring[1] * sy + oy);
      for (let i = 2; i < ring.length; i += 2) context.lineTo(ring[i] * sx + ox, ring[i + 1] * sy + oy);
      context.closePath();
    }
    context.lineJoin = "round";
    for (const [by, style] of [[2.2, casing], [1, color]]) {
      context.lineWidth = width * by * ratio;
      context.strokeStyle = style;
      context.stroke();
    }
  }

  function label(zone) {
    const [left, top] = toCanvas(zone.box[0], zone.box[1]), [right, bottom] = toCanvas(zone.box[2], zone.box[3]), at = toCanvas(...zone.label);
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    if (context.measureText(zone.name).width > (right - left) * 0.95 || bottom - top < 20 * ratio) return;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4 * ratio;
    context.strokeStyle = "#ffffffdd";
    context.strokeText(zone.name, ...at);
    context.fillStyle = "#1f2328";
    context.fillText(zone.name, ...at);
  }

  function mark(x, y, size) {
    for (const [width, color] of [[4, "#fff"], [1.6, "#1f2328"]]) {
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + dx * 3 * ratio, y + dy * 3 * ratio);
        context.lineTo(x + dx * (size + 3) * ratio, y + dy * (size + 3) * ratio);
      }
      context.lineWidth = width * ratio;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  function furniture() { // scale bar, north arrow, divider
    const metres = pixelMetres(view.x, view.y) * ratio / (view.scale * view.stretch), bar = document.getElementById("scale");
    bar.hidden = !Number.isFinite(metres);
    if (!bar.hidden) {
      const most = metres * Math.min(160, stage.clientWidth / 3), power = 10 ** Math.floor(Math.log10(most));
      const round = [5, 2, 1].map(k => k * power).find(v => v <= most);
      bar.firstElementChild.style.width = `${round / metres}px`;
      bar.lastElementChild.textContent = words.length(round);
    }
    const angle = north(view.x, view.y, view.stretch), arrow = document.getElementById("north");
    arrow.hidden = !Number.isFinite(angle);
    if (!arrow.hidden) {
      const degrees = Math.round(angle * 180 / Math.PI * 10) / 10 || 0;
      arrow.firstElementChild.style.transform = `rotate(${degrees}deg)`;
      arrow.setAttribute("aria-label", Math.abs(degrees) < 5 ? "North is up" : `North is ${Math.abs(degrees).toFixed(0)}° ${degrees > 0 ? "right" : "left"} of up`);
    }
    swipe.hidden = state.swipe === null;
    if (state.swipe !== null) {
      swipe.style.left = `${100 * state.swipe}%`;
      swipe.setAttribute("aria-valuenow", Math.round(100 * state.swipe));
    }
    stage.classList.toggle("busy", hectares.tiles.pending() > 0);
  }

  function resize() {
    const first = view.width === 1;
    ratio = window.devicePixelRatio || 1;
    const wide = Math.max(2, Math.round(stage.clientWidth * ratio)), high = Math.max(2, Math.round(stage.clientHeight * ratio));
    const change = first ? 1 : Math.min(wide / view.width, high / view.height);
    view.width = canvas.width = wide;
    view.height = canvas.height = high;
    if (first) fit(content.extent, 0.94);
    else if (change !== 1) view.scale *= change;
    draw();
  }

  // --- Hands, mouse and keys ------------------------------------------------------------------------------

  const fingers = new Map();
  let travelled = 0;
  const local = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, local(event));
    if (fingers.size === 1) travelled = 0;
    else travelled = Infinity; // two fingers never pick
    state.cross = false;
  });
  canvas.addEventListener("pointermove", event => {
    const now = local(event), before = fingers.get(event.pointerId);
    listeners.move.forEach(call => call(...toPage(...now)));
    if (!before) return;
    const other = [...fingers].find(([id]) => id !== event.pointerId);
    if (other) {
      const [x, y] = other[1], was = Math.hypot(before[0] - x, before[1] - y), is = Math.hypot(now[0] - x, now[1] - y);
      pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
      if (was > 0 && is > 0) zoom(is / was, (now[0] + x) / 2, (now[1] + y) / 2);
    } else {
      travelled += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (travelled > 5) pan(now[0] - before[0], now[1] - before[1]);
      else return; // a hand that trembles still clicks
    }
    fingers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, event => {
      const known = fingers.delete(event.pointerId);
      if (known && name === "pointerup" && travelled <= 5 && event.button === 0) pick(...toPage(...local(event)));
    });
  }
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    const step = event.deltaMode ? event.deltaY * 30 : event.deltaY;
    zoom(2 ** (-Math.max(-300, Math.min(300, step)) / 250), ...local(event));
  }, { passive: false });
  canvas.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 8 : 80;
    const acts = {
      ArrowLeft: () => pan(far, 0), ArrowRight: () => pan(-far, 0), ArrowUp: () => pan(0, far), ArrowDown: () => pan(0, -far),
      "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": () => fit(content.extent, 0.94),
      Enter: () => event.shiftKey ? hectares.polygon.finish() : pick(view.x, view.y), " ": () => pick(view.x, view.y),
      Backspace: () => hectares.polygon.undo(), Escape: () => hectares.polygon.cancel(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    state.cross = true;
    acts[event.key]();
    redraw();
  });
  canvas.addEventListener("blur", () => { state.cross = false; redraw(); });

  function pick(x, y) { listeners.pick.forEach(call => call(x, y)); redraw(); }

  swipe.addEventListener("pointerdown", event => { swipe.setPointerCapture(event.pointerId); event.preventDefault(); swipe.focus(); });
  swipe.addEventListener("pointermove", event => {
    if (swipe.hasPointerCapture(event.pointerId)) divide(local(event)[0] / stage.clientWidth);
  });
  swipe.addEventListener("keydown", event => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    divide(state.swipe + step);
  });
  function divide(at) {
    state.swipe = Math.min(Math.max(at, 0), 1);
    redraw();
  }

  document.getElementById("in").addEventListener("click", () => zoom(2));
  document.getElementById("out").addEventListener("click", () => zoom(0.5));
  document.getElementById("fit").addEventListener("click", () => fit(content.extent, 0.94));
  listeners.move.push((x, y) => {
    const text = content.lonlat ? words.place(...lonlat(x, y)) : `column ${Math.floor(x)}, row ${Math.floor(y)}`;
    document.getElementById("pointer").textContent = text;
  });

  hectares.stage = {
    state, view, redraw, fit, resize, divide, toPage, toCanvas,
    screen: (x, y) => { const box = canvas.getBoundingClientRect(), at = toCanvas(x, y); return [box.left + at[0] / ratio, box.top + at[1] / ratio]; },
    on: (name, call) => listeners[name].push(call),
    start: () => { resize(); new ResizeObserver(resize).observe(stage); },
  };
})(window.hectares);
