// The form: which scene, sent or picked, with which segmenter.
"use strict";
(function (hectares) {
  const { get, post, drop, send, hold, release } = hectares.asking, { element, number } = hectares.words;
  const at = id => document.getElementById(id);
  const state = { scenes: [], segmenters: [], scene: null, segmenter: null, isEmpty: false, status: null };
  const MANY = 8, GSD_SLACK = 0.25;
  let drawn = "";

  const chosenScene = () => state.scenes.find(one => one.id === state.scene);
  const chosenSegmenter = () => state.segmenters.find(one => one.id === state.segmenter);

  // --- Scenes ---------------------------------------------------------------------------------------------

  async function refresh() {
    const found = await get("api/scenes"), text = JSON.stringify(found);
    if (text === drawn) return;
    drawn = text;
    state.scenes = found.scenes;
    state.isEmpty = !found.scenes.length;
    if (!chosenScene()) state.scene = found.scenes.length === 1 ? found.scenes[0].id : null;
    at("filter").hidden = found.scenes.length <= MANY;
    listScenes(found.is_cut);
    const refused = at("refused");
    refused.hidden = !found.refused.length;
    refused.querySelector("summary").textContent = found.refused.length === 1 ? "1 file is no scene" : `${found.refused.length} files are no scenes`;
    refused.querySelector("ul").replaceChildren(...found.refused.map(one => element("li", null, one.message)));
    if (hectares.listing) hectares.listing.empty();
    check();
  }

  function listScenes(isCut) {
    const wanted = at("filter").querySelector("input").value.trim().toLowerCase();
    const shown = state.scenes.filter(one => one.name.toLowerCase().includes(wanted) || one.id === state.scene);
    const list = at("scene-list"), top = list.scrollTop;
    list.replaceChildren(...shown.map(sceneChoice));
    if (state.isEmpty) list.append(element("p", { class: "soft" }, "This folder has no scene yet. Send one, or copy files into the folder: they appear here by themselves."));
    else if (!shown.length) list.append(element("p", { class: "soft" }, "No scene has such a name."));
    if (isCut) list.append(element("p", { class: "note" }, `The folder holds more; the first ${number(state.scenes.length, 0)} are shown.`));
    list.scrollTop = top;
  }

  function sceneChoice(one) {
    const radio = element("input", { type: "radio", name: "scene", value: one.id, checked: one.id === state.scene });
    radio.addEventListener("change", () => { state.scene = one.id; check(); });
    const picture = element("img", { class: "thumb", alt: "", loading: "lazy", width: 56, height: 56, src: `api/scenes/${one.id}/preview` });
    picture.addEventListener("error", () => picture.removeAttribute("src"));
    const slash = one.name.lastIndexOf("/");
    const size = one.gsd_m ? `${number(one.width, 0)} × ${number(one.height, 0)} px of ${+one.gsd_m.toPrecision(3)} m` : `${number(one.width, 0)} × ${number(one.height, 0)} px, no place`;
    const where = slash < 0 ? null : element("small", null, one.name.slice(0, slash));
    return element("label", { class: "choice" }, radio, picture, element("span", null, element("strong", null, one.name.slice(slash + 1)), where, element("small", null, size)));
  }

  // --- Sending --------------------------------------------------------------------------------------------

  let sending = null;

  async function take(file) {
    if (sending || !file) return;
    const box = at("sending"), bar = box.querySelector("progress"), words = box.querySelector("span"), sent = at("sent");
    const most = state.status ? state.status.max_upload_mb : Infinity;
    sent.className = "";
    sent.textContent = "";
    if (file.size > most * 1e6) return fail(sent, `${file.name} is larger than ${number(most, 0)} MB, the most that is taken; copy it into the folder instead.`);
    box.hidden = false;
    bar.value = 0;
    sending = send(`api/scenes?name=${encodeURIComponent(file.name)}`, file, (done, all) => {
      bar.value = all ? done / all : 0;
      words.textContent = done < all ? `${file.name}: ${megabytes(done)} of ${megabytes(all)}` : `${file.name}: being looked at …`;
    });
    try {
      const scene = await sending.promise;
      state.scene = scene.id;
      drawn = "";
      await refresh();
      sent.textContent = `${shortName(scene)} is here, and chosen.`;
      const chosen = document.querySelector("#scene-list :checked");
      if (chosen) chosen.closest("label").scrollIntoView({ block: "nearest" });
    } catch (error) {
      fail(sent, error.message || `${file.name} was not sent.`);
    } finally {
      sending = null;
      box.hidden = true;
      at("file").value = "";
    }
  }

  async function unsend() {
    const scene = chosenScene(), sent = at("sent");
    if (!scene || !await hectares.deleting.isSure(`Delete ${shortName(scene)}?`, "The file is removed from this machine. Maps that were made of it stay.")) return;
    try {
      await drop(`api/scenes/${scene.id}`);
      state.scene = null;
      await refresh();
      sent.className = "";
      sent.textContent = `${shortName(scene)} is deleted.`;
      at("file").focus();
    } catch (error) {
      fail(sent, error.message);
    }
  }

  const shortName = scene => scene.name.slice(scene.name.lastIndexOf("/") + 1);

  function fail(where, text) {
    where.className = "bad";
    where.textContent = text;
  }

  const megabytes = bytes => `${number(bytes / 1e6, bytes < 1e7 ? 1 : 0)} MB`;

  // --- Segmenters -----------------------------------------------------------------------------------------

  async function refreshSegmenters() {
    const found = await get("api/segmenters");
    if (JSON.stringify(found) === JSON.stringify(state.segmenters)) return;
    state.segmenters = found;
    if (!chosenSegmenter()) state.segmenter = found.length ? found[0].id : null;
    at("segmenter-list").replaceChildren(...found.map(segmenterChoice));
    if (!found.length) at("segmenter-list").append(element("p", { class: "soft" }, "No segmenter is there. Train one, or copy a run into the folder."));
    check();
  }

  function segmenterChoice(one) {
    const radio = element("input", { type: "radio", name: "segmenter", value: one.id, checked: one.id === state.segmenter });
    radio.addEventListener("change", () => { state.segmenter = one.id; check(); });
    const classes = one.classes.map(c => element("span", null, hectares.listing.swatch(c.color), c.name));
    const needs = `bands ${one.bands.join(", ")}${one.gsd_m ? `; pixels of ${+one.gsd_m.toPrecision(3)} m` : ""}`;
    return element("label", { class: "choice plain" }, radio, element("span", null, element("strong", null, one.name), element("small", null, one.summary), element("small", null, needs), element("span", { class: "swatches" }, ...classes)));
  }

  // --- Does it fit? ---------------------------------------------------------------------------------------

  function check() {
    const scene = chosenScene(), segmenter = chosenSegmenter(), fit = at("fit");
    at("asked").textContent = "";
    at("gsd").hidden = !scene || Boolean(scene.gsd_m);
    at("unsend").hidden = !(scene && scene.sent);
    const doubts = [];
    if (scene && segmenter) {
      if (segmenter.gsd_m && scene.gsd_m && Math.abs(scene.gsd_m / segmenter.gsd_m - 1) > GSD_SLACK) {
        doubts.push(`This segmenter knows pixels of ${+segmenter.gsd_m.toPrecision(3)} m; those of the scene are ${+scene.gsd_m.toPrecision(3)} m, so it will be refused.`);
      }
      if (scene.bands.length < segmenter.bands.length) {
        doubts.push(`This segmenter needs ${segmenter.bands.length} bands; the scene has ${scene.bands.length}.`);
      }
    }
    fit.hidden = !doubts.length;
    fit.textContent = doubts.join(" ");
  }

  async function submit(event) {
    event.preventDefault();
    const asked = at("asked"), scene = chosenScene(), text = at("gsd").querySelector("input").value.trim().replace(",", ".");
    const content = { scene: state.scene, segmenter: state.segmenter };
    if (!scene || !chosenSegmenter()) {
      const first = document.querySelector(`#${scene ? "segmenter" : "scene"}-list input`) || at("file");
      first.focus();
      return fail(asked, scene ? "Choose a segmenter first." : state.isEmpty ? "Send a scene first." : "Choose a scene first.");
    }
    asked.className = "";
    if (scene && !scene.gsd_m && text) {
      content.gsd_m = Number(text);
      if (!(content.gsd_m > 0)) return fail(asked, "Meters per pixel is a number such as 0.5.");
    }
    if (!hold(at("go"))) return;
    try {
      await post("api/jobs", content);
      asked.textContent = "It is in the list of maps.";
      await hectares.listing.refresh();
      if (window.matchMedia("(max-width: 46rem)").matches) at("maps").scrollIntoView();
    } catch (error) {
      fail(asked, error.message);
    }
    release(at("go"));
  }

  function start() {
    at("make").addEventListener("submit", submit);
    at("file").addEventListener("change", event => take(event.target.files[0]));
    at("sending").querySelector("button").addEventListener("click", () => sending && sending.stop());
    at("filter").querySelector("input").addEventListener("input", () => listScenes(false));
    at("unsend").querySelector("button").addEventListener("click", unsend);
    const target = at("drop");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, event => { event.preventDefault(); target.classList.add("over"); });
    }
    document.addEventListener("dragleave", event => { if (!event.relatedTarget) target.classList.remove("over"); });
    document.addEventListener("drop", event => { event.preventDefault(); target.classList.remove("over"); take(event.dataTransfer.files[0]); });
  }

  hectares.choosing = { state, start, refresh, refreshSegmenters, take };
})(window.hectares);
