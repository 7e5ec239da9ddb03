// While a dialog is open the keyboard stays in it.
//
// React removes the focused element when it redraws it, and a button that becomes disabled loses the focus;
// either way it falls to the page's body, where the dialog hears no key, Escape least of all.
export default function () {
  if (window.ferKeepsFocus) return;
  window.ferKeepsFocus = true;

  new MutationObserver(() => {
    if (document.activeElement !== document.body) return;
    const dialog = [...document.querySelectorAll('[role="dialog"]')].at(-1);
    dialog?.focus({ preventScroll: true });
  }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });

  // Shortcuts of buttons are not heard while an input has the focus. A switch that was clicked has no use for the keyboard.
  let byMouse = false;
  window.addEventListener("pointerdown", () => (byMouse = true), true);
  window.addEventListener("keydown", () => (byMouse = false), true);
  window.addEventListener("focusin", ({ target }) => {
    const dialog = byMouse && target.type === "checkbox" && target.closest('[role="dialog"]');
    if (dialog) setTimeout(() => dialog.focus({ preventScroll: true })); // after the click has done its work
  });
}
