const $ = id => document.getElementById(id);
const stage = $("stage"), sheet = $("sheet");
const pictures = {
  preview: $("preview-picture"), picture: $("picture"), without: $("without-picture"), error: $("error-picture"),
};
const STEPS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16];  // sizes, in pixels of the screen for each of the picture
const on = { preview: false, without: false, patches: false, error: false };  // what the buttons have switched on
let names = [];
let number = 0;      // of the file that is shown
let file = null;     // what the server says about it; null until it has answered
let states = {};     // of decoding, by number
let zoom = null;     // one of STEPS; null fits the picture into the window
let again = null;    // number and revision of a decoded picture for which the facts were asked for again
let asked = new AbortController();

// ---- one file ----

async function show(index) {
  if (index < 0 || index >= names.length) return;
  asked.abort();
  asked = new AbortController();
  number = index;
  file = null;
  history.replaceState(null, "", `#${number + 1}`);
  $("files").value = number;
  $("previous").disabled = number === 0;
  $("next").disabled = number === names.length - 1;
  for (const image of Object.values(pictures)) clear(image);
  $("outlines").replaceChildren();
  $("about").replaceChildren();
  $("name").textContent = names[number];
  document.title = names[number];
  draw();
  try {
    const answer = await fetch(`${number}`, { signal: asked.signal });
    file = await answer.json();
  } catch (error) {
    if (error.name !== "AbortError") $("lost").hidden = false;
    return;
  }
  if (!file.problem) {
    describe($("about"), file);
    outline();
    if (file.preview) load(pictures.preview, "preview.png", file.preview);
    if (file.error_map) load(pictures.error, "error-map.png", file.error_map);
  }
  draw();
}

function clear(image) {
  image.removeAttribute("src");
  image.alt = "";
  delete image.dataset.state;
}

/* Load a picture of this file. It is shown when all of it is there, so that nothing flickers. */
async function load(image, name, box) {
  if (image.dataset.state) return;
  image.dataset.state = "loading";
  place(image, box);
  image.src = `${number}/${name}?${file.revision}`;
  const source = image.src;
  let state = "there";
  try { await image.decode(); } catch { state = "missing"; }
  if (image.src !== source) return;  // another file is shown by now
  image.dataset.state = state;
  draw();
}

/* Lay an element over a part of the picture: left, top, width and height in its pixels. */
function place(element, [left, top, width, height]) {
  element.style.left = `${100 * left / file.width}%`;
  element.style.top = `${100 * top / file.height}%`;
  element.style.width = `${100 * width / file.width}%`;
  element.style.height = `${100 * height / file.height}%`;
}

function outline() {
  const svg = $("outlines");
  svg.setAttribute("viewBox", `0 0 ${file.width} ${file.height}`);
  for (const [x, y, width, height] of file.patches) {
    const group = document.createElementNS(svg.namespaceURI, "g");
    for (let line = 0; line < 2; line++) {  // a dark line below a light one is seen on every picture
      const rectangle = document.createElementNS(svg.namespaceURI, "rect");
      for (const [key, value] of Object.entries({ x, y, width, height })) rectangle.setAttribute(key, value);
      group.append(rectangle);
    }
    svg.append(group);
  }
}

// ---- what is seen of it ----

const there = name => pictures[name].dataset.state === "there";

