// A picture with a description. Nothing, not even a broken icon, while there is none.
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.className = "cgan-picture";

  function show() {
    const png = model.get("value"); // a DataView
    const before = picture.src;
    picture.hidden = png.byteLength === 0;
    if (picture.hidden) picture.removeAttribute("src");
    else picture.src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
    if (before) URL.revokeObjectURL(before);
  }

  function describe() {
    picture.alt = model.get("alt");
    picture.style.width = `${model.get("side")}px`;
  }

  model.on("change:value", show);
  model.on("change:alt change:side", describe);
  show();
  describe();
  el.appendChild(picture);
}

export default { render };
