"""A seeded random walk: what somebody who tries everything can do on a page, act by act, and what must never come."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import ElementHandle, Page
from playwright.sync_api import Error as BrowserError

from dashboard.ui.page import UNEXPECTED
from tests.browser.conftest import App
from tests.browser.traffic import settle
from tests.browser.watching import Traffic, listen

KINDS: Final[Mapping[str, tuple[str, int]]] = {
    "link": ("a[href]", 5),
    "button": ("button, summary, [role=button], [role=tab], [role=radio]", 6),
    "double click": ("button", 1),
    "tick": ("label:has(input[type=checkbox], input[type=radio])", 3),
    "choose": ("input[role=combobox]", 3),
    "type": ("input[type=text], input[type=number], input[type=password], textarea", 3),
    "slide": ("[role=slider], input[type=range]", 2),
    "table": ("[data-testid=stDataFrame] canvas", 2),
    "chart": ("[data-testid=stEChartsChart], fer-charts, [data-testid=stPlotlyChart]", 1),
    "upload": ("input[type=file]", 1),
    "part": (".matrix button, .tile, .wall button, .photo *", 4),
}
"""Kind of act to what it is done to and how often it comes; others, which need nothing, are in `Walk._anywhere`."""

FIND: Final = """selectors => {
    const modal = '[role=dialog][aria-modal=true], [data-testid=stDialog] [role=dialog]';
    const top = [...document.querySelectorAll(modal)].at(-1) ?? document;
    const roots = [top, ...[...top.querySelectorAll('*')].map(each => each.shadowRoot).filter(each => each)];
    const here = element => {
        const hidden = element.matches('input[type=file]');
        if (element.disabled || element.closest('[aria-disabled=true], [disabled], [data-stale=true]')) return false;
        if (element.closest('[data-testid=stMainMenu]')) return false;  // Streamlit's own: print, record the screen
        if (element.href && (element.target === '_blank' || !element.href.startsWith(location.origin))) return false;
        if (element.getBoundingClientRect().right <= 0) return false;  // in the closed sidebar
        return hidden || element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    };
    return Object.fromEntries(Object.entries(selectors).map(
        ([kind, selector]) => [kind, roots.flatMap(root => [...root.querySelectorAll(selector)]).filter(here)]
    ));
}"""

NAME: Final = """element => {
    const part = element.closest('[data-testid]') ?? element.getRootNode().host?.closest('[data-testid]');
    const said = element.getAttribute('aria-label') || element.innerText || element.placeholder || element.className;
    const inside = part?.querySelector('label, [data-testid=stWidgetLabel]')?.innerText;
    return [part?.dataset.testid, inside, String(said).trim()].filter(each => each).join(' / ').replace(/\\s+/g, ' ');
}"""

FAILED: Final = """sentence => [
    ...[...document.querySelectorAll('[data-testid=stException], [data-testid=stComponentError]')].map(
        each => each.textContent
    ),
    ...(document.body.textContent.includes(sentence) ? [sentence] : []),
]"""

WORDS: Final = (
    "",
    "a",
    "run",
    "Ana",
    "Björn",
    "0",
    "1",
    "3",
    "-1",
    "0.5",
    "1e9",
    "nan",
    "<b>*x*</b> :a: $y$",
    "é" * 90,
)
KEYS: Final = ("Enter", "Space", "ArrowRight", "ArrowDown", "1", "2", "3", "4", "5", "q", "w", "e", "r", "u", "z")
SLIDE_KEYS: Final = ("ArrowLeft", "ArrowRight", "Home", "End")
REST_SECONDS: Final = 60
CLICK_MS: Final = 3000
"""How long an act may wait for what it is done to: it can be gone, or beneath something else."""


@dataclass
class Walk:
    """One visitor who acts at random; the same seed on the same page does the same."""

    page: Page
    app: App
    seed: str
    upload: Path
    """A small picture."""
    acts: list[str] = field(default_factory=list)
    """All so far, in words."""
    missed: int = 0
    """How many of them did not reach what they were meant for."""

    def __post_init__(self) -> None:
        self._traffic: Traffic = listen(self.page)
        self._errors: list[str] = []
        self._read = 0
        self.page.on("pageerror", lambda error: self._errors.append(str(error)))
        self.page.context.on("page", lambda other: other.close())

    def go(self, acts: int) -> None:
        """Act so many times, and look after each.

        Raises:
            AssertionError: something came that must not; says how to have it again.
        """
        self.page.goto(self.app.url)
        self._look()
        for number in range(acts):
            self._act(random.Random(f"{self.seed} {number}"))
            self._look()

    def _act(self, chance: random.Random) -> None:
        found = self.page.evaluate_handle(FIND, {kind: selector for kind, (selector, _) in KINDS.items()})
        counts = found.evaluate("found => Object.entries(found).map(([kind, all]) => [kind, all.length])")
        weights = {kind: KINDS[kind][1] for kind, count in counts if count}
        weights |= {kind: weight for kind, (_, weight) in self._anywhere().items()}
        [kind] = chance.choices(list(weights), list(weights.values()))
        self.acts.append(f"{len(self.acts)} {kind}")
        try:
            if kind in KINDS:
                place = chance.randrange(dict(counts)[kind])
                element = found.evaluate_handle(f"found => found[{kind!r}][{place}]").as_element()
                self.acts[-1] += f" {element.evaluate(NAME)[:90]!r}"
                self._do(kind, element, chance)
            else:
                self._anywhere()[kind][0](chance)
        except BrowserError as error:  # gone, moved, or beneath something else: a person would have missed it too
            self.missed += 1
            self.acts[-1] += f" (missed: {error.message.splitlines()[0][:60]})"

    def _anywhere(self) -> dict[str, tuple[Callable[[random.Random], object], int]]:
        navigation = self.page.evaluate("[navigation.canGoBack, navigation.canGoForward]")
        return {
            "back": (lambda _: self.page.go_back(wait_until="commit"), 2 * navigation[0]),
            "forward": (lambda _: self.page.go_forward(wait_until="commit"), 2 * navigation[1]),
            "reload": (lambda _: self.page.reload(wait_until="commit"), 1),
            "key": (self._press, 2),
            "Escape": (lambda _: self.page.keyboard.press("Escape"), 1),
        }

    def _do(self, kind: str, element: ElementHandle, chance: random.Random) -> None:
        if kind == "choose":
            self._choose(element, chance)
        elif kind == "type":
            word = chance.choice(WORDS)
            self.acts[-1] += f" {word[:20]!r}"
            element.click(timeout=CLICK_MS)
            self.page.keyboard.press("Control+a")
            self.page.keyboard.insert_text(word)
            self.page.keyboard.press(chance.choice(("Enter", "Control+Enter", "Tab")))
        elif kind == "slide":
            element.focus()
            for key in chance.choices(SLIDE_KEYS, k=3):
                self.page.keyboard.press(key)
        elif kind == "upload":
            element.set_input_files(str(self.upload), timeout=CLICK_MS)
        elif kind in ("table", "chart"):
            element.scroll_into_view_if_needed(timeout=CLICK_MS)
            if box := element.bounding_box():  # of several canvases above each other the topmost gets it
                self.page.mouse.click(
                    box["x"] + box["width"] * chance.random(), box["y"] + box["height"] * chance.random()
                )
        elif kind == "double click" or (kind == "part" and chance.random() < 0.2):
            element.dblclick(timeout=CLICK_MS)
        else:
            element.click(timeout=CLICK_MS)

    def _choose(self, box: ElementHandle, chance: random.Random) -> None:
        box.click(timeout=CLICK_MS)
        self.page.wait_for_selector("[role=option]", timeout=CLICK_MS)
        options = self.page.query_selector_all("[role=option]")
        option = chance.choice(options[:20])
        self.acts[-1] += f" {option.inner_text()[:30]!r}"
        option.click(timeout=CLICK_MS)
        self.page.keyboard.press("Escape")  # a list of which several can be chosen stays open

    def _press(self, chance: random.Random) -> None:
        key = chance.choice(KEYS)
        self.acts[-1] += f" {key}"
        self.page.keyboard.press(key)

    def _look(self) -> None:
        try:
            self._settle()
            wrong = [*self._errors, *self.page.evaluate(FAILED, UNEXPECTED)]
        except (BrowserError, AssertionError) as error:
            wrong = [f"the page does not come to rest: {error}"]
        with self.app.log.open(errors="replace") as log:
            log.seek(self._read)
            new = log.read()
            self._read = log.tell()
        wrong += [new[new.index("Traceback (most recent call last)") :]] if "Traceback (most" in new else []
        last = "\n  ".join(self.acts[-15:])
        assert not wrong, f"seed {self.seed}, after {len(self.acts)} acts, at {self.page.url}:\n  {last}\n" + "\n".join(
            wrong
        )

    def _settle(self) -> None:
        """Wait until the page has had an answer to the last question it asked, and has drawn it."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        end = time.monotonic() + REST_SECONDS
        while self._traffic.waits and time.monotonic() < end:
            self.page.wait_for_timeout(10)  # what the page says is heard meanwhile
        assert not self._traffic.waits, f"no answer within {REST_SECONDS} s"
        settle(self.page)
