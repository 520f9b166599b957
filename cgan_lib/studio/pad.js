// A square to draw a digit in with mouse, pen or finger; `pixels` is what was drawn, 28×28 numbers 0…255, row by row.
const SIDE = 28;
const SCALE = 8;

function makeCanvas() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE * SCALE;
  canvas.className = "digit-pad";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "A square to draw a digit in, with mouse, pen or finger");
  Object.assign(canvas.style, {
    touchAction: "none", // a finger draws and does not scroll
    cursor: "crosshair",
    borderRadius: "6px",
    background: "black",
    boxShadow: "0 0 0 1px #888", // seen on a dark page too
  });
  return canvas;
}

function makeButton(name, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.className = "jupyter-button widget-button lm-Widget jupyter-widgets";
  button.style.width = "6em";
  button.addEventListener("click", action);
  return button;
}

// Shrinks what a canvas shows to 28×28 grey levels.
function makeReader() {
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  const reader = small.getContext("2d", { willReadFrequently: true });
  reader.imageSmoothingQuality = "high";
  return (canvas) => {
    reader.drawImage(canvas, 0, 0, SIDE, SIDE);
    const colours = reader.getImageData(0, 0, SIDE, SIDE).data; // red, green, blue, opacity of each pixel
    return Array.from({ length: SIDE * SIDE }, (_, i) => colours[4 * i]);
  };
}

function render({ model, el }) {
  const canvas = makeCanvas();
  const pen = canvas.getContext("2d");
  const read = makeReader();
  const undo = makeButton("undo", () => go(before.pop()));
  const clear = makeButton("clear", () => model.get("pixels").length && go(null));
  let before = []; // what was shown before each stroke
  let stroke = null; // { pointer, place } while the button is down or the finger on the glass

  function show(pixels) {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pixels.forEach((grey, i) => {
      pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      pen.fillRect((i % SIDE) * SCALE, Math.floor(i / SIDE) * SCALE, SCALE, SCALE);
    });
  }

  // To what was shown before; to an empty pad when that is null.
  function go(image) {
    if (image) pen.putImageData(image, 0, 0);
    else show([]);
    send(read(canvas));
  }

  function send(pixels) {
    const empty = pixels.every((grey) => grey === 0);
    if (empty) before = [];
    undo.disabled = before.length === 0;
    clear.disabled = empty;
    model.set("pixels", empty ? [] : pixels);
    model.save_changes();
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

  canvas.addEventListener("pointerdown", (event) => {
    if (stroke) return; // a second finger
    canvas.setPointerCapture(event.pointerId);
    before.push(pen.getImageData(0, 0, canvas.width, canvas.height));
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
      send(read(canvas));
    });
  }
  const buttons = document.createElement("div");
  buttons.append(undo, clear);
  el.append(canvas, buttons);
  show(model.get("pixels")); // what was drawn before, when the notebook is shown a second time
  undo.disabled = true;
  clear.disabled = model.get("pixels").length === 0;
}

export default { render };
