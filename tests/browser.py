"""A headless browser to open pages in, which keeps what they ask for and what goes wrong.

Playwright drives the Chromium that is installed; it brings none. Where there is none, tests that need it are
skipped.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What the program is called, by those who package it."""


@dataclass
class Opened:
    """A page that was opened, and what came of it.

    Attributes:
        page: Playwright's page.
        requests: Every address that it asked for, its own first.
        errors: Errors and warnings of its console, errors of its scripts, and requests that failed.
    """

    page: object
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def executable() -> str | None:
    """Where the browser is; `CHROMIUM` names another one than the first that is found."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """The browser, one for all tests."""
    found = executable()
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is on PATH, and CHROMIUM names none")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # The sandbox needs rights that containers withhold; pages under test are our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Opened]]:
    """Opens an address in a window of its own.

    Options: `width` and `height` of the window, `dark`, and all of Playwright's `Browser.new_context`, such as
    `java_script_enabled`.
    """
    contexts = []

    def open_page(
        address: str, *, width: int = 1280, height: int = 900, dark: bool = False, **options: object
    ) -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            **options,
        )
        contexts.append(context)
        opened = Opened(context.new_page())
        watch(opened)
        opened.page.goto(address)
        return opened

    yield open_page
    for context in contexts:
        context.close()


def watch(opened: Opened) -> None:
    """Keeps what a page asks for and what goes wrong in it."""
    page = opened.page
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("requestfailed", lambda request: opened.errors.append(f"{request.url}: {request.failure}"))
    page.on(
        "response",
        lambda answer: (
            opened.errors.append(f"{answer.url}: {answer.status}") if answer.status >= 400 else None
        ),
    )
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            opened.errors.append(f"{message.type}: {message.text}")
            if message.type in ("error", "warning")
            else None
        ),
    )


def clashes(opened: Opened) -> list[str]:
    """Words of the SVG pictures of a page that leave their picture, and pairs of them that lie over each other."""
    return opened.page.evaluate(
        """() => [...document.querySelectorAll('svg')].flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            const boxes = [...svg.querySelectorAll('text')].map(
                text => [text.firstChild.data, text.getBoundingClientRect()]);
            const outside = boxes.filter(([, box]) => box.left < frame.left - 1 || box.right > frame.right + 1
                || box.top < frame.top - 1 || box.bottom > frame.bottom + 1).map(([words]) => words);
            const over = boxes.flatMap(([words, one], at) => boxes.slice(at + 1).filter(([, two]) =>
                one.left < two.right - 1 && two.left < one.right - 1
                && one.top < two.bottom - 3 && two.top < one.bottom - 3).map(([other]) => `${words} / ${other}`));
            return [...outside, ...over];
        })"""
    )
