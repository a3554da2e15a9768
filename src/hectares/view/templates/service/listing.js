// The maps: those that wait, that are being made, and that are there.
"use strict";
(function (hectares) {
  const { get, post, drop } = hectares.asking, { element, area, number, percent } = hectares.words;
  const list = document.getElementById("job-list"), none = document.getElementById("none"), news = document.getElementById("news");
  const cards = new Map(), OPEN = new Set(["queued", "running"]);
  const WORDS = { queued: "waiting", running: "under way", done: "done", failed: "failed", stopped: "stopped" };
  let jobs = [];

  function swatch(color) {
    const made = element("span", { class: "swatch", "aria-hidden": "true" });
    made.style.background = color;
    return made;
  }

  async function refresh() {
    const found = await get("api/jobs"), before = new Map(jobs.map(job => [job.id, job.state]));
    jobs = found.jobs;
    const seen = new Set(jobs.map(job => job.id));
    for (const [id, card] of cards) if (!seen.has(id)) { card.node.remove(); cards.delete(id); }
    jobs.forEach((job, i) => {
      const card = show(job);
      if (list.children[i] !== card.node) list.insertBefore(card.node, list.children[i] || null);
      if (before.has(job.id) && before.get(job.id) !== job.state) news.textContent = `${nameOf(job)}: ${WORDS[job.state]}`;
    });
    const bad = document.getElementById("unreadable");
    bad.hidden = !found.unreadable.length;
    bad.querySelector("summary").textContent = found.unreadable.length === 1 ? "1 map cannot be listed" : `${found.unreadable.length} maps cannot be listed`;
    bad.querySelector("ul").replaceChildren(...found.unreadable.map(text => element("li", null, text)));
    empty();
  }

  // What is kept, for how long, and how much room there is.
  function tellRoom(status) {
    const kept = document.getElementById("kept"), free = status.free_mb >= 1e4 ? `${number(status.free_mb / 1e3, 0)} GB` : `${number(status.free_mb, 0)} MB`;
    kept.hidden = false;
    kept.textContent = `Maps and scenes that were sent stay on this machine until you delete them. ${free} of its disk are free.`;
  }

  function empty() {
    none.hidden = jobs.length > 0;
    const isEmpty = hectares.choosing.state.isEmpty;
    none.replaceChildren(element("strong", null, "No map yet"),
      isEmpty ? "Send a scene, choose a segmenter, and the map comes here." : "Choose a scene and a segmenter; the map comes here.");
  }

  const nameOf = job => job.scene.slice(job.scene.lastIndexOf("/") + 1);

  // A card is built anew when something else than its progress changes; what has the focus keeps it.
  function show(job) {
    const { percent: share, remaining_s: rest, step, place_in_queue: place, ...lasting } = job, key = JSON.stringify(lasting);
    let card = cards.get(job.id);
    if (!card || card.key !== key) {
      const focus = card && card.node.contains(document.activeElement) ? document.activeElement.dataset.act : null;
      const opened = card ? [...card.node.querySelectorAll("details[open]")].map(one => one.className) : [];
      const node = build(job);
      opened.forEach(name => { const one = node.querySelector(`details.${name}`); if (one) one.open = true; });
      if (card) card.node.replaceWith(node);
      card = { key, node };
      cards.set(job.id, card);
      if (focus) (node.querySelector(`[data-act="${focus}"]`) || node.querySelector("[data-act]") || node).focus();
    }
    const bar = card.node.querySelector("progress"), told = card.node.querySelector(".told");
    if (bar) bar.value = share;
    if (told) told.textContent = tell(job);
    return card;
  }

  function tell(job) {
    if (job.state === "queued") return job.place_in_queue > 1 ? `Number ${job.place_in_queue} of those that wait` : "Waits for its turn";
    const rest = job.remaining_s === null ? "" : `, ${time(job.remaining_s)} left`;
    return `${job.step ? job.step[0].toUpperCase() + job.step.slice(1) : "Beginning"}, ${number(Math.floor(job.percent), 0)} %${rest}`;
  }

  const when = job => new Date(job.created * 1000).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

  function time(seconds) {
    if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s`;
    const minutes = Math.round(seconds / 60);
    return minutes < 90 ? `about ${minutes} min` : `about ${number(seconds / 3600, 1)} h`;
  }

  function build(job) {
    const children = [element("h3", null, nameOf(job)), element("span", { class: `badge ${job.state}` }, WORDS[job.state])];
    const parts = [element("div", { class: "head" }, ...children), element("p", { class: "soft" }, `with ${job.segmenter}, ${when(job)}`)], below = [];
    if (OPEN.has(job.state)) {
      const bar = element("progress", { max: 100, "aria-label": `Progress of ${nameOf(job)}` });
      below.push(bar, element("p", { class: "told soft" }));
    }
    if (job.state === "failed") below.push(element("p", { class: "bad" }, job.message));
    if (job.state === "stopped") below.push(element("p", { class: "soft" }, "Stopped. Another try goes on from where it stood."));
    if (job.areas.some(one => one.share > 0) || job.state === "done") below.push(...areas(job));
    const buttons = actions(job);
    if (buttons.length) below.push(element("div", { class: "row" }, ...buttons));
    if (job.files.length) below.push(files(job));
    if (job.problems.length) below.push(problems(job));
    return element("article", { class: "job", "aria-label": nameOf(job), tabindex: "-1" },
      picture(job), element("div", null, ...parts), element("div", { class: "below" }, ...below));
  }

  function picture(job) {
    const address = job.has_map ? `api/jobs/${job.id}/preview` : `api/scenes/${job.scene_id}/preview`;
    const image = element("img", { alt: "", src: address, class: job.has_map ? "" : "pale" });
    image.addEventListener("error", () => { image.hidden = true; });
    if (!job.has_map) return element("span", { class: "picture" }, image);
    return element("a", { class: "picture", href: `maps/${job.id}/`, tabindex: "-1", "aria-hidden": "true" }, image);
  }

  function areas(job) {
    const measured = job.areas.filter(one => one.share > 0);
    if (!measured.length) return [element("p", { class: "soft" }, "No areas: the scene has no place on Earth.")];
    const bar = element("div", { class: "bar", "aria-hidden": "true" }, ...measured.map(one => {
      const part = element("i");
      part.style.background = one.color;
      part.style.flexGrow = one.share;
      return part;
    }));
    const rows = measured.map(one => element("li", { title: percent(one.share, 1) }, swatch(one.color), one.name, element("b", null, `${area(one.area_ha * 1e4)} ha`)));
    return [bar, element("ul", { class: "areas" }, ...rows)];
  }

  function actions(job) {
    const made = [];
    const button = (act, text, path, kind) => element("button", { type: "button", "data-act": act, class: kind || "", onclick: event => act_on(event.target, path) }, text);
    if (job.has_map) made.push(element("a", { class: job.state === "done" ? "button main" : "button", href: `maps/${job.id}/`, "data-act": "open", "aria-label": `Open the map of ${nameOf(job)}` }, "Open the map"));
    if (OPEN.has(job.state)) made.push(button("cancel", "Cancel", `api/jobs/${job.id}/cancel`));
    if (job.state === "failed" || job.state === "stopped") made.push(button("retry", "Try again", `api/jobs/${job.id}/retry`, "main"));
    if (!OPEN.has(job.state)) made.push(element("button", { type: "button", "data-act": "delete", class: "link quiet", "aria-label": `Delete the map of ${nameOf(job)}`, onclick: () => remove(job) }, "Delete …"));
    return made;
  }

  async function act_on(button, path) {
    if (!hectares.asking.hold(button)) return;
    try {
      await post(path);
      await refresh();
    } catch (error) {
      hectares.asking.say(error.message);
      hectares.asking.release(button);
    }
  }

  async function remove(job) {
    const files = job.files.length ? "The map and its files are" : "What there is of the map is";
    if (!await hectares.deleting.isSure(`Delete the map of ${nameOf(job)}?`, `${files} removed from this machine. The scene stays.`)) return;
    try {
      await drop(`api/jobs/${job.id}`);
      await refresh();
      news.textContent = `The map of ${nameOf(job)} is deleted`;
      document.getElementById("maps").focus();
    } catch (error) {
      hectares.asking.say(error.message);
    }
  }

  function files(job) {
    const rows = job.files.map(one => element("li", null, element("a", { href: `api/jobs/${job.id}/files/${one.name}`, download: "" }, one.name), ` ${size(one.bytes)}, ${one.what}`));
    return element("details", { class: "files" }, element("summary", { "data-act": "files" }, "Files"), element("ul", null, ...rows));
  }

  function problems(job) {
    const title = job.problems.length === 1 ? "1 thing to know" : `${job.problems.length} things to know`;
    return element("details", { class: "problems" }, element("summary", { "data-act": "problems" }, title), element("ul", null, ...job.problems.map(text => element("li", null, text))));
  }

  const size = bytes => bytes >= 1e5 ? `${number(bytes / 1e6, 1)} MB` : `${number(bytes / 1e3, 0)} kB`;

  hectares.listing = { refresh, empty, swatch, tellRoom, isBusy: () => jobs.some(job => OPEN.has(job.state)) };
})(window.hectares);
