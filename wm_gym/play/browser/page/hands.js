// Hands and the clock: the latest of what is held goes on, and time where it runs, once all was answered.

import { ask } from "./connection.js";
import { mark, say, timeKey, write } from "./hud.js";
import { answered, find, line, state, touch } from "./state.js";

const FIRST_REPEAT = 300; // ms that a key is held before it repeats, where the world waits for its player
const ALONE = 300000; // ms after which time stops for nobody
const REPEATING = ["act", "drive", "undo", "redo"];
let timer = 0, next = 0, pressed = null;

const step = () => 1000 * state.world.stepSeconds;

// Something went down: ask for it now, and again while it is held.
export function press(name, request) {
  if (!state.world) return;
  touch();
  const now = performance.now();
  if (ask(request) && pressed === null) pressed = { number: state.sent, time: now };
  next = now + (idleRequest() ? step() : Math.max(FIRST_REPEAT, step()));
  if (REPEATING.includes(request.do)) state.held.set(name, request);
  plan();
}

// A stick or a slider is away from its rest: that goes on at the world's pace.
export function hold(name, request) {
  if (!state.world) return;
  touch();
  state.held.delete(name);
  state.held.set(name, request);
  plan();
}

export function release(name) {
  state.held.delete(name);
}

export function letGo() {
  state.held.clear();
  clearTimeout(timer);
  pressed = null;
}

// See that what is held, or time, goes on when it is due.
export function plan() {
  clearTimeout(timer);
  if (state.held.size || idleRequest()) timer = setTimeout(push, Math.max(1, next - performance.now()));
}

// A scene is on its way to the screen: was it the answer to what was pressed?
export function answer() {
  if (pressed === null || state.heard < pressed.number || !state.idle) return;
  const { time } = pressed;
  pressed = null;
  requestAnimationFrame(() => {
    timeKey(performance.now() - time);
    write();
  });
}

function push() {
  if (!answered()) return; // the answer plans anew
  const request = [...state.held.values()].at(-1) ?? idleRequest();
  if (!request) return;
  const now = performance.now(), late = now - next;
  next = now + step() - (late < step() ? late : 0); // a beat is kept, none is made up for
  ask(request);
}

// What happens when nobody acts; null where the world waits, something is open above it, or all is over.
function idleRequest() {
  const { scene } = state;
  if (state.paused || !scene || scene.over || document.hidden) return null;
  if (document.activeElement === line() || find("help").open) return null;
  if (performance.now() - state.touched > ALONE) {
    state.paused = true;
    say("time has stopped: nobody was here");
    mark();
    return null;
  }
  return state.drives ? { do: "drive" } : { do: "act", text: "" };
}
