// Numbers as people read them, and elements of the page. Text enters the page as text, never as HTML.
"use strict";
(function (hectares) {
  const NONE = "–";

  function number(value, decimals) {
    return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  }

  // Two decimals, and three digits of what is smaller than one.
  function area(m2) {
    const ha = m2 / 10000;
    if (!(ha > 0)) return "0.00";
    if (ha >= 1) return number(ha, 2);
    return number(ha, Math.min(8, 2 - Math.floor(Math.log10(ha))));
  }

  function percent(part, whole) {
    if (!(whole > 0)) return NONE;
    const share = 100 * part / whole;
    return share > 0 && share < 0.05 ? "<0.1 %" : number(share, 1) + " %";
  }

  function place(lon, lat) {
    if (!Number.isFinite(lon + lat)) return NONE;
    const east = ((lon + 180) % 360 + 360) % 360 - 180;
    return `${number(Math.abs(lat), 5)}° ${lat < 0 ? "S" : "N"}, ${number(Math.abs(east), 5)}° ${east < 0 ? "W" : "E"}`;
  }

  function length(m) {
    return m >= 1000 ? `${+(m / 1000).toPrecision(3)} km` : m >= 1 ? `${+m.toPrecision(3)} m` : `${+(m * 100).toPrecision(2)} cm`;
  }

  // element("p", { class: "note", onclick: f }, "text", child ...)
  function element(tag, settings, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(settings || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key in made && typeof value !== "string") made[key] = value;
      else made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter(child => child !== null && child !== undefined));
    return made;
  }

  hectares.words = { NONE, number, area, percent, place, length, element };
})(window.hectares);
