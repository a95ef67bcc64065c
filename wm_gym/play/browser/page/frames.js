// The frames of a scene, every pixel a square, one after the other at the world's pace.

import { find, state } from "./state.js";

const GAP = 8; // pixels between two frames
const SHARE = 0.55; // of the page's height, at most, so that all buttons are seen
let timer = 0;

// Read a scene: the length of its JSON in four bytes, the JSON, the pixels of each panel, RGB.
export function read(data) {
  const size = new DataView(data).getUint32(0, true);
  const scene = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
  let offset = 4 + size;
  for (const panel of scene.panels) {
    const length = panel.shape.reduce((a, b) => a * b);
    panel.pixels = new Uint8Array(data, offset, length);
    offset += length;
  }
  return scene;
}

export function show(frame = 0) {
  clearTimeout(timer);
  const { scene, world } = state;
  scene.panels.forEach((panel, index) => {
    const canvas = find("stage").children[index].firstElementChild;
    canvas.getContext("2d").putImageData(image(panel, Math.min(frame, panel.shape[0] - 1)), 0, 0);
  });
  const more = scene.panels.some((panel) => frame + 1 < panel.shape[0]);
  if (more) timer = setTimeout(() => show(frame + 1), 1000 / world.fps);
}

function image(panel, frame) {
  const [, height, width] = panel.shape;
  const picture = new ImageData(width, height);
  for (let from = frame * height * width * 3, to = 0; to < picture.data.length; from += 3, to += 4) {
    picture.data[to] = panel.pixels[from];
    picture.data[to + 1] = panel.pixels[from + 1];
    picture.data[to + 2] = panel.pixels[from + 2];
    picture.data[to + 3] = 255;
  }
  return picture;
}

// Give each panel its place, as large as there is room.
export function layOut() {
  const stage = find("stage"), { panels } = state.scene;
  while (stage.children.length > panels.length) stage.lastElementChild.remove();
  while (stage.children.length < panels.length) {
    const figure = document.createElement("figure");
    figure.append(document.createElement("canvas"), document.createElement("figcaption"));
    stage.append(figure);
  }
  let total = -GAP;
  panels.forEach((panel, index) => {
    const [, height, width] = panel.shape, [canvas, caption] = stage.children[index].children;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const room = Math.min((document.body.clientWidth - 2 * GAP) / panels.length / width, innerHeight * SHARE / height);
    const scale = room >= 1 ? Math.floor(room) : room;
    canvas.style.width = canvas.parentElement.style.width = `${scale * width}px`;
    canvas.style.height = `${scale * height}px`;
    total += scale * width + GAP;
    caption.textContent = `${panel.name}   reward\u00a0${spell(panel.reward)}   return\u00a0${spell(panel.total)}   ${panel.ended}`;
    caption.className = panel.reward > 0 ? "good" : panel.ended ? "ended" : "";
  });
  const { x, width } = stage.getBoundingClientRect();
  stage.style.paddingLeft = `${Math.max(0, Math.floor(x + (width - total) / 2) - x)}px`; // on whole pixels of the screen
}

const spell = (value) => (value === null ? "?" : String(Number(value.toPrecision(4))));
