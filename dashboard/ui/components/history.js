// One entry of the browser's history per user action, so that one press of "back" goes one step back.
//
// Streamlit 1.67 goes to another page in several steps: it pushes the coming page's parameters onto the address of the
// page that is left, then the coming page, then what that page remembers (https://github.com/streamlit/streamlit/pull/9049
// describes it). Nobody opened the views in between: what is pushed without a click or a key replaces the entry.
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
  for (const event of ["pointerdown", "keydown", "click"]) window.addEventListener(event, () => (acted = true), true);
  window.addEventListener("popstate", () => (acted = false), true);

  window.history.pushState = (state, title, url) => {
    const next = new URL(url, window.location.href);
    if (isChangedForm(next) || isChangedTable(next)) {
      window.history.replaceState(state, title, url);
      return; // where the same click leaves the page, that is the step
    }
    if (acted) push(state, title, url);
    else window.history.replaceState(state, title, url);
    acted = false;
  };
}
