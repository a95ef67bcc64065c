// What all parts of the page know.

export const find = (id) => document.getElementById(id);

export const state = {
  socket: null,
  world: null, // what the server says of the world: its keys, its pace
  scene: null, // the latest
  sent: 0, // number of the last request
  heard: 0, // number of the last one that the server had
  idle: true, // whether none waited there
  paused: true, // whether the world waits for its player
  drives: false, // whether the policy plays
  held: new Map(), // what is held down, the latest last: a name for it -> a request
  touched: performance.now(), // when the player last did something
};

export const line = () => find("say").querySelector("input");

export function answered() {
  return state.idle && state.heard >= state.sent;
}

export function touch() {
  state.touched = performance.now();
}
