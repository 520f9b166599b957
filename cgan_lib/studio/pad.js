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
  let stroke = null; // { pointer, place } while the button is down or the finger on the glass

  function show() {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    model.get("pixels").forEach((grey, i) => {
      pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      pen.fillRect((i % SIDE) * SCALE, Math.floor(i / SIDE) * SCALE, SCALE, SCALE);
    });
  }

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  }

  function drawTo(here) {
    Object.assign(pen, { strokeStyle: "white", lineWidth: 2.6 * SCALE, lineCap: "round" });
    pen.beginPath();
    pen.moveTo(...stroke.place);
    pen.lineTo(...here); // a line to where it is already is a dot
    pen.stroke();
    stroke.place = here;
  }

  function send() {
    reader.drawImage(canvas, 0, 0, SIDE, SIDE);
    const colours = reader.getImageData(0, 0, SIDE, SIDE).data; // red, green, blue, opacity of each pixel
    model.set("pixels", Array.from({ length: SIDE * SIDE }, (_, i) => colours[4 * i]));
    model.save_changes();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (stroke) return; // a second finger
    canvas.setPointerCapture(event.pointerId);
    stroke = { pointer: event.pointerId, place: place(event) };
    drawTo(stroke.place);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (stroke?.pointer === event.pointerId) drawTo(place(event));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (stroke?.pointer !== event.pointerId) return;
      stroke = null;
      send();
    });
  }
  model.on("change:pixels", () => {
    if (model.get("pixels").length === 0) show(); // cleared; after a stroke, what was drawn is finer than its pixels
  });
  show(); // what was drawn before, when the notebook is shown a second time
  el.appendChild(canvas);
}

export default { render };
