// One press of the browser's back button per page.
//
// Streamlit 1.67 leaves a page with parameters in two steps: it pushes the coming page's parameters onto the address of
// the page that is left, then pushes the coming page (https://github.com/streamlit/streamlit/issues/8102 tells of it).
// The entry in between is a view that nobody opened: the second push takes its place.
export default function () {
  if (window.history.ferOneEntryPerPage) return;
  window.history.ferOneEntryPerPage = true;

  const push = window.history.pushState.bind(window.history);
  let onlyParameters = false; // whether the newest entry differs from the one before in its parameters alone
  const asked = () => (onlyParameters = false); // by a person: that entry was a view
  window.addEventListener("pointerdown", asked, true);
  window.addEventListener("keydown", asked, true);
  window.addEventListener("popstate", asked, true);

  window.history.pushState = (state, title, url) => {
    const next = new URL(url, window.location.href);
    const samePage = next.pathname === window.location.pathname;
    if (!samePage && onlyParameters && next.search === window.location.search) {
      window.history.replaceState(state, title, url);
    } else {
      push(state, title, url);
    }
    onlyParameters = samePage;
  };
}
