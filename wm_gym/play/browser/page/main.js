// The page: scenes from the server on the screen, what the player does to the server.

import { connect, say as send } from "./connection.js";
import { layOut, read, show } from "./frames.js";
import { watchPads } from "./gamepad.js";
import { answer, letGo, plan } from "./hands.js";
import { countStep, say, write } from "./hud.js";
import { listen } from "./keyboard.js";
import { takeDrops } from "./picture.js";
import { find, state } from "./state.js";
import { makeHelp, makeKeys, makeSliders, makeTools } from "./tools.js";

const hears = {
  welcome(facts) {
    const first = state.world === null || facts.session !== sessionStorage.getItem("session");
    sessionStorage.setItem("session", facts.session);
    Object.assign(state, { world: facts, sent: 0, heard: 0, idle: true });
    if (first) Object.assign(state, { drives: facts.drives, paused: !(facts.runs || facts.drives) });
    document.title = `wm-gym: ${facts.world}`;
    const texts = facts.actions.map((value) => Object.assign(document.createElement("option"), { value }));
    find("actions").replaceChildren(...texts);
    makeKeys();
    makeSliders();
    makeHelp();
  },

  refused(why) {
    state.heard = state.sent;
    say(why, true);
    plan();
  },

  scene(data) {
    const before = state.scene, scene = read(data);
    const heard = Math.max(state.heard, scene.heard);
    Object.assign(state, { scene, heard, idle: scene.idle });
    if (before && scene.step === before.step + 1) countStep();
    if (scene.failed && state.drives) Object.assign(state, { drives: false, paused: true }); // the reason can be read
    layOut();
    show();
    send({ do: "seen", number: scene.number });
    answer();
    write();
    say(scene.message, scene.failed);
    plan();
  },

  lost: letGo,
};

makeTools();
listen();
watchPads();
takeDrops();
addEventListener("resize", () => state.scene && layOut());
find("notice").querySelector("button").onclick = () => {
  state.world = null;
  connect(hears);
};
setInterval(write, 500); // the pace falls while nothing happens
connect(hears);