function draw() {
  const state = states[number] ?? { state: "waiting" };
  const known = file && !file.problem;
  if (known && state.revision && state.revision !== file.revision && again !== `${number} ${state.revision}`) {
    again = `${number} ${state.revision}`;  // once: the state may be an old one
    show(number);  // the file has changed since
    return;
  }
  if (known && state.revision === file.revision) {
    const whole = [0, 0, file.width, file.height];
    load(pictures.picture, "picture.png", whole);
    if (state.pictures.includes("without-patches.png")) load(pictures.without, "without-patches.png", whole);
  }
  const usable = {
    preview: there("preview") && there("picture"), without: there("without"),
    patches: known && file.patches.length > 0, error: there("error"),
  };
  for (const [name, can] of Object.entries(usable)) {
    $(name).disabled = !can;
    $(name).setAttribute("aria-pressed", can && on[name]);
  }
  const seen = !there("picture") || on.preview ? "preview" : on.without && usable.without ? "without" : "picture";
  for (const name of ["preview", "picture", "without"]) pictures[name].hidden = name !== seen || !there(name);
  pictures.error.hidden = !(on.error && usable.error);
  $("outlines").toggleAttribute("hidden", !(on.patches && usable.patches));
  sheet.classList.toggle("mapped", !pictures.error.hidden);
  sheet.classList.toggle("alpha", Boolean(known && file.alpha));
  if (known) describePictures(seen);
  const problem = file?.problem ?? (state.state === "failed" ? state.problem : broken(state));
  $("problem").hidden = !problem;
  if ($("problem").textContent !== (problem ?? "")) $("problem").textContent = problem ?? "";
  $("state").textContent = words(state, seen, problem);
  const decoding = known && ["waiting", "decoding"].includes(state.state);
  $("progress").hidden = !decoding;
  if (state.total) Object.assign($("progress"), { max: state.total, value: state.done });
  else $("progress").removeAttribute("value");
  resize();
}

function broken(state) {
  if (state.revision !== file?.revision || pictures.picture.dataset.state !== "missing") return null;
  return "This browser could not show the decoded picture; it may be too large. sdz-convert writes it to a file.";
}

function describePictures(seen) {
  const title = (file.text.Description || file.text.Title || file.text.Comment || file.name).slice(0, 200);
  const kinds = { preview: "preview", picture: "picture", without: "picture without patches" };
  pictures[seen].alt = `${title} (${kinds[seen]})`;
  pictures.error.alt = "Error map: where the picture differs from the original";
}

function words(state, seen, problem) {
  if (!file) return "";
  if (file.problem) return "This file cannot be shown.";
  const shown = there(seen);
  if (shown && seen === "without") return "Without patches: what the model alone makes of it.";
  if (state.revision && there("picture")) {
    if (seen === "preview") return "Preview.";
    return [`Decoded in ${state.seconds.toFixed(1)} s.`, ...state.notes].join(" ");
  }
  const first = shown ? "Preview. " : file.preview ? "" : "No preview. ";
  if (problem) return first + "The picture could not be decoded.";
  if (state.state === "off") return first + "Decoding is off (--no-decode).";
  if (state.revision) return first + "Loading the picture …";
  return first + (state.total ? `Decoding: ${state.done} of ${state.total} parts.` : "Decoding …");
}

// ---- size ----

const density = () => window.devicePixelRatio || 1;

function scale() {
  if (zoom !== null) return zoom;
  const room = Math.min(stage.clientWidth / file.width, stage.clientHeight / file.height) * density();
  return Math.min(density(), room);
}

function resize() {
  if (!file || file.problem) {
    sheet.style.width = sheet.style.height = "0";
    $("scale").textContent = "";
    return;
  }
  stage.classList.toggle("fits", zoom === null);
  const now = scale();
  sheet.style.width = `${Math.max(1, file.width * now / density())}px`;
  sheet.style.height = `${Math.max(1, file.height * now / density())}px`;
  sheet.classList.toggle("pixels", now >= 2);
  stage.classList.toggle("larger", moves());
  $("scale").textContent = `${file.width} × ${file.height} · ${Number((100 * now).toPrecision(3))} %`;
  $("fit").setAttribute("aria-pressed", zoom === null);
  $("one").setAttribute("aria-pressed", zoom === 1);
  $("in").disabled = now >= STEPS.at(-1);
  $("out").disabled = now <= STEPS[0];
}

const moves = () => stage.scrollWidth > stage.clientWidth || stage.scrollHeight > stage.clientHeight;

