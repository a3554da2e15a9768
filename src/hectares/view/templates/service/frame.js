// On the page of a map that the service shows: a way back to all maps, and the files to take.
"use strict";
(function (hectares) {
  const MANY = 500; // outlines that hide what they are about
  const { content, stage } = hectares, { element } = hectares.words, panel = document.getElementById("panel");
  panel.querySelector("header").prepend(element("p", null, element("a", { href: content.back }, "← All maps")));
  const rows = content.files.map(one => element("li", null, element("a", { href: one.href, download: "" }, one.name), `: ${one.what}`));
  const files = element("section", { id: "files", "aria-label": "Files" }, element("h2", null, "Files"), element("ul", { class: "stamp" }, ...rows));
  panel.insertBefore(files, document.getElementById("sources"));
  if (content.outlines.length > MANY) {
    stage.state.showOutlines = false;
    document.getElementById("outlined").checked = false;
    stage.redraw();
  }
})(window.hectares);
