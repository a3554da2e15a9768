// Asks before something is deleted.
"use strict";
(function (hectares) {
  const box = document.getElementById("sure"), [title, text] = [box.querySelector("h2"), box.querySelector("p")];
  const [keep, remove] = box.querySelectorAll("button");
  let settle = () => {};

  function answer(isWanted) {
    box.close();
    settle(isWanted);
  }

  keep.addEventListener("click", () => answer(false));
  remove.addEventListener("click", () => answer(true));
  box.addEventListener("cancel", () => answer(false)); // the key Escape
  box.addEventListener("click", event => { if (event.target === box) answer(false); }); // beside it

  // Give true if the person wants it.
  function isSure(question, consequence) {
    title.textContent = question;
    text.textContent = consequence;
    box.showModal();
    keep.focus();
    return new Promise(resolve => { settle = resolve; });
  }

  hectares.deleting = { isSure };
})(window.hectares);
