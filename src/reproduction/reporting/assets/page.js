document.getElementById("theme").addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = (themed.dataset.theme || system) === "dark" ? "light" : "dark";
  themed.dataset.theme = next;
  stored.set(next);
});

const study = document.getElementById("beta-study");
if (study) {
  const slider = study.querySelector("input");
  const output = study.querySelector("output");
  const stops = [...study.querySelectorAll(".stop")];
  const marks = [...study.querySelectorAll(".mark")];
  const show = () => {
    const chosen = stops[Number(slider.value)];
    for (const stop of stops) stop.hidden = stop !== chosen;
    for (const mark of marks) {
      const here = mark.dataset.index === chosen.dataset.point;
      mark.classList.toggle("here", here);
      mark.setAttribute("r", here ? 8 : 4);
    }
    output.textContent = chosen.dataset.beta;
    slider.setAttribute("aria-valuetext", `beta ${chosen.dataset.beta}`);
  };
  slider.addEventListener("input", show);
  show();
}
