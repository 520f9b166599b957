// Runs a network beside the page: it is told which, and then answers each (z, classWeights) with an image, in order.
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
