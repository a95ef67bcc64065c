// The WebSocket: says hello, says requests, and comes back when it is lost.

import { find, state } from "./state.js";

const SLOWEST_RETRY = 4000; // ms
const OVER = 4000; // close codes from here on end the session
const REPLACED = 4409; // another page has it
let retry = 0;

// `hears` holds what to call: welcome(facts), refused(why), scene(data), lost().
export function connect(hears) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/play`);
  state.socket = socket;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
    say({ do: "hello", token, resume: sessionStorage.getItem("session") ?? "" });
  };
  socket.onmessage = (event) => {
    if (typeof event.data !== "string") return hears.scene(event.data);
    const message = JSON.parse(event.data);
    if (message.welcome) {
      retry = 0;
      notify("");
      hears.welcome(message.welcome);
    } else {
      hears.refused(message.error);
    }
  };
  socket.onclose = (event) => {
    hears.lost();
    if (event.code >= OVER) {
      if (event.code !== REPLACED) sessionStorage.removeItem("session");
      return notify(event.reason || "the session is over", true);
    }
    notify("the connection is lost: trying again, your session waits for a minute");
    setTimeout(() => connect(hears), Math.min(SLOWEST_RETRY, 250 * 2 ** retry++));
  };
}

export const isOpen = () => state.world !== null && state.socket.readyState === WebSocket.OPEN;

// Ask for something; true where there was somebody to ask.
export function ask(request) {
  if (!isOpen()) return false;
  state.sent += 1;
  say({ ...request, number: state.sent });
  return true;
}

export function say(message) {
  state.socket.send(JSON.stringify(message));
}

function notify(text, over = false) {
  const [shown, button] = find("notice").children;
  find("notice").classList.toggle("shown", Boolean(text));
  shown.textContent = text;
  button.classList.toggle("hidden", !over);
}
