// Gamepads: the stick and the cross are the arrow keys, the buttons the world's other keys, or all of it numbers.

import { hold, press, release } from "./hands.js";
import { state } from "./state.js";

const DEAD_ZONE = 0.15, PRESSED = 0.5; // of the way from rest
const STICKS = { "left x": 0, "left y": 1, "right x": 2, "right y": 3 }; // axes of the standard layout
const TRIGGERS = { "left trigger": 6, "right trigger": 7 }; // its buttons
const CROSS = { up: 12, down: 13, left: 14, right: 15 };
let down = new Set(), polling = false;

export function watchPads() {
  addEventListener("gamepadconnected", () => {
    if (!polling) poll();
  });
  addEventListener("gamepaddisconnected", update);
}

function poll() {
  polling = update();
  if (polling) requestAnimationFrame(poll);
}

// See what is pressed now; whether there is a pad at all.
function update() {
  const pads = navigator.getGamepads().filter((pad) => pad?.connected);
  if (!state.world) return pads.length > 0;
  const numeric = state.world.pad.axes.length > 0, now = new Map();
  for (const pad of pads) collect(pad, numeric, now);
  for (const name of down) if (!now.has(name)) release(name);
  for (const [name, text] of now) if (!down.has(name)) press(name, { do: "act", text });
  down = new Set(now.keys());
  if (numeric) moveSticks(pads);
  return pads.length > 0;
}

// The texts that a pad's cross, buttons and, in worlds of texts, its stick stand for.
function collect(pad, numeric, now) {
  const { keys, pad: { buttons } } = state.world;
  const isDown = (number) => pad.buttons[number]?.pressed ?? false;
  const [x, y] = numeric ? [0, 0] : pad.axes;
  const stick = { left: x <= -PRESSED, right: x >= PRESSED, up: y <= -PRESSED, down: y >= PRESSED };
  for (const [arrow, number] of Object.entries(CROSS)) {
    if (Object.hasOwn(keys, arrow) && (stick[arrow] || isDown(number))) now.set(`pad ${arrow}`, keys[arrow]);
  }
  buttons.slice(0, CROSS.up).forEach((text, number) => {
    const isTrigger = numeric && Object.values(TRIGGERS).includes(number);
    if (!isTrigger && isDown(number)) now.set(`pad ${number}`, text);
  });
}

// The numbers that sticks and triggers stand for, held while any is away from its rest.
function moveSticks(pads) {
  const { low, high, pad: { axes } } = state.world;
  const ways = axes.map((axis) => furthest(pads.map((pad) => deflection(pad, axis))));
  if (ways.every((way) => way === 0)) return release("sticks");
  const numbers = axes.map((axis, index) => {
    const least = low[index], most = high[index];
    return axis in TRIGGERS ? least + (most - least) * ways[index] : least + (most - least) * (ways[index] + 1) / 2;
  });
  hold("sticks", { do: "act", numbers });
}

// How far an axis is from its rest: a stick from -1 to 1, a trigger from 0 to 1.
function deflection(pad, axis) {
  const way = axis in TRIGGERS ? pad.buttons[TRIGGERS[axis]]?.value ?? 0 : pad.axes[STICKS[axis]] ?? 0;
  return Math.abs(way) < DEAD_ZONE ? 0 : Math.min(Math.max(way, -1), 1);
}

const furthest = (ways) => ways.reduce((best, way) => (Math.abs(way) > Math.abs(best) ? way : best), 0);
