// Lays the class map over the scene, with a divider that follows the slider and the pointer.
for (const slider of document.querySelectorAll(".slider")) {
  const pair = slider.previousElementSibling, input = slider.querySelector("input");
  const move = () => {
    pair.style.setProperty("--at", input.value + "%");
    input.setAttribute("aria-valuetext", `${input.value} % ${input.dataset.left}`);
  };
  const follow = event => {
    const box = pair.getBoundingClientRect();
    input.value = Math.round(100 * (event.clientX - box.left) / box.width);
    move();
  };
  pair.classList.add("swipe");
  slider.hidden = false;
  input.addEventListener("input", move);
  pair.addEventListener("pointerdown", event => { pair.setPointerCapture(event.pointerId); follow(event); });
  pair.addEventListener("pointermove", event => { if (event.buttons) follow(event); });
  move();
}
