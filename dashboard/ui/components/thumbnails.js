// Images in rows, each a button; the selected one is marked.
export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".thumbnails");
  const focused = root.getRootNode().activeElement?.dataset.id; // redrawn below: the keyboard stays where it was
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", data.label);
  root.style.setProperty("--height", `${data.height}px`);
  const part = (tag, name, text) => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  };
  root.replaceChildren(
    ...data.images.map((image) => {
      const button = part("button", "image", "");
      button.type = "button";
      button.dataset.id = image.id;
      button.title = [image.title, image.note].filter((each) => each).join(" – ");
      button.setAttribute("aria-pressed", image.id === data.selected);
      button.onclick = () => setTriggerValue("chosen", image.id);
      const frame = part("span", "frame", "");
      frame.style.aspectRatio = Math.min(Math.max(image.aspect, 0.5), 2); // the ends of longer ones are cut off below
      const photo = document.createElement("img");
      photo.src = image.src;
      photo.alt = data.captions ? "" : button.title; // captions name the button
      const inside = part("span", "inside", "");
      inside.style.aspectRatio = image.aspect;
      inside.append(
        photo,
        ...image.boxes.map(([left, top, width, height, colour]) => {
          const box = part("span", "box", "");
          [box.style.left, box.style.top, box.style.width, box.style.height] = [left, top, width, height].map(
            (fraction) => `${100 * fraction}%`,
          );
          box.style.borderColor = colour;
          return box;
        }),
      );
      frame.append(inside);
      button.append(frame);
      if (data.captions) {
        button.append(part("span", "title", image.title));
        if (image.note) button.append(part("span", image.warns ? "note warns" : "note", image.note));
      }
      return button;
    }),
  );
  [...root.children].find((button) => button.dataset.id === focused)?.focus({ preventScroll: true });
}
