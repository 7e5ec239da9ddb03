"""What a page asked of the server and what it was told, so that a test knows when all of it was answered."""

import time
from typing import Any
from weakref import WeakKeyDictionary

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

HANDLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Ends when the page has handled what was clicked or typed: by then it has sent what follows from it."""

MOVES = """() => document.getAnimations().some(each =>
    each.playState === "running" &&
    each.effect?.getComputedTiming().endTime !== Infinity &&
    !/color|opacity|shadow|visibility/.test(each.transitionProperty ?? "")
)"""
"""Whether something on the page still moves, as an expander that opens: a list in it that is opened meanwhile scrolls
away under the pointer, and so closes. What moves for ever, as a placeholder does, and what only fades is left out."""

TIMEOUT_SECONDS = 60

AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]'


class Traffic:
    """Whether the server owes a page an answer.

    The state that Streamlit shows in the page (`data-test-script-state`) says so only from the answer's beginning on:
    between a click and that moment the page looks at rest.
    """

    def __init__(self, page: Any) -> None:
        self.owed = True  # a page that is opened asks for its first run
        self._begun = False
        page.on("request", self._requested)
        page.on("websocket", self._opened)

    def _requested(self, request: Any) -> None:
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self.owed = True

    def _opened(self, socket: Any) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, payload: bytes | str) -> None:
        if isinstance(payload, bytes) and BackMsg.FromString(payload).WhichOneof("type") == "rerun_script":
            self.owed = True
            self._begun = False

    def _received(self, payload: bytes | str) -> None:
        if not isinstance(payload, bytes):
            return
        message = ForwardMsg.FromString(payload)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._begun = True
        elif kind == "script_finished" and self._begun:  # else it is the end of a run that was under way
            self.owed = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN


_traffic: WeakKeyDictionary[Any, Traffic] = WeakKeyDictionary()


def watch(page: Any) -> None:
    """From now on the page's traffic is known; to be called before its first address is opened."""
    _traffic[page] = Traffic(page)


def settle(page: Any) -> None:
    """Wait until what was done is done: sent, answered, drawn, and at its place."""
    traffic, end = _traffic[page], time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < end:
        page.wait_for_selector(AT_REST)
        page.evaluate(HANDLED)
        if not traffic.owed and page.locator(AT_REST).count() and not page.evaluate(MOVES):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"{page.url} did not come to rest within {TIMEOUT_SECONDS} s")


def resting_place(locator: Any) -> dict[str, float]:
    """Where an element is in the window, once nothing moves it any more: what lies above it may get its size only some
    frames after it is there."""
    place: dict[str, float] = locator.evaluate(
        """element => new Promise((done) => {
            let before = "", frames = 0;
            const look = () => {
                const { x, y, width, height } = element.getBoundingClientRect();
                const now = [x, y, width, height].join();
                frames = now === before ? frames + 1 : 0;
                before = now;
                if (frames > 4) done({ x, y, width, height });
                else if (frames === 4) requestIdleCallback(() => requestAnimationFrame(look));
                else requestAnimationFrame(look);
            };
            look();
        })"""
    )
    return place


def until(page: Any, condition: str, arg: Any = None, seconds: float = TIMEOUT_SECONDS) -> None:
    """Wait until something holds in a page. Playwright's own `wait_for_function` asks again by `eval`, which the policy
    of our pages refuses, as it should.

    Args:
        page: the page; it is not left meanwhile.
        condition: an expression of JavaScript, or a function of `arg`.
        arg: what Playwright can hand over.
        seconds: for how long at most.
    """
    page.evaluate(
        f"""arg => new Promise((done, fail) => {{
            const end = performance.now() + {seconds * 1000};
            const ask = () => {{
                const asked = ({condition});
                if (typeof asked === "function" ? asked(arg) : asked) done();
                else if (performance.now() > end) fail(new Error("It did not come true within {seconds} s."));
                else requestAnimationFrame(ask);
            }};
            ask();
        }})""",
        arg,
    )
