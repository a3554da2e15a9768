// Asks the service, and says so when it does not answer.
"use strict";
window.hectares = window.hectares || {};
(function (hectares) {
  const said = document.getElementById("say");

  function say(text) {
    if (said.textContent !== text) said.textContent = text;
    said.hidden = !text;
  }

  class Fault extends Error {}

  function explain(status, answer) {
    if (status === 401) return "The service was started again. Open the address that stands where it was started.";
    return answer && answer.message || `The service answered with code ${status}.`;
  }

  // Give the JSON of an answer; a Fault with its sentence if there is none.
  async function ask(path, settings) {
    let answer;
    try {
      answer = await fetch(path, { cache: "no-store", credentials: "same-origin", ...settings });
    } catch (error) {
      say("The service does not answer. What is under way goes on when it is started again.");
      throw new Fault("The service does not answer.");
    }
    const content = await answer.json().catch(() => null);
    if (!answer.ok) {
      const text = explain(answer.status, content);
      if (answer.status === 401) say(text);
      throw new Fault(text);
    }
    say("");
    return content;
  }

  const get = path => ask(path);
  const post = (path, content) => ask(path, {
    method: "POST", body: content === undefined ? undefined : JSON.stringify(content),
    headers: content === undefined ? {} : { "Content-Type": "application/json" },
  });

  const drop = path => ask(path, { method: "DELETE" });

  // Send a file; gives a promise of the answer and a way to stop it.
  function send(path, file, progress) {
    const request = new XMLHttpRequest();
    const promise = new Promise((resolve, reject) => {
      request.upload.onprogress = event => progress(event.loaded, event.total || file.size);
      request.onerror = () => reject(new Fault("The connection was lost while the file was sent."));
      request.onabort = () => reject(new Fault(""));
      request.onload = () => {
        let content = null;
        try { content = JSON.parse(request.responseText); } catch (error) { /* no sentence came */ }
        if (request.status >= 200 && request.status < 300) resolve(content);
        else reject(new Fault(explain(request.status, content)));
      };
      request.open("POST", path);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.send(file);
    });
    return { promise, stop: () => request.abort() };
  }

  // A button that was pressed waits for its answer; it is not disabled, since it would lose the focus.
  function hold(button) {
    if (button.getAttribute("aria-disabled") === "true") return false;
    button.setAttribute("aria-disabled", "true");
    return true;
  }

  const release = button => button.removeAttribute("aria-disabled");

  hectares.asking = { get, post, drop, send, say, hold, release, Fault };
})(window.hectares);
