// Shows one point after the other, keeps the answers in the browser, and writes and reads files of them.
"use strict";
const content = JSON.parse(document.getElementById("content").textContent);
const { classes, points, token } = content;
const $ = id => document.getElementById(id);
const KEY = "hectares-labels-" + token;
const byId = new Map(points.map((point, at) => [point.id, at]));
const byCode = new Map(classes.map(c => [c.code, c]));
let answers = {};  // id: {code, unsure, note}
let at = 0;
const undone = [];  // what was there before each change: [id, answer or undefined]

const EMPTY = { code: null, unsure: false, note: "" };
const answer = () => answers[points[at].id] || EMPTY;
const isDone = a => Boolean(a) && (a.code !== null || a.unsure);
const say = (text, bad = false) => { $("say").textContent = text; $("say").classList.toggle("bad", bad); };

// --- Kept in the browser, where it allows that ---

function keep() {
  try {
    localStorage.setItem(KEY, JSON.stringify({ answers, at }));
  } catch {
    say("This browser does not keep answers; save them to a file before you close the page.", true);
  }
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) || "null");
    if (kept && typeof kept.answers === "object") {
      for (const [id, a] of Object.entries(kept.answers)) {
        if (byId.has(Number(id)) && (a.code === null || byCode.has(a.code))) answers[id] = { ...EMPTY, ...a };
      }
      at = Math.min(Math.max(0, kept.at | 0), points.length - 1);
      const done = Object.values(answers).filter(isDone).length;
      if (done) say(`Goes on with ${done} answers kept in this browser.`);
    }
  } catch {
    say("This browser does not keep answers; save them to a file before you close the page.", true);
  }
}

// --- One point ---

const SVG = "http://www.w3.org/2000/svg";

function draw(box, shot, outline, what) {
  const image = new Image();
  image.alt = what;
  image.src = shot.uri;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("aria-hidden", "true");
  for (const kind of ["dark", "light"]) {
    const ring = document.createElementNS(SVG, "polygon");
    ring.setAttribute("points", outline.map(p => p.join(",")).join(" "));
    ring.setAttribute("class", kind);
    svg.append(ring);
  }
  const [length, text] = niceLength(shot.side_m * 0.3);
  const scale = document.createElement("div"), bar = document.createElement("i");
  scale.className = "scale";
  bar.style.width = 100 * length / shot.side_m * box.clientWidth / 100 + "px";
  scale.append(text, bar);
  box.replaceChildren(image, svg, scale);
}

function niceLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map(n => n * power).find(n => n <= most);
  if (length >= 1000) return [length, `${length / 1000} km`];
  return length >= 1 ? [length, `${length} m`] : [length, `${Math.round(length * 100)} cm`];
}

function box(shot, inner) {  // corners of the near picture within the far one
  const half = inner.side_m / shot.side_m / 2;
  return [[0.5 - half, 0.5 - half], [0.5 + half, 0.5 - half], [0.5 + half, 0.5 + half], [0.5 - half, 0.5 + half]];
}

function show() {
  const point = points[at], a = answer();
  $("name").textContent = `Point ${point.id}`;
  $("place").textContent = `${point.lat.toFixed(6)}, ${point.lon.toFixed(6)}`;
  draw($("near"), point.near, point.near.outline, `Picture of point ${point.id}, ${Math.round(point.near.side_m)} meters wide`);
  draw($("far"), point.far, box(point.far, point.near), `Surroundings of point ${point.id}, ${Math.round(point.far.side_m)} meters wide`);
  for (const button of $("classes").children) button.setAttribute("aria-pressed", String(Number(button.dataset.code) === a.code));
  $("unsure").setAttribute("aria-pressed", String(a.unsure));
  $("meaning").textContent = !a.unsure ? "" : a.code === null
    ? "Not sure, and no class: the point stays without a label." : "Not sure: the class counts, and is marked as unsure.";
  $("note").value = a.note;
  const done = points.filter(p => isDone(answers[p.id])).length;
  $("count").textContent = `${at + 1} of ${points.length} · ${done} answered`;
  $("bar").max = points.length;
  $("bar").value = done;
  $("previous").disabled = at === 0;
  $("next").disabled = at === points.length - 1;
  $("open").disabled = done === points.length;
  $("undo").disabled = undone.length === 0;
}

function change(part) {
  const id = points[at].id;
  undone.push([id, answers[id]]);
  answers[id] = { ...answer(), ...part };
  keep();
}

function choose(code) {
  change({ code });
  say(`Point ${points[at].id}: ${byCode.get(code).name}.`);
  if (at < points.length - 1) at += 1;
  else say(points.every(p => isDone(answers[p.id])) ? "All points have an answer. Save the labels." : "This was the last point; some have no answer yet.");
  keep();
  show();
}

function go(to) {
  at = Math.min(Math.max(0, to), points.length - 1);
  keep();
  show();
}

function goToOpen() {
  for (let step = 1; step <= points.length; step++) {
    const to = (at + step) % points.length;
    if (!isDone(answers[points[to].id])) { go(to); return; }
  }
  say("All points have an answer. Save the labels.");
}

function toggleUnsure() {
  change({ unsure: !answer().unsure });
  show();
}

