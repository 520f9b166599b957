// A square to draw a digit in with mouse, pen or finger; `pixels` is what was drawn, 28×28 numbers 0…255, row by row.
const SIDE = 28;
const SCALE = 8;

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE * SCALE;
  canvas.className = "digit-pad";
  canvas.setAttribute("aria-label", "Draw a digit here");
  Object.assign(canvas.style, { touchAction: "none", cursor: "crosshair", borderRadius: "6px", background: "black" });
  const pen = canvas.getContext("2d");
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  const reader = small.getContext("2d", { willReadFrequently: true });
  reader.imageSmoothingQuality = "high";
  let last = null;

  function clear() {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  }

  function send() {
    reader.drawImage(canvas, 0, 0, SIDE, SIDE);
    const colours = reader.getImageData(0, 0, SIDE, SIDE).data; // red, green, blue, opacity of each pixel
    model.set("pixels", Array.from({ length: SIDE * SIDE }, (_, i) => colours[4 * i]));
    model.save_changes();
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const here = place(event);
    Object.assign(pen, { strokeStyle: "white", lineWidth: 2.6 * SCALE, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...here);
    pen.stroke();
    last = here;
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => {
      if (last) send();
      last = null;
    });
  }
  model.on("change:pixels", () => {
    if (model.get("pixels").length === 0) clear();
  });
  clear();
  el.appendChild(canvas);
}

export default { render };
