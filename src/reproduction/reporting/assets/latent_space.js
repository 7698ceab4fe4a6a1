// The latent space to touch: sliders, map, draws and morphs over the decoders of decoders.js.
const REACH = 3; // standard deviations of the prior, either way
const TILES = 9; // pictures along a side of the map
const MORPH_MS = 2200;
const root = document.getElementById("latent-space");
const one = (selector) => root.querySelector(selector);
const screen = one("#latent-canvas"), pad = one("#latent-pad"), map = one(".ls-map"), marker = one(".ls-marker");
const ends = [...root.querySelectorAll(".ls-end")];
const across = one("#latent-across"), up = one("#latent-up"), along = one("#latent-morph"), play = one("#latent-play");
const state = { z: new Float32Array(0), label: 0, pair: [], playing: 0, sliders: [] };
const models = JSON.parse(one("#latent-data").textContent);
let model, decoder, mapTimer, mapWork = 0;
const frames = []; // when the last pictures were drawn

const clamp = (value) => Math.max(-REACH, Math.min(REACH, value));
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const fresh = () => Float32Array.from({ length: model.latents }, normal);
const put = (canvas, image) => {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
};

// Along the arc between two draws: their angle and their length grow evenly (jgen.exploration.pictures_morph).
function between([a, b], t) {
  const length = (v) => Math.hypot(...v);
  const la = length(a), lb = length(b);
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (la * lb);
  const angle = Math.acos(Math.max(-1, Math.min(1, cosine))), size = (1 - t) * la + t * lb;
  if (!(Math.sin(angle) > 1e-4)) return a.map((value, i) => (1 - t) * value + t * b[i]);
  const wa = Math.sin((1 - t) * angle) / Math.sin(angle) / la, wb = Math.sin(t * angle) / Math.sin(angle) / lb;
  return a.map((value, i) => size * (wa * value + wb * b[i]));
}

function paint() {
  const began = performance.now();
  put(screen, decoder.image(state.z, state.label));
  const now = performance.now();
  while (frames.length && now - frames[0] > 1000) frames.shift();
  frames.push(now);
  const rate = frames.length > 9 ? ((frames.length - 1) / (now - frames[0])) * 1000 : 0;
  const moving = rate ? `${rate.toFixed(0)} pictures a second. ` : "";
  one("#latent-speed").textContent = `${moving}This picture took ${(now - began).toFixed(1)} ms.`;
  screen.setAttribute("aria-label", `${model.label}: ${model.classes.length ? model.classes[state.label] : "a decoded picture"}`);
}

// Everything that shows z follows it; `map` says whether the pictures around it change too.
function show({ around = true } = {}) {
  state.sliders.forEach(({ input, output }, i) => {
    input.value = state.z[i];
    output.textContent = state.z[i].toFixed(2);
  });
  const [x, y] = [clamp(state.z[across.value]), clamp(state.z[up.value])];
  marker.style.left = `${(50 * (x + REACH)) / REACH}%`;
  marker.style.top = `${(50 * (REACH - y)) / REACH}%`;
  pad.setAttribute("aria-label", `Map: latent ${across.value} at ${x.toFixed(1)}, latent ${up.value} at ${y.toFixed(1)}`);
  paint();
  if (around) drawMapSoon();
}

function drawMapSoon() {
  map.classList.add("ls-stale");
  mapWork++;
  clearTimeout(mapTimer);
  mapTimer = setTimeout(() => drawMap(mapWork), 120);
}

// A few tiles each frame, so that nothing waits for the map.
function drawMap(work, tile = 0) {
  if (work !== mapWork || state.playing) return;
  const { width, height } = decoder, context = map.getContext("2d"), z = state.z.slice();
  for (const end = performance.now() + 6; tile < TILES * TILES && performance.now() < end; tile++) {
    const column = tile % TILES, row = Math.floor(tile / TILES);
    z[across.value] = REACH * ((2 * column + 1) / TILES - 1);
    z[up.value] = REACH * (1 - (2 * row + 1) / TILES);
    context.putImageData(decoder.image(z, state.label), column * width, row * height);
  }
  if (tile < TILES * TILES) requestAnimationFrame(() => drawMap(work, tile));
  else map.classList.remove("ls-stale");
}

function slider(i) {
  const value = model.values[i], largest = Math.max(...model.values);
  const bar = make("i", {});
  bar.style.width = `${100 * Math.max(0.02, value / largest)}%`;
  const amount = value < 0.01 ? "< 0.01" : value.toPrecision(2);
  const says = make("small", { textContent: `${amount} ${model.unit}` });
  const name = make("span", { className: "ls-name" }, `latent ${i}`, says, bar);
  const input = make("input", { type: "range", min: -REACH, max: REACH, step: 0.01 });
  input.dataset.latent = i;
  const output = make("output", {});
  input.addEventListener("input", () => {
    stop();
    state.z[i] = Number(input.value);
    show({ around: String(i) !== across.value && String(i) !== up.value });
  });
  state.sliders[i] = { input, output };
  return make("label", {}, name, input, output);
}