function undo() {
  if (!undone.length) return;
  const [id, before] = undone.pop();
  if (before === undefined) delete answers[id];
  else answers[id] = before;
  say(`Point ${id}: taken back.`);
  go(byId.get(id));
}

// --- Files ---

const COLUMNS = ["id", "label_code", "label_class", "confidence", "note"];

function rows() {
  return points.filter(p => answers[p.id] && (isDone(answers[p.id]) || answers[p.id].note)).map(p => {
    const a = answers[p.id];
    return { id: p.id, label_code: a.code, label_class: a.code === null ? null : byCode.get(a.code).name,
      confidence: a.unsure ? "unsure" : a.code === null ? null : "sure", note: a.note || null };
  });
}

function cell(value) {
  if (value === null) return "";
  let text = String(value);
  if (/^[=+\-@]/.test(text)) text = "'" + text;  // stays text in a spreadsheet
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`Saved ${rows().length} answers as ${name}.`);
}

function saveCsv() {
  const lines = [COLUMNS.join(","), ...rows().map(r => COLUMNS.map(c => cell(r[c])).join(","))];
  save(content.title + "-labels.csv", "text/csv", lines.join("\n") + "\n");
}

function saveGeojson() {
  const features = rows().map(properties => {
    const { lon, lat } = points[byId.get(properties.id)];
    return { type: "Feature", properties, geometry: { type: "Point", coordinates: [lon, lat] } };
  });
  save(content.title + "-labels.geojson", "application/geo+json", JSON.stringify({ type: "FeatureCollection", features }));
}

function parseCsv(text) {
  const lines = [[]];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  text = text.replace(/^\ufeff/, "");
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (!found) throw new Error("a quote is not balanced");
    lines.at(-1).push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] !== "," && pattern.lastIndex < text.length) lines.push([]);
  }
  const header = lines.shift();
  return lines.filter(l => l.length > 1).map(l => Object.fromEntries(header.map((name, i) => [name.trim(), l[i]])));
}

function readAnswer(row) {
  const id = Number(row.id);
  if (!byId.has(id)) throw new Error(`point ${row.id} is not on this page`);
  const given = value => value !== null && value !== undefined && String(value).trim() !== "";
  let code = given(row.label_code) ? Number(row.label_code) : null;
  if (code === null && given(row.label_class)) code = (classes.find(c => c.name === String(row.label_class)) || { code: NaN }).code;
  if (code !== null && !byCode.has(code)) throw new Error(`point ${id} has a class that is not in the legend`);
  const note = given(row.note) ? String(row.note).replace(/^'(?=[=+\-@])/, "") : "";
  return [id, { code, unsure: row.confidence === "unsure", note }];
}

async function load(file) {
  try {
    const text = await file.text();
    const table = /^\s*\{/.test(text) ? JSON.parse(text).features.map(f => f.properties) : parseCsv(text);
    const found = table.map(readAnswer);
    for (const [id, a] of found) {
      undone.push([id, answers[id]]);
      answers[id] = a;
    }
    keep();
    show();
    say(`Loaded ${found.length} answers from ${file.name}.`);
  } catch (error) {
    say(`${file.name} was not loaded: ${error.message}.`, true);
  }
}

async function copy() {
  const text = $("place").textContent;
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${text}.`);
  } catch {
    getSelection().selectAllChildren($("place"));
    say(document.execCommand("copy") ? `Copied ${text}.` : "Marked; press Ctrl+C to copy.");
  }
}

// --- Wiring ---

classes.forEach((c, i) => {
  const button = document.createElement("button"), swatch = document.createElement("span"), name = document.createElement("span");
  button.type = "button";
  button.dataset.code = c.code;
  swatch.className = "swatch";
  swatch.style.background = c.color;
  name.textContent = c.name;
  if (i < 9) {
    const key = document.createElement("kbd");
    key.textContent = i + 1;
    button.append(key);
  }
  button.append(swatch, name);
  button.addEventListener("click", () => choose(c.code));
  $("classes").append(button);
});
$("unsure").addEventListener("click", toggleUnsure);
$("previous").addEventListener("click", () => go(at - 1));
$("next").addEventListener("click", () => go(at + 1));
$("open").addEventListener("click", goToOpen);
$("undo").addEventListener("click", undo);
$("csv").addEventListener("click", saveCsv);
$("geojson").addEventListener("click", saveGeojson);
$("load").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", event => { if (event.target.files[0]) load(event.target.files[0]); event.target.value = ""; });
$("copy").addEventListener("click", copy);
$("note").addEventListener("change", () => { change({ note: $("note").value.trim() }); show(); });
addEventListener("resize", show);
addEventListener("keydown", event => {
  if (event.target === $("note")) {
    if (event.key === "Escape" || event.key === "Enter") { $("note").blur(); $("name").focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const number = "123456789".indexOf(event.key);
  if (event.key.length === 1 && number >= 0) { if (classes[number]) choose(classes[number].code); }
  else if (event.key === "0") toggleUnsure();
  else if (event.key === "ArrowLeft") go(at - 1);
  else if (event.key === "ArrowRight") go(at + 1);
  else if (event.key.toLowerCase() === "o") goToOpen();
  else if (event.key.toLowerCase() === "u") undo();
  else if (event.key.toLowerCase() === "n") $("note").focus();
  else return;
  event.preventDefault();
});
recall();
show();
