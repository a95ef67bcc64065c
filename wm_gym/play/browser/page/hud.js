// The numbers below the frames: what was said, who moves, how fast, how sure the model is.

import { find, state } from "./state.js";

const PACE_SECONDS = 2; // over which steps are counted
let stepTimes = [], keyToFrame = 0;

export function countStep() {
  stepTimes.push(performance.now());
}

// A request was answered on the screen, so many ms after its key went down.
export function timeKey(milliseconds) {
  keyToFrame = milliseconds;
}

export function write() {
  const { scene, world } = state;
  if (!scene) return;
  const now = performance.now();
  stepTimes = stepTimes.filter((time) => time > now - 1000 * PACE_SECONDS);
  find("action").textContent = scene.action;
  find("step").textContent = `step ${scene.step}${scene.undone ? ` (${scene.undone} undone)` : ""}`;
  find("mode").textContent = `${world.world}   ${mode()}   seed ${scene.seed}`;
  find("pace").textContent = `${(stepTimes.length / PACE_SECONDS).toFixed(1)}\u00a0steps/s   key\u00a0to\u00a0frame\u00a0${keyToFrame.toFixed(0)}\u00a0ms`;
  const stages = Object.entries(scene.latencies).map(([stage, value]) => `${stage} ${spell(value)}`);
  find("stages").textContent = stages.length ? `${stages.join("   ")} ms` : "";
  find("sure").classList.toggle("hidden", scene.uncertainty === null);
  if (scene.uncertainty !== null) {
    find("bar").firstElementChild.style.width = `${100 * Math.min(1, Math.max(0, scene.uncertainty)) ** 0.5}%`;
    find("doubt").textContent = scene.uncertainty.toFixed(2);
  }
  for (const button of find("slots").querySelectorAll("[data-slot]")) {
    button.classList.toggle("kept", scene.bookmarks.includes(Number(button.dataset.slot)));
  }
  mark();
}

// Tell the player something, until the next scene.
export function say(text, failed = false) {
  find("message").textContent = text;
  find("message").className = failed ? "failed" : "";
}

export function mark() {
  for (const [tool, on] of [["pause", !state.paused], ["pilot", state.drives]]) {
    find("tools").querySelector(`[data-tool=${tool}]`).classList.toggle("on", on);
  }
}

function mode() {
  if (state.paused) return "waits for you";
  return state.drives ? `${state.world.pilot} drives` : "time runs";
}

const spell = (value) => (value === null ? "?" : value.toFixed(1));
