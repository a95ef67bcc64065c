// A picture to start from, cut to the shape of a frame.

import { isOpen } from "./connection.js";
import { say } from "./hud.js";
import { state, touch } from "./state.js";

export function choosePicture() {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/*" });
  input.onchange = () => input.files[0] && startFrom(input.files[0]);
  input.click();
}

export function takeDrops() {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) startFrom(file);
    else say("a picture must be dropped as a file: save it first", true);
  });
}

async function startFrom(file) {
  touch();
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    return say(`the picture cannot be read: ${file.name}`, true);
  }
  if (isOpen()) state.socket.send(cut(image, state.world.width, state.world.height));
}

// The middle of a picture as RGB, as large as it fits.
function cut(image, width, height) {
  const scale = Math.max(width / image.width, height / image.height);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  const left = (width - image.width * scale) / 2, top = (height - image.height * scale) / 2;
  context.drawImage(image, left, top, image.width * scale, image.height * scale);
  return context.getImageData(0, 0, width, height).data.filter((_, index) => index % 4 !== 3);
}