/* Change the size; what is at x, y (in the window) stays there. */
function resizeTo(size, x, y) {
  if (!file || file.problem) return;
  const view = stage.getBoundingClientRect();
  x ??= view.left + view.width / 2;
  y ??= view.top + view.height / 2;
  const before = sheet.getBoundingClientRect();
  const across = (x - before.left) / before.width, down = (y - before.top) / before.height;
  zoom = size;
  resize();
  const after = sheet.getBoundingClientRect();
  stage.scrollBy(after.left + across * after.width - x, after.top + down * after.height - y);
}

const larger = (x, y) => resizeTo(STEPS.find(step => step > scale() * 1.001) ?? STEPS.at(-1), x, y);
const smaller = (x, y) => resizeTo(STEPS.findLast(step => step < scale() / 1.001) ?? STEPS[0], x, y);

// ---- what people do ----

function toggle(name) {
  if ($(name).disabled) return;
  on[name] = !on[name];
  if (name === "without" && on.without) on.preview = false;
  if (name === "preview" && on.preview) on.without = false;
  draw();
}

const actions = {
  previous: () => show(number - 1), next: () => show(number + 1),
  ...Object.fromEntries(Object.keys(on).map(name => [name, () => toggle(name)])),
  fit: () => resizeTo(null), one: () => resizeTo(1), in: () => larger(), out: () => smaller(),
  help: () => $("keys").showModal(),
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
$("files").addEventListener("change", event => show(Number(event.target.value)));

const keys = {
  n: "next", b: "previous", v: "preview", w: "without", p: "patches", e: "error", f: "fit", 0: "fit", 1: "one",
  "+": "in", "=": "in", "-": "out", "?": "help",
};
const directions = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open || event.target.tagName === "SELECT") return;
  const direction = directions[event.key], moving = zoom !== null && moves();
  if (direction && moving) stage.scrollBy(80 * direction[0], 80 * direction[1]);
  else if (direction?.[0]) show(number + direction[0]);
  else if (!direction && keys[event.key.toLowerCase()]) actions[keys[event.key.toLowerCase()]]();
  else return;
  event.preventDefault();
});

stage.addEventListener("dblclick", event => resizeTo(zoom === null ? 1 : null, event.clientX, event.clientY));
stage.addEventListener("wheel", event => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  (event.deltaY < 0 ? larger : smaller)(event.clientX, event.clientY);
}, { passive: false });
stage.addEventListener("pointerdown", event => {
  if (event.pointerType !== "mouse" || event.button !== 0 || !moves()) return;
  const start = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
  const move = now => stage.scrollTo(start.x - now.clientX, start.y - now.clientY);
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragged");
  stage.addEventListener("pointermove", move);
  stage.addEventListener("lostpointercapture", () => {
    stage.classList.remove("dragged");
    stage.removeEventListener("pointermove", move);
  }, { once: true });
});
new ResizeObserver(resize).observe(stage);
document.addEventListener("visibilitychange", () => {  // another page may have had other files decoded
  if (!document.hidden && file && states[number]?.state !== "ready") show(number);
});

// ---- start ----

function listen() {
  const events = new EventSource("events");
  events.addEventListener("open", () => { $("lost").hidden = true; });
  events.addEventListener("error", () => { $("lost").hidden = false; });
  events.addEventListener("message", event => {
    states = JSON.parse(event.data);
    draw();
  });
}

async function start() {
  names = (await (await fetch("files")).json()).files;
  const short = names.map(each => each.split(/[\\/]/).pop());
  const labels = new Set(short).size === short.length ? short : names;
  $("files").append(...labels.map((label, index) =>
    make("option", { value: index }, names.length > 1 ? `${index + 1}/${names.length}  ${label}` : label)));
  const wanted = Number(location.hash.slice(1)) - 1;
  listen();
  show(names[wanted] === undefined ? 0 : wanted);
}
start();
