// The panel beside the map: choices, legend, what was clicked, areas, and where it all comes from.
"use strict";
(function (hectares) {
  const { element, area, percent, place, number, NONE } = hectares.words;
  const { stage, polygon, layers, content } = hectares, { state } = stage;
  const hidden = new Set(), panel = document.getElementById("panel");
  const sections = {};

  const hint = document.getElementById("hint");
  hectares.say = text => { hint.textContent = text; };

  function section(name, heading, ...children) {
    sections[name] = element("section", { id: name, "aria-label": heading }, heading && element("h2", null, heading), ...children);
    return sections[name];
  }

  function fill(name, ...children) {
    const kept = sections[name].querySelector("h2");
    sections[name].replaceChildren(...(kept ? [kept] : []), ...children.filter(child => child));
  }

  function select(label, entries, chosen, onchange) {
    const options = entries.map((text, i) => element("option", { value: String(i), selected: i === chosen }, text));
    return element("label", { class: "field" }, label, element("select", { onchange: event => onchange(+event.target.value) }, ...options));
  }

  const swatch = color => { const made = element("span", { class: "swatch", "aria-hidden": "true" }); made.style.background = color; return made; };

  // --- What is shown --------------------------------------------------------------------------------------

  function choices() {
    const below = [...content.scenes, ...content.maps.filter(map => map !== state.map)];
    const parts = [];
    if (content.maps.length > 1) {
      parts.push(select("Map", content.maps.map(map => map.name), content.maps.indexOf(state.map), i => show(content.maps[i])));
    }
    if (below.length > 1) {
      const names = [...below.map(layer => layer.name), "nothing"];
      const chosen = state.below ? below.indexOf(state.below) : below.length;
      parts.push(select("Below the map", names, chosen, i => { state.below = below[i] || null; stage.redraw(); choices(); }));
    }
    if (below.length) {
      const range = element("input", { type: "range", min: "0", max: "100", value: String(Math.round(100 * state.opacity)), id: "opacity" });
      const shown = element("output", null, `${range.value} %`);
      range.addEventListener("input", () => { state.opacity = range.value / 100; shown.textContent = `${range.value} %`; stage.redraw(); });
      parts.push(element("label", { class: "field range" }, "Opacity of the map", range, shown));
      parts.push(check("swiping", "Swipe to compare with what lies below", state.swipe !== null, on => {
        state.swipe = on ? 0.5 : null;
        stage.redraw();
      }));
    }
    if (content.zones.length) parts.push(check("zoned", "Outlines of the zones", state.showZones, on => { state.showZones = on; stage.redraw(); }));
    if (content.outlines.length) {
      parts.push(check("outlined", `Outlines of ${number(content.outlines.length, 0)} polygons`, state.showOutlines, on => { state.showOutlines = on; stage.redraw(); }));
    }
    fill("choices", ...parts);
    sections.choices.hidden = !parts.length;
  }

  function check(id, text, on, onchange) {
    return element("label", { class: "check" }, element("input", { type: "checkbox", id, checked: on, onchange: event => onchange(event.target.checked) }), text);
  }

  function show(map) {
    document.getElementById("pen").hidden = !(map.areas && map.pixelArea);
    if (state.below === map) state.below = content.scenes[0] || state.map;
    state.map = map;
    layers.paint(map, hidden);
    choices();
    legend();
    zones();
    chosenArea();
    stage.redraw();
  }

  // --- Legend ---------------------------------------------------------------------------------------------

  function legend() {
    const map = state.map, total = map.areas && map.areas.total;
    const mapped = total ? sum(total.slice(0, -1)) : 0;
    const rows = map.classes.map((one, i) => element("tr", null,
      element("th", { scope: "row" }, element("label", { class: "check" },
        element("input", { type: "checkbox", checked: !hidden.has(one.name), onchange: event => toggle(one.name, event.target.checked), "aria-label": `Show ${one.name}` }),
        swatch(one.color), element("span", null, one.name))),
      ...(total ? numbers(total[i], mapped) : [])));
    const nodata = total && total[total.length - 1] > 0
      ? [element("tr", { class: "soft" }, element("th", { scope: "row" }, "no data"), ...numbers(total[total.length - 1], 0))] : [];
    const foot = total ? [element("tr", { class: "sum" }, element("th", { scope: "row" }, "mapped"), ...numbers(mapped, mapped))] : [];
    const head = total ? [element("thead", null, element("tr", null, element("th", { scope: "col" }, "class"), ...heads()))] : [];
    const all = hidden.size ? "Show all classes" : "Hide all classes";
    fill("legend",
      element("table", null, ...head, element("tbody", null, ...rows), element("tbody", null, ...foot, ...nodata)),
      element("div", { class: "row" },
        element("button", { type: "button", class: "link", onclick: () => { map.classes.forEach(one => all.startsWith("Show") ? hidden.delete(one.name) : hidden.add(one.name)); repaint(); legend(); } }, all),
        map.table && element("a", { href: map.table, download: "" }, "Table (CSV)")),
      ...map.notes.map(note => element("p", { class: "note" }, note)),
      !total && element("p", { class: "note" }, "The map has no coordinates, so the size of its pixels is not known, and neither are areas."));
  }

  const sum = values => values.reduce((a, b) => a + b, 0);
  const heads = () => [element("th", { scope: "col", class: "n" }, "ha"), element("th", { scope: "col", class: "n" }, "share")];
  const numbers = (m2, whole) => [element("td", { class: "n" }, area(m2)), element("td", { class: "n" }, whole ? percent(m2, whole) : NONE)];

  function toggle(name, on) {
    if (on) hidden.delete(name); else hidden.add(name);
    repaint();
    const button = sections.legend.querySelector("button");
    button.textContent = hidden.size ? "Show all classes" : "Hide all classes";
  }

  function repaint() {
    content.maps.forEach(map => layers.paint(map, hidden));
    stage.redraw();
  }

  // --- A place --------------------------------------------------------------------------------------------

  async function look(x, y) {
    state.marker = [x, y];
    const map = state.map, found = await hectares.codeAt(map, x, y), one = map.classes[found.code];
    const facts = [["Class", one ? element("span", null, swatch(one.color), one.name) : found.outside ? "outside the map" : "no data"]];
    if (found.score !== null) facts.push(["Confidence", `${found.score} %`]);
    const zone = content.zones.find(z => hectares.places.inside(z.rings, x, y));
    if (zone) facts.push(["Zone", zone.name]);
    const inside = content.outlines.filter(o => hectares.places.inside(o.rings, x, y)).sort((a, b) => a.m2 - b.m2)[0];
    state.outline = inside || null;
    if (inside) facts.push(["Polygon", `${inside.name}, ${area(inside.m2)} ha`]);
    for (const other of content.maps) {
      if (other === map) continue;
      const there = await hectares.codeAt(other, x, y), its = other.classes[there.code];
      facts.push([`In ${other.name}`, its ? element("span", null, swatch(its.color), its.name) : "no data"]);
    }
    if (content.lonlat) facts.push(["Place", place(...hectares.places.lonlat(x, y))]);
    if (!found.outside) facts.push(["Pixel", `column ${number(found.col, 0)}, row ${number(found.row, 0)}`]);
    const close = () => { sections.place.hidden = true; state.marker = state.outline = null; stage.redraw(); };
    sections.place.hidden = false;
    sections.place.classList.toggle("above", stage.toCanvas(x, y)[1] > 0.5 * stage.view.height);
    fill("place", element("button", { type: "button", class: "close", "aria-label": "Close", onclick: close }, "×"), element("dl", null, ...facts.flatMap(([name, value]) => [element("dt", null, name), element("dd", null, value)])));
    stage.redraw();
  }

  // --- An area --------------------------------------------------------------------------------------------

  let turn = 0;

  async function chosenArea() {
    const mine = ++turn, map = state.map, zone = state.chosen;
    const button = (text, onclick, settings) => element("button", { type: "button", onclick, ...settings }, text);
    drawingBar(button);
    if (polygon.drawing()) {
      fill("area", element("p", null, "Click or tap the corners on the map, and close the polygon on its first corner."));
      return;
    }
    const begin = button(polygon.closed() ? "Draw another" : "Draw a polygon", draw, { id: "draw", class: "main" });
    if (!map.areas || !map.pixelArea) {
      fill("area", element("p", { class: "note" }, "Areas need a map with coordinates."));
    } else if (polygon.closed()) {
      const bar = element("progress", { max: 1, value: 0, "aria-label": "Counting pixels" });
      fill("area", bar);
      const m2 = await hectares.counting.count(map, polygon.rings(), (done, all) => { bar.max = all; bar.value = done; });
      if (mine !== turn) return;
      const record = Object.fromEntries(map.classes.map((one, i) => [`${one.name}_ha`, +(m2[i] / 1e4).toPrecision(8)]));
      const href = content.lonlat ? URL.createObjectURL(new Blob([polygon.geojson({ map: map.name, ...record })], { type: "application/geo+json" })) : null;
      fill("area", breakdown("Drawn polygon", map, m2), map.step > 1 && element("p", { class: "note" }, `Counted on one pixel of ${map.step} × ${map.step}: less exact than a table that hectares measure writes.`),
        element("div", { class: "row" }, begin, button("Clear", polygon.cancel), href && element("a", { href, download: "polygon.geojson" }, "Save (GeoJSON)")));
      sections.area.scrollIntoView({ block: "nearest" });
    } else if (zone && map.areas.zones[zone.name]) {
      fill("area", breakdown(zone.name, map, map.areas.zones[zone.name]), element("div", { class: "row" }, begin));
    } else {
      fill("area", element("p", null, "Draw a polygon on the map for the hectares of each class inside it, or click the map to see what is there."), element("div", { class: "row" }, begin));
    }
  }

  function draw() {
    state.chosen = null;
    sections.place.hidden = true;
    state.marker = state.outline = null;
    polygon.start();
    document.getElementById("canvas").focus({ preventScroll: true });
  }

  // Over the map while a polygon is drawn, so that hands need not leave it.
  function drawingBar(button) {
    const bar = document.getElementById("bar"), count = polygon.size();
    bar.hidden = !polygon.drawing();
    if (bar.hidden) return;
    bar.replaceChildren(element("span", { role: "status" }, count ? `${count} corner${count > 1 ? "s" : ""}` : "Click the corners"),
      button("Finish", polygon.finish, { disabled: count < 3, class: "main", id: "finish" }),
      button("Undo", polygon.undo, { disabled: !count }), button("Cancel", polygon.cancel));
  }

  function breakdown(title, map, m2) {
    const mapped = sum([...m2].slice(0, -1)), nodata = m2[m2.length - 1];
    const rows = map.classes.map((one, i) => ({ one, m2: m2[i] })).filter(row => row.m2 > 0).sort((a, b) => b.m2 - a.m2);
    return element("table", { id: "breakdown" }, element("caption", null, `${title}: ${area(mapped)} ha mapped`),
      element("thead", null, element("tr", null, element("th", { scope: "col" }, "class"), ...heads())),
      element("tbody", null, ...rows.map(row => element("tr", null, element("th", { scope: "row" }, swatch(row.one.color), row.one.name), ...numbers(row.m2, mapped))),
        nodata > 0.5 ? element("tr", { class: "soft" }, element("th", { scope: "row" }, "no data"), ...numbers(nodata, 0)) : null));
  }

  // --- Zones ----------------------------------------------------------------------------------------------

  function zones() {
    const areas = state.map.areas, names = areas ? areas.order : [];
    sections.zones.hidden = !names.length;
    if (!names.length) return;
    const shapes = new Map(content.zones.map(zone => [zone.name, zone]));
    const rows = names.map(name => {
      const m2 = areas.zones[name], mapped = sum(m2.slice(0, -1)), shape = shapes.get(name);
      const most = m2.slice(0, -1).indexOf(Math.max(...m2.slice(0, -1)));
      const title = element("button", { type: "button", class: "link", onclick: () => choose(name, shape) }, name);
      return element("tr", null, element("th", { scope: "row" }, title), element("td", { class: "n" }, area(mapped)),
        element("td", null, mapped > 0 ? element("span", null, swatch(state.map.classes[most].color), `${state.map.classes[most].name}, ${percent(m2[most], mapped)}`) : NONE));
    });
    fill("zones", element("table", null,
      element("thead", null, element("tr", null, element("th", { scope: "col" }, "zone"), element("th", { scope: "col", class: "n" }, "ha mapped"), element("th", { scope: "col" }, "most of it"))),
      element("tbody", null, ...rows)));
  }

  function choose(name, shape) {
    polygon.cancel();
    state.chosen = shape || { name, rings: [], box: [0, 0, 0, 0] };
    if (shape) {
      const box = hectares.places.boundsOf(shape.rings), whole = content.extent;
      const seen = box.map((v, i) => i < 2 ? Math.max(v, whole[i]) : Math.min(v, whole[i]));
      if (seen[0] < seen[2] && seen[1] < seen[3]) stage.fit(seen, 0.85);
    }
    chosenArea();
    sections.area.scrollIntoView({ block: "nearest" });
  }

  // --- Where it comes from --------------------------------------------------------------------------------

  function origin(source) {
    const facts = [["SHA-256", source.sha256], ...source.facts];
    return element("details", null, element("summary", null, element("strong", null, source.name), ` ${source.kind}`),
      element("dl", { class: "stamp" }, ...facts.flatMap(([name, value]) => [element("dt", null, name), element("dd", null, value)])));
  }

  function build() {
    panel.replaceChildren(
      element("header", null, element("h1", null, content.title), element("p", { class: "soft" }, content.subtitle)),
      section("choices", "Show"), section("legend", "Legend"),
      section("area", "Measure"),
      section("zones", "Zones"),
      section("sources", "Where this comes from", element("p", { class: "note" }, "Areas are counted from the map and measured on the ellipsoid. They carry the errors of the map: they are no estimate with a confidence interval."),
        ...content.sources.map(origin), element("p", { class: "note" }, `Made with hectares ${content.version}. The page asks for nothing but its own files.`)),
      element("p", { id: "keys", class: "note" }, "Keys on the map: arrows move, + and − zoom, 0 shows all, Enter looks at the middle or sets a corner, Shift+Enter closes the polygon, Backspace takes a corner back, Escape ends drawing."));
    sections.place = document.getElementById("place");
    document.getElementById("pen").addEventListener("click", draw);
    sections.area.setAttribute("aria-live", "polite");
  }

  hectares.panel = { build, show, look, chosenArea, repaint, hidden };
})(window.hectares);
