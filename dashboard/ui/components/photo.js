// A photo whose faces can be clicked. For keyboards there is the list of faces next to it.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".photo");
  const photo = root.querySelector("img") ?? document.createElement("img"); // the same one, so that nothing flickers
  photo.src = data.src;
  photo.alt = data.alt;
  root.style.maxWidth = `${data.width}px`;
  root.style.aspectRatio = data.aspect; // the place is kept while the photo is decoded
  const faces = data.faces.map(({ name, box }, n) => {
    const face = document.createElement("button");
    face.type = "button";
    face.tabIndex = -1;
    face.title = name;
    [face.style.left, face.style.top, face.style.width, face.style.height] = box.map((fraction) => `${100 * fraction}%`);
    face.onclick = () => setTriggerValue("chosen", n);
    return face;
  });
  root.replaceChildren(photo, ...faces);
}
