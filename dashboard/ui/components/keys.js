// "?" opens the list of keyboard shortcuts on every page, as it does elsewhere on the web. The buttons of Streamlit 1.67
// can have a key of their own, but only letters, digits and named keys.
export default function () {
  if (window.ferOpensShortcuts) return;
  window.ferOpensShortcuts = true;

  window.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.composedPath()[0]; // also inside a component
    if (target instanceof Element && target.closest("input, textarea, [contenteditable=true]")) return;
    if (document.querySelector('[role="dialog"]')) return;
    document.querySelector(".st-key-shortcuts button")?.click();
  });
}
