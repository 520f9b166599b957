// Runs a network beside the page: first it is told which, then it answers each (z, classWeights) with an image, in order.
import { network } from "./network.js";

let draw;

self.addEventListener("message", ({ data }) => {
  if (data.network) {
    draw = network(data.network, data.buffer);
    return;
  }
  const image = draw(data.z, data.classWeights);
  self.postMessage(image, [image.buffer]);
});
