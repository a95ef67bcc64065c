// What a player can do beside the world's own keys, and the buttons for all of it.

import { hold, plan, press, release } from "./hands.js";
import { say, write } from "./hud.js";
import { choosePicture } from "./picture.js";
import { find, line, state, touch } from "./state.js";

const ALL = 2 ** 31; // steps: back to the start

// By name: label, keys in the help's words, meaning, and what happens.
const TOOLS = {
  undo: ["Undo", "Backspace, F3", "undo a step; hold it to go far", { do: "undo" }],
  redo: ["Redo", "Shift+Backspace", "redo", { do: "redo" }],
  line: ["Text", "Enter, /, F4", "say any text to the world", () => line().focus()],
  pause: ["Time", "Pause, F10", "let time run, or stop it", switchTime],
  once: ["Step", "F6, .", "one step of doing nothing", { do: "act", text: "" }],
  reset: ["Reset", "F7", "reset with the next seed", { do: "reset" }],
  start: ["To start", "Shift+F7", "back to the start", { do: "undo", count: ALL }],
  pilot: ["Policy", "F8", "policy on or off", switchPilot],
  view: ["View", "F9, Tab", "dream, beside the real twin, or the twin alone", { do: "view" }],
  picture: ["Picture", "", "begin at a picture of your own (or drop one)", choosePicture],
  hud: ["Numbers", "F2", "hide or show the numbers", () => find("hud").classList.toggle("hidden")],
  help: ["Help", "F1", "this help", switchHelp],
  leave: ["Leave", "", "save and end the session", { do: "leave" }],
};
const SLOTS = [["Shift+1 ... 9", "bookmark this moment (or Keep, then a number)"], ["1 ... 9", "branch from a bookmark"]];

// Use a tool; `name` is that of the key or button, which may be held.
export function use(tool, name) {
  if (!state.world) return;
  touch();
  const [, , , what] = TOOLS[tool];
  if (typeof what !== "function") return press(name, what);
  what();
  write();
}

function switchTime() {
  state.paused = !state.paused;
  plan();
}

function switchPilot() {
  const { world } = state;
  if (!world.pilot) return say("there is no policy: play with --policy", true);
  state.drives = !state.drives;
  state.paused = !(state.drives || world.runs);
  plan();
}

function switchHelp() {
  const dialog = find("help");
  dialog.open ? dialog.close() : dialog.showModal();
}

function makeButton(label, name, start) {
  const button = Object.assign(document.createElement("button"), { type: "button", tabIndex: -1, textContent: label });
  button.onpointerdown = (event) => {
    event.preventDefault();
    if (event.button === 0) start();
  };
  for (const kind of ["pointerup", "pointerleave", "pointercancel"]) button.addEventListener(kind, () => release(name));
  button.oncontextmenu = (event) => event.preventDefault();
  return button;
}

export function makeTools() {
  for (const [tool, [label]] of Object.entries(TOOLS)) {
    const button = makeButton(label, `touch ${tool}`, () => use(tool, `touch ${tool}`));
    button.dataset.tool = tool;
    find("tools").append(button);
  }
  const keep = makeButton("Keep", "keep", () => keep.classList.toggle("on"));
  find("slots").append(keep);
  for (let slot = 1; slot <= 9; slot++) {
    const button = makeButton(String(slot), `slot ${slot}`, () => {
      const keeps = keep.classList.contains("on");
      keep.classList.remove("on");
      press(`slot ${slot}`, { do: keeps ? "bookmark" : "branch", slot });
    });
    button.dataset.slot = slot;
    find("slots").append(button);
  }
}

// A button for each text of the world's keys; the arrows lie as on a keyboard.
export function makeKeys() {
  const arrows = [], others = [], shown = new Set();
  for (const [key, text] of Object.entries(state.world.keys)) {
    if (shown.has(text)) continue;
    shown.add(text);
    const button = makeButton(text, `touch ${text}`, () => press(`touch ${text}`, { do: "act", text }));
    const isArrow = ["left", "right", "up", "down"].includes(key);
    if (isArrow) button.style.gridArea = key;
    (isArrow ? arrows : others).push(button);
  }
  find("arrows").replaceChildren(...arrows);
  find("arrows").style.display = arrows.length ? "grid" : "";
  find("keys").replaceChildren(...others);
}

// A slider for each number of a numeric action: it acts while it is dragged, the button while it is held.
export function makeSliders() {
  const { low, high } = state.world;
  const inputs = low.map((least, index) => {
    const value = Math.max(least, 0), step = (high[index] - least) / 200;
    return Object.assign(document.createElement("input"), { type: "range", min: least, max: high[index], step, value });
  });
  const action = () => ({ do: "act", numbers: inputs.map((input) => Number(input.value)) });
  const rows = inputs.flatMap((input, index) => {
    const output = Object.assign(document.createElement("output"), { textContent: Number(input.value).toFixed(2) });
    input.setAttribute("aria-label", `number ${index + 1}`);
    input.oninput = () => {
      output.textContent = Number(input.value).toFixed(2);
      hold("sliders", action());
    };
    input.onpointerdown = () => hold("sliders", action());
    for (const kind of ["pointerup", "pointercancel", "change"]) {
      input.addEventListener(kind, () => {
        release("sliders");
        input.blur();
      });
    }
    return [Object.assign(document.createElement("span"), { textContent: `number ${index + 1}` }), input, output];
  });
  find("sliders").replaceChildren(...rows, makeButton("Do", "do", () => press("do", action())));
  find("sliders").classList.toggle("shown", inputs.length > 0);
}

export function makeHelp() {
  const mine = Object.values(TOOLS).map(([label, keys, meaning]) => [keys || label, meaning]);
  const rows = [...Object.entries(state.world.keys), ["", ""], ...mine, ...SLOTS].map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  });
  find("help").querySelector("table").replaceChildren(...rows);
}
