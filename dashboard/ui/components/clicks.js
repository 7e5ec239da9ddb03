// A double click acts once. A page is redrawn after a click, and the element that is then under the pointer, or the new
// meaning of the same button, is not what the second click was for.
//
// A click on a button is let through only if none came before it within half a second at the same place of the window,
// or, from the keyboard, on the same button. The time is that of the clicks themselves: a server that answers late does
// not pull them apart.
const PAUSE_MS = 500;
const SAME_PLACE_PX = 8;
const BUTTONS = ["stButton", "stFormSubmitButton", "stDownloadButton", "stPopoverButton", "stMenuButton", "stButtonGroup"]
  .map((each) => `[data-testid="${each}"]`)
  .join(", ");

export default function () {
  if (window.ferOneActPerDoubleClick) return;
  window.ferOneActPerDoubleClick = true;

  let last = null;
  const once = (event) => {
    const target = event.composedPath()[0]; // the window is told of what lies in a component as of the whole of it
    const button = target instanceof Element ? buttonOf(target) : null;
    const previous = last;
    if (event.type === "click") last = { target, event };
    if (button && previous && event.timeStamp - previous.event.timeStamp < PAUSE_MS && repeats(event, previous, button)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  };
  for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click"]) {
    window.addEventListener(type, once, true); // a menu opens and closes when it is pressed, not when it is clicked
  }
}

// Streamlit's, or one of our own components.
function buttonOf(element) {
  return element.closest(element.getRootNode() instanceof ShadowRoot ? "button" : BUTTONS);
}

function repeats(event, previous, button) {
  const first = previous.event;
  const byKeyboard = (event.type === "click" && event.detail === 0) || first.detail === 0; // it has no place
  if (byKeyboard) return button.contains(previous.target);
  return Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY) < SAME_PLACE_PX;
}
