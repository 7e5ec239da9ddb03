"""Messages of the server that reach the page late, as on a slow line, on demand: a test knows what comes when."""

from typing import Any

from tests.browser.traffic import until

HELD = """(() => {
    const text = message => new TextDecoder().decode(message.data);
    const Socket = window.WebSocket;
    let mark = null, waiting = null, socket = null;
    window.WebSocket = class extends Socket {
        constructor(...of) {
            super(...of);
            socket = this;
            this.addEventListener("message", message => {
                const first = mark !== null && text(message).includes(mark);
                if (waiting) {
                    waiting.push(message);
                    message.stopImmediatePropagation();
                } else if (first) waiting = [];
            });
        }
    };
    window.hold = from => { mark = from; };
    window.holds = words => waiting !== null && waiting.some(message => text(message).includes(words));
    window.holdsAfter = ([first, words]) => {
        const at = (waiting ?? []).findIndex(message => text(message).includes(first));
        return at >= 0 && waiting.slice(at).some(message => text(message).includes(words));
    };
    window.release = () => {
        const late = waiting;
        mark = waiting = null;
        for (const message of late) socket.dispatchEvent(new MessageEvent("message", { data: message.data }));
    };
})()"""


def can_hold(page: Any) -> None:
    """To be called before the page's first address is opened."""
    page.add_init_script(HELD)


def hold_after(page: Any, words: str) -> None:
    """After the next message with these words nothing reaches the page."""
    page.evaluate("hold", words)


def wait_until_held(page: Any, words: str) -> None:
    """Until a message with these words is among those that wait."""
    until(page, "holds", arg=words)


def holds_after(page: Any, first: str, words: str) -> bool:
    """Whether a message with these words waits, and came after the first one with others."""
    return bool(page.evaluate("holdsAfter", [first, words]))


def release(page: Any) -> None:
    """All that waits reaches the page, in its order."""
    page.evaluate("release()")
