// One entry of the browser's history per user action, so that one press of "back" goes one step back.
//
// Streamlit 1.67 goes to another page in several steps: it pushes the coming page's parameters onto the address of the
// page that is left, then the coming page (https://github.com/streamlit/streamlit/pull/9049 describes it), then its whole
// address (dashboard/state/addresses.py). Nobody opened the views in between: what is pushed without a click or a key
// replaces the entry. And where the parameters of the coming page look like those of a changed form or table, as none do,
// the page that is left gets back its own.
// Nor is a changed setting on the Train page a view of its own: its address always follows the form, and "back" leaves it;
// nor a table in another order or with other ticks.
function isChangedForm(next) {
  const form = next.pathname === window.location.pathname && next.pathname.endsWith("/train");
  return form && (!next.search || /[?&](preset|clone)=/.test(next.search));
}

const OF_A_TABLE = ["sort", "selected"];

function isChangedTable(next) {
  return withoutTable(next) === withoutTable(new URL(window.location.href));
}

function withoutTable(url) {
  const rest = new URLSearchParams(url.search);
  for (const name of OF_A_TABLE) rest.delete(name);
  rest.sort();
  return `${url.pathname}?${rest}`;
}

export default function () {
  if (window.history.ferOneEntryPerAct) return;
  window.history.ferOneEntryPerAct = true;

  const push = window.history.pushState.bind(window.history);
  let acted = false;
  let before = null; // what a changed form or table has replaced since the last act
  const act = () => {
    acted = true;
    before = null;
  };
  for (const event of ["pointerdown", "keydown", "click"]) window.addEventListener(event, act, true);
  window.addEventListener("popstate", () => (acted = false), true);

  window.history.pushState = (state, title, url) => {
    const next = new URL(url, window.location.href);
    if (isChangedForm(next) || isChangedTable(next)) {
      before = window.location.href;
      window.history.replaceState(state, title, url);
      return; // where the same click leaves the page, that is the step
    }
    if (before && next.pathname !== window.location.pathname) window.history.replaceState(state, title, before); // see above
    if (acted) push(state, title, url);
    else window.history.replaceState(state, title, url);
    acted = false;
    before = null;
  };
}