function layOutSliders() {
  state.sliders = [];
  const shown = model.shown, others = model.order.slice(shown);
  one("#latent-first").replaceChildren(...model.order.slice(0, shown).map(slider));
  one("#latent-others").replaceChildren(...others.map(slider));
  one(".ls-more").hidden = !others.length;
  one(".ls-more").open = false;
  one(".ls-more summary").textContent = `The other ${others.length} latents`;
  one(".ls-more p").textContent = model.note;
  one(".ls-measure").textContent = model.heading;
  for (const [select, chosen] of [[across, model.order[0]], [up, model.order[1]]]) {
    select.replaceChildren(...model.order.map((i) => make("option", { value: i, textContent: `latent ${i}` })));
    select.value = chosen;
  }
}

function layOutClasses() {
  one(".ls-classes").replaceChildren(...model.classes.map((name, label) => {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", () => choose(label));
    return button;
  }));
  choose(model.start.label, false);
}

function choose(label, draw = true) {
  state.label = label;
  [...one(".ls-classes").children].forEach((button, i) => button.setAttribute("aria-pressed", i === label));
  if (draw) {
    setPair(state.pair);
    show();
  }
}

function setPair(pair) {
  state.pair = pair;
  pair.forEach((z, i) => put(ends[i], decoder.image(z, state.label)));
}

function use(index) {
  stop();
  model = models[index];
  decoder = model.decoder ??= new Decoder(model);
  [...one(".ls-models").children].forEach((button, i) => {
    button.setAttribute("aria-checked", i === index);
    button.tabIndex = i === index ? 0 : -1;
  });
  map.width = TILES * decoder.width; // which also wipes out the last model's
  map.height = TILES * decoder.height;
  one(".ls-about").textContent = model.about;
  one(".ls-facts").textContent = model.facts;
  layOutSliders();
  layOutClasses();
  setPair(model.start.pair.map((z) => Float32Array.from(z)));
  go(state.pair[0]);
}

function go(z) {
  along.value = 0;
  state.z = z.slice();
  show();
}

function morphTo(t) {
  state.z = between(state.pair, t);
  show({ around: !state.playing });
}

function stop() {
  if (state.playing) drawMapSoon();
  cancelAnimationFrame(state.playing);
  state.playing = 0;
  play.setAttribute("aria-pressed", false);
  play.textContent = "Morph";
}

function start() {
  play.setAttribute("aria-pressed", true);
  play.textContent = "Stop";
  map.classList.add("ls-stale"); // every latent moves now: the map waits for the end
  const begin = performance.now() - (Math.acos(1 - 2 * along.value) / Math.PI) * MORPH_MS;
  const step = (now) => {
    const t = (1 - Math.cos((Math.PI * Math.max(0, now - begin)) / MORPH_MS)) / 2; // there and back, slowly at the ends
    along.value = t;
    state.playing = requestAnimationFrame(step);
    morphTo(t);
  };
  state.playing = requestAnimationFrame(step);
}

function drag(event) {
  const box = pad.getBoundingClientRect();
  state.z[across.value] = clamp(REACH * ((2 * (event.clientX - box.left)) / box.width - 1));
  state.z[up.value] = clamp(REACH * (1 - (2 * (event.clientY - box.top)) / box.height));
  show({ around: false });
}

pad.addEventListener("pointerdown", (event) => {
  stop();
  pad.setPointerCapture(event.pointerId);
  drag(event);
});
pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && drag(event));
pad.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.5 : 0.1;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step], Home: [NaN, NaN] };
  if (!(event.key in moves)) return;
  event.preventDefault();
  stop();
  [across.value, up.value].forEach((i, axis) => {
    const move = moves[event.key][axis];
    state.z[i] = Number.isNaN(move) ? 0 : clamp(state.z[i] + move);
  });
  show({ around: false });
});
for (const [select, other] of [[across, up], [up, across]]) {
  select.addEventListener("change", () => {
    if (select.value === other.value) other.value = model.order.find((i) => String(i) !== select.value);
    show();
  });
}
one("#latent-draw").addEventListener("click", () => (stop(), go(fresh())));
one("#latent-centre").addEventListener("click", () => (stop(), go(new Float32Array(model.latents))));
one("#latent-pair").addEventListener("click", () => {
  setPair([fresh(), fresh()]);
  stop();
  go(state.pair[0]);
  start();
});
play.addEventListener("click", () => (state.playing ? stop() : start()));
along.addEventListener("input", () => (stop(), morphTo(Number(along.value))));
ends.forEach((canvas, i) => canvas.addEventListener("click", () => (stop(), go(state.pair[i]), (along.value = i))));
one(".ls-models").append(...models.map(({ label }, i) => {
  const button = make("button", { type: "button", textContent: label });
  button.setAttribute("role", "radio");
  button.addEventListener("click", () => use(i));
  return button;
}));
one(".ls-models").addEventListener("keydown", ({ key }) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[key];
  if (!step) return;
  const next = (models.indexOf(model) + step + models.length) % models.length;
  use(next);
  one(".ls-models").children[next].focus();
});
inflate(models).then(() => {
  one(".ls-panel").hidden = false;
  use(0);
  // For the tests, and for a reader's console: the picture of any latents.
  window.latentSpace = {
    names: models.map(({ name }) => name),
    latents: (name) => new Array(models.find((candidate) => candidate.name === name).latents).fill(0),
    show(name, z, label = 0) {
      use(models.findIndex((candidate) => candidate.name === name));
      if (model.classes.length) choose(label);
      go(Float32Array.from(z));
    },
    millisecondsPerPicture(count) {
      const began = performance.now();
      for (let i = 0; i < count; i++) put(screen, decoder.image(fresh(), state.label));
      return (performance.now() - began) / count;
    },
  };
});
