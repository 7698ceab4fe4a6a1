document.getElementById("theme").addEventListener("click", () => {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = (themed.dataset.theme || system) === "dark" ? "light" : "dark";
  themed.dataset.theme = next;
  stored.set("theme", next);
});

const language = document.getElementById("language");
const speak = (chosen) => {
  themed.dataset.lang = chosen;
  themed.lang = chosen;
  language.textContent = chosen === "zh" ? "English" : "中文";
};
speak(stored.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en"));
language.addEventListener("click", () => {
  speak(themed.dataset.lang === "zh" ? "en" : "zh");
  stored.set("language", themed.dataset.lang);
});

// A link to a folded document opens it.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", unfold);
unfold();

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
