"use strict";
// Draws what `vdpm.viewer.write` packed. Units and frames are those of the world of the scene.

const ABSENT = 65535;
const FAR = "gl_Position = vec4(2.0, 2.0, 2.0, 1.0); gl_PointSize = 0.0;"; // outside of what is drawn

const CLOUD_VERTEX = `
attribute vec3 colour; attribute float confidence; attribute float present;
uniform float size; uniform float least; uniform float height;
varying vec3 tint;
void main() {
  tint = colour;
  vec4 place = modelViewMatrix * vec4(position, 1.0);
  gl_Position = projectionMatrix * place;
  gl_PointSize = clamp(size * height * projectionMatrix[1][1] / -place.z, 1.5, 40.0);
  if (present < 0.5 || confidence < least) { ${FAR} }
}`;
const CLOUD_FRAGMENT = `
varying vec3 tint;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (dot(off, off) > 0.25) discard;
  gl_FragColor = vec4(tint, 1.0);
}`;
const LINE_VERTEX = `
attribute vec3 colour; attribute float time;
varying vec3 tint; varying float when;
void main() {
  tint = colour; when = time;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;
const TRACK_FRAGMENT = `
uniform float now; uniform float tail;
varying vec3 tint; varying float when;
void main() {
  float age = now - when;
  if (age < -0.001 || age > tail) discard;
  gl_FragColor = vec4(tint, 1.0 - age / (tail + 1.0));
}`;
const HEAD_VERTEX = `
attribute vec3 colour; attribute float time; attribute float present;
uniform float now; uniform float pixels;
varying vec3 tint;
void main() {
  tint = colour;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
  gl_PointSize = pixels;
  if (present < 0.5 || abs(time - now) > 0.5) { ${FAR} }
}`;
const CAMERA_FRAGMENT = `
uniform float now;
varying vec3 tint; varying float when;
void main() { gl_FragColor = vec4(tint, abs(when - now) < 0.5 ? 1.0 : 0.22); }`;

const $ = (id) => document.getElementById(id);
const state = { now: 0, playing: false, dirty: true };
const panels = [];
let data, times, clouds, renderer, camera, controls;

// Data: the inverse of `vdpm.viewer.pack`.

async function unpack(packed) {
  const text = atob(packed.data), raw = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) raw[i] = text.charCodeAt(i);
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const [T, N, C] = packed.shape, plane = T * N * C;
  const values = packed.bytes === 1 ? new Uint8Array(plane) : new Uint16Array(plane);
  const back = packed.along === 0 ? N * C : C; // how far away the neighbour is
  for (let c = 0; c < C; c++) for (let t = 0; t < T; t++) for (let n = 0; n < N; n++) {
    const from = (c * T + t) * N + n, to = (t * N + n) * C + c;
    const difference = bytes[from] + (packed.bytes === 2 ? 256 * bytes[plane + from] : 0);
    const first = packed.along === 0 ? t === 0 : n === 0;
    values[to] = difference + (first ? 0 : values[to - back]); // typed arrays wrap as the differences did
  }
  return { T, N, C, values };
}

function positions(packed) {
  const { T, N, values } = packed, place = new Float32Array(values.length), present = new Float32Array(T * N);
  for (let i = 0; i < T * N; i++) {
    present[i] = values[3 * i] === ABSENT ? 0 : 1;
    for (let a = 0; a < 3; a++) place[3 * i + a] = present[i] ? data.low[a] + data.step[a] * values[3 * i + a] : 0;
  }
  return { T, N, place, present };
}

// Objects of one cloud.

function shader(vertex, fragment, uniforms, transparent = false) {
  return new THREE.ShaderMaterial({
    vertexShader: vertex, fragmentShader: fragment, uniforms, transparent, depthWrite: !transparent,
  });
}

function geometry(attributes) {
  const made = new THREE.BufferGeometry();
  for (const [name, [values, width, normalised]] of Object.entries(attributes)) {
    made.setAttribute(name, new THREE.BufferAttribute(values, width, Boolean(normalised)));
  }
  return made;
}

function add(scene, object) {
  object.frustumCulled = false;
  scene.add(object);
  return object;
}

async function makeClouds(packed, scene, shared) {
  const { T, N, place, present } = positions(await unpack(packed.points));
  const colours = await unpack(packed.colours);
  const sure = packed.confidence ? (await unpack(packed.confidence)).values : new Uint8Array(T * N).fill(255);
  const depth = data.view.size;
  const uniforms = { ...shared, size: { value: 0.55 * depth / Math.sqrt(Math.max(N, 1)) } };
  const material = shader(CLOUD_VERTEX, CLOUD_FRAGMENT, uniforms);
  const objects = [];
  for (let t = 0; t < T; t++) {
    const ct = colours.T === 1 ? 0 : t;
    objects.push(add(scene, new THREE.Points(geometry({
      position: [place.subarray(3 * t * N, 3 * (t + 1) * N), 3],
      present: [present.subarray(t * N, (t + 1) * N), 1],
      confidence: [sure.subarray(t * N, (t + 1) * N), 1, true],
      colour: [colours.values.subarray(3 * ct * N, 3 * (ct + 1) * N), 3, true],
    }), material)));
  }
  return { objects, uniforms, size: uniforms.size.value };
}

async function makeTracks(packed, scene, shared) {
  if (!packed.tracks) return [];
  const { T, N, place, present } = positions(await unpack(packed.tracks));
  const tint = (await unpack(packed.trackColours)).values;
  const colour = new Uint8Array(3 * T * N), when = new Float32Array(T * N), pairs = [];
  for (let t = 0; t < T; t++) {
    colour.set(tint, 3 * t * N);
    when.fill(t, t * N, (t + 1) * N);
    for (let n = 0; n < N && t + 1 < T; n++) {
      if (present[t * N + n] && present[(t + 1) * N + n]) pairs.push(t * N + n, (t + 1) * N + n);
    }
  }
  const made = geometry({ position: [place, 3], present: [present, 1], colour: [colour, 3, true], time: [when, 1] });
  const lines = made.clone();
  lines.setIndex(new THREE.BufferAttribute(new Uint32Array(pairs), 1));
  return [
    add(scene, new THREE.LineSegments(lines, shader(LINE_VERTEX, TRACK_FRAGMENT, shared, true))),
    add(scene, new THREE.Points(made, shader(HEAD_VERTEX, CLOUD_FRAGMENT, shared))),
  ];
}

function makeCameras(packed, scene, shared) {
  if (!packed.poses) return [];
  const place = [], when = [], colour = [], size = 0.07 * data.view.size;
  const add2 = (t, a, b) => { place.push(...a, ...b); when.push(t, t); colour.push(230, 110, 30, 230, 110, 30); };
  const at = (pose, x, y, z) => [0, 4, 8].map((r) => pose[r] * x + pose[r + 1] * y + pose[r + 2] * z + pose[r + 3]);
  packed.poses.forEach((pose, t) => {
    const eye = at(pose, 0, 0, 0);
    const corner = packed.corners[t].map(([x, y, z]) => at(pose, size * x, size * y, size * z));
    for (let c = 0; c < 4; c++) { add2(t, eye, corner[c]); add2(t, corner[c], corner[(c + 1) % 4]); }
    if (t > 0) add2(-1, at(packed.poses[t - 1], 0, 0, 0), eye);
  });
  const made = geometry({
    position: [new Float32Array(place), 3], time: [new Float32Array(when), 1], colour: [new Uint8Array(colour), 3, true],
  });
  return [add(scene, new THREE.LineSegments(made, shader(LINE_VERTEX, CAMERA_FRAGMENT, shared, true)))];
}

async function makeCloud(packed, number) {
  const scene = new THREE.Scene();
  const shared = {
    now: { value: 0 }, tail: { value: 8 }, least: { value: 0 }, height: { value: 1 }, pixels: { value: 5 },
  };
  const cloud = await makeClouds(packed, scene, shared);
  const tracks = await makeTracks(packed, scene, shared), cameras = makeCameras(packed, scene, shared);
  const label = document.createElement("span");
  label.textContent = packed.name;
  $("names").append(label);
  return { packed, scene, shared, ...cloud, tracks, cameras, label, number };
}

function makePanels() {
  for (const panel of data.panels) {
    const figure = document.createElement("figure"), image = document.createElement("img");
    const caption = document.createElement("figcaption");
    caption.textContent = image.alt = panel.name;
    figure.append(image, caption);
    $("pictures").append(figure);
    panels.push(image);
  }
  $("panels").hidden = !panels.length;
  $("panels").open = innerWidth > 600;
}

// The view.

function home() {
  $("ride").checked = false;
  camera.fov = 50;
  camera.up.set(...data.view.up);
  camera.position.set(...data.view.eye);
  controls.target.set(...data.view.target);
  controls.enabled = true;
  controls.update();
  changed();
}

function turn(right, up) {
  const offset = camera.position.clone().sub(controls.target), axis = camera.up.clone().normalize();
  const side = offset.clone().cross(axis).normalize(), angle = offset.angleTo(axis);
  offset.applyAxisAngle(axis, right);
  if (angle - up > 0.05 && angle - up < Math.PI - 0.05) offset.applyAxisAngle(side.applyAxisAngle(axis, right), up);
  camera.position.copy(controls.target).add(offset);
  controls.update();
}

function zoom(factor) {
  camera.position.sub(controls.target).multiplyScalar(factor).add(controls.target);
  controls.update();
}

function ride(aspect) {
  const from = clouds.find((cloud) => cloud.packed.poses);
  const pose = from.packed.poses[state.now], corners = from.packed.corners[state.now];
  const tall = Math.max(...corners.map((c) => Math.abs(c[1]))), wide = Math.max(...corners.map((c) => Math.abs(c[0])));
  camera.fov = 360 / Math.PI * Math.atan(Math.max(tall, wide / aspect));
  camera.position.set(pose[3], pose[7], pose[11]);
  camera.up.set(-pose[1], -pose[5], -pose[9]);
  camera.lookAt(pose[3] + pose[2], pose[7] + pose[6], pose[11] + pose[10]);
}

function panes() { // left, top, width, height in CSS pixels
  const W = innerWidth, H = innerHeight;
  if (clouds.length === 1) return [[0, 0, W, H]];
  return W >= H ? [[0, 0, W / 2, H], [W / 2, 0, W / 2, H]] : [[0, 0, W, H / 2], [0, H / 2, W, H / 2]];
}

function draw() {
  const back = new THREE.Color(getComputedStyle(document.body).backgroundColor);
  renderer.setClearColor(back.convertLinearToSRGB());
  panes().forEach(([left, top, width, height], number) => {
    const cloud = clouds[number], bottom = innerHeight - top - height;
    renderer.setViewport(left, bottom, width, height);
    renderer.setScissor(left, bottom, width, height);
    camera.aspect = width / height;
    if ($("ride").checked) ride(camera.aspect);
    camera.updateProjectionMatrix();
    cloud.shared.height.value = height * renderer.getPixelRatio();
    cloud.label.hidden = clouds.length === 1;
    cloud.label.style.left = `${left + width / 2}px`;
    cloud.label.style.top = `${top + height - (number === clouds.length - 1 || innerWidth >= innerHeight ? 64 : 8)}px`;
    renderer.render(cloud.scene, camera);
  });
}

function update() {
  const every = $("all").checked, on = $("points").checked;
  for (const cloud of clouds) {
    cloud.objects.forEach((object, t) => { object.visible = on && (every || t === state.now); });
    cloud.tracks.forEach((object) => { object.visible = $("tracks").checked; });
    cloud.cameras.forEach((object) => { object.visible = $("cameras").checked && !$("ride").checked; });
    cloud.shared.now.value = state.now;
    cloud.shared.tail.value = Number($("tail").value);
    cloud.shared.least.value = Number($("confidence").value) / 100;
    cloud.shared.pixels.value = 4 * renderer.getPixelRatio();
    cloud.uniforms.size.value = cloud.size * 2 ** Number($("size").value);
  }
  $("hidden").textContent = $("confidence").value;
  $("time").value = state.now;
  $("now").textContent = `${state.now + 1} / ${times}`;
  $("play").textContent = state.playing ? "❚❚" : "▶";
  data.panels.forEach((panel, number) => { panels[number].src = `data:image/jpeg;base64,${panel.frames[state.now]}`; });
  if (data.frames.length) $("frame").src = `data:image/jpeg;base64,${data.frames[state.now]}`;
}

function changed() { state.dirty = true; }

function show(time) {
  state.now = (time + times) % times;
  changed();
}

// Controls.

function listen() {
  for (const input of document.querySelectorAll("#panel input")) input.addEventListener("input", changed);
  $("time").addEventListener("input", () => { state.playing = false; show(Number($("time").value)); });
  $("play").addEventListener("click", play);
  $("reset").addEventListener("click", home);
  $("theme").addEventListener("click", theme);
  $("ride").addEventListener("input", () => { if ($("ride").checked) controls.enabled = false; else home(); });
  controls.addEventListener("change", changed);
  addEventListener("resize", resize);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  addEventListener("keydown", key);
}

function play() {
  state.playing = !state.playing && times > 1;
  state.since = performance.now();
  changed();
}

function theme() {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const is = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = is === "dark" ? "light" : "dark";
  changed();
}

function flip(id) {
  if ($(`${id}-label`).hidden) return;
  $(id).click();
}

const KEYS = {
  ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, 0.1), ArrowDown: () => turn(0, -0.1),
  "+": () => zoom(0.9), "=": () => zoom(0.9), "-": () => zoom(1.1),
  ",": () => show(state.now - 1), ".": () => show(state.now + 1), " ": play,
  r: home, Home: home, c: () => flip("ride"), t: theme,
};

function key(event) {
  const typed = event.target instanceof HTMLInputElement || event.target instanceof HTMLButtonElement;
  const action = KEYS[event.key];
  if (!action || event.ctrlKey || event.metaKey || (typed && (event.key === " " || event.key.startsWith("Arrow")))) return;
  event.preventDefault();
  if (controls.enabled || !/^(Arrow|[-+=])/.test(event.key)) action();
  changed();
}

function resize() {
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  renderer.setSize(innerWidth, innerHeight, false);
  changed();
}

function loop(clock) {
  if (state.playing && clock - state.since >= 1000 / data.rate) {
    state.since = clock;
    show(state.now + 1);
  }
  if (state.dirty) {
    state.dirty = false;
    update();
    draw();
  }
  requestAnimationFrame(loop);
}

function hideWhatIsNotThere() {
  $("tracks-label").hidden = $("tail-label").hidden = clouds.every((cloud) => !cloud.tracks.length);
  $("cameras-label").hidden = $("ride-label").hidden = clouds.every((cloud) => !cloud.packed.poses);
  $("confidence-label").hidden = clouds.every((cloud) => !cloud.packed.confidence);
  $("frame").hidden = !data.frames.length;
  $("note").hidden = !$("note").textContent;
  $("time").max = times - 1;
  $("tail").max = Math.max(times - 1, 1);
  $("tail").value = Math.min(8, times - 1);
  $("panel").open = innerWidth > 600 && clouds.length === 1;
}

function asLinked() { // page.html#time=9&ride=1&theme=dark starts like that
  const asked = new URLSearchParams(location.hash.slice(1)), time = Number(asked.get("time") || 1);
  show(Math.min(Math.max(Math.round(time) || 1, 1), times) - 1);
  if (asked.has("ride")) flip("ride");
  if (["light", "dark"].includes(asked.get("theme"))) document.documentElement.dataset.theme = asked.get("theme");
}

async function start() {
  data = JSON.parse($("data").textContent);
  times = data.clouds[0].points.shape[0];
  renderer = new THREE.WebGLRenderer({ canvas: $("canvas"), antialias: true, preserveDrawingBuffer: true });
  renderer.outputColorSpace = THREE.LinearSRGBColorSpace; // colours are sRGB already and are not touched
  renderer.setScissorTest(true);
  camera = new THREE.PerspectiveCamera(50, 1, data.view.size / 200, data.view.size * 200);
  camera.up.set(...data.view.up);
  clouds = await Promise.all(data.clouds.map(makeCloud));
  controls = new THREE.OrbitControls(camera, $("canvas"));
  makePanels();
  hideWhatIsNotThere();
  listen();
  home();
  resize();
  asLinked();
  document.documentElement.dataset.ready = "yes";
  requestAnimationFrame(loop);
}

start().catch((error) => {
  $("failed").hidden = false;
  $("failed").textContent = `This page needs WebGL and a browser of 2023 or later (${error.message}).`;
});
