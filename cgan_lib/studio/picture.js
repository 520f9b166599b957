// A picture with a description. Nothing, not even a broken icon, while there is none.
function render({ model, el }) {
  const picture = document.createElement("img");
  picture.className = "cgan-picture";

  const forget = () => URL.revokeObjectURL(picture.src);

  function show() {
    const png = model.get("value"); // a DataView
    forget();
    picture.hidden = png.byteLength === 0;
    if (picture.hidden) picture.removeAttribute("src");
    else picture.src = URL.createObjectURL(new Blob([png], { type: "image/png" }));
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
  return forget;
}

export default { render };
