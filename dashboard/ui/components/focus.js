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
}
