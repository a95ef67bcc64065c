// Which key asks for what: the world's own keys first, then the player's.

import { letGo, plan, press, release } from "./hands.js";
import { say } from "./hud.js";
import { find, line, state } from "./state.js";
import { use } from "./tools.js";

// Names of keys as key maps have them, by what a key types or, where two type the same, by the key itself.
const TYPED = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", " ": "space", Enter: "return", Tab: "tab",
  Escape: "escape", Backspace: "backspace", Delete: "delete", Insert: "insert", Home: "home", End: "end",
  PageUp: "page up", PageDown: "page down",
};
const CODES = {
  NumpadEnter: "enter", ControlLeft: "left ctrl", ControlRight: "right ctrl", ShiftLeft: "left shift",
  ShiftRight: "right shift", AltLeft: "left alt", AltRight: "right alt",
};
const BINDINGS = {
  "f1": "help", "f2": "hud", "f3": "undo", "backspace": "undo", "shift f3": "redo", "shift backspace": "redo", "f4": "line",
  "return": "line", "/": "line", "pause": "pause", "f10": "pause", "f6": "once", ".": "once", "f7": "reset",
  "shift f7": "start", "f8": "pilot", "f9": "view", "tab": "view",
};

// What a key does, or null.
function useOf(event) {
  const { keys } = state.world, code = CODES[event.code];
  const act = (name) => () => press(event.code, { do: "act", text: keys[name] });
  if (Object.hasOwn(keys, code ?? "")) return act(code);
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const name = TYPED[event.key] ?? event.key.toLowerCase();
  const slot = Number(/^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1]);
  if (slot && event.shiftKey) return () => press(event.code, { do: "bookmark", slot });
  if (Object.hasOwn(keys, name)) return act(name);
  if (slot) return () => press(event.code, { do: "branch", slot });
  const tool = BINDINGS[event.shiftKey && name !== "/" ? `shift ${name}` : name];
  if (tool) return () => use(tool, event.code);
  if (name.length > 1) return null; // a key of the browser's
  return () => say(`the key '${name}' does nothing here: F1 shows those that do`, true);
}

function keyDown(event) {
  if (!state.world) return;
  if (find("help").open) {
    if (event.key === "F1") {
      event.preventDefault();
      find("help").close();
    }
    return;
  }
  if (document.activeElement === line()) {
    if (event.key === "F1") event.preventDefault();
    if (event.key === "Escape") line().blur();
    return;
  }
  const does = useOf(event);
  if (!does) return;
  event.preventDefault();
  if (!event.repeat) does();
}

function sayLine(event) {
  event.preventDefault();
  const text = line().value;
  line().value = "";
  line().blur();
  press("said", { do: "act", text });
  release("said");
}

export function listen() {
  addEventListener("keydown", keyDown);
  addEventListener("keyup", (event) => release(event.code));
  for (const away of ["blur", "visibilitychange"]) {
    (away === "blur" ? window : document).addEventListener(away, () => {
      letGo();
      plan();
    });
  }
  line().addEventListener("focus", letGo);
  line().addEventListener("blur", plan);
  find("help").addEventListener("close", plan);
  find("say").addEventListener("submit", sayLine);
}
