"use strict";
for (const article of document.querySelectorAll("article.picture")) {
  const viewer = article.querySelector("[data-viewer]");
  const canvas = viewer.querySelector(".canvas");
  const images = { left: canvas.querySelector(".over"), right: canvas.querySelector(".under") };
  const frames = canvas.querySelector(".frames");
  const slider = canvas.querySelector("input");
  const select = side => viewer.querySelector(`[data-side="${side}"]`);

  function show(side) {
    const card = article.querySelector(`[data-stage="${CSS.escape(select(side).value)}"]`);
    images[side].src = card.querySelector("img").src;
    images[side].alt = card.dataset.title;
    const fact = viewer.querySelector(`[data-fact="${side}"]`);
    const title = document.createElement("b");
    title.textContent = card.dataset.title;
    fact.replaceChildren(title, card.querySelector("[data-facts]").textContent);
  }
  function slide() {
    canvas.style.setProperty("--at", slider.value / 10 + "%");
  }
  function choose(mode) {
    viewer.dataset.mode = mode;
    for (const button of viewer.querySelectorAll("[data-choose]"))
      button.setAttribute("aria-pressed", button.dataset.choose === mode);
  }

  for (const side of ["left", "right"]) {
    select(side).addEventListener("change", () => show(side));
    show(side);
  }
  slider.addEventListener("input", slide);
  slide();
  for (const button of viewer.querySelectorAll("[data-choose]"))
    button.addEventListener("click", () => choose(button.dataset.choose));
  canvas.querySelector(".turn").addEventListener("click", () => viewer.classList.toggle("turned"));
  viewer.querySelector("[data-frames-button]").addEventListener("click", event => {
    frames.hidden = !frames.hidden;
    event.currentTarget.setAttribute("aria-pressed", !frames.hidden);
  });
  for (const button of article.querySelectorAll("[data-show]"))
    button.addEventListener("click", () => {
      select("left").value = button.dataset.against;
      select("right").value = button.dataset.show;
      show("left");
      show("right");
      viewer.scrollIntoView({ block: "center" });
      slider.focus({ preventScroll: true });
    });
}
