"""A real browser on the live server. Each page that it sees is checked for accessibility.

What the browser complains of (Content-Security-Policy, scripts, missing files) fails the test.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

PROJECT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERIOUS = {"serious", "critical"}

# Playwright's own loop would make Django take each test for an asynchronous one.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, live_server) -> Iterator[Page]:
    """A page of its own context, in French, that fails the test if the browser complained."""
    context = browser.new_context(base_url=live_server.url, locale="fr-FR")
    page = context.new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # Of our own pages; a provider's are not ours to mend.
        if message.type in {"error", "warning"} and page.url.startswith(live_server.url):
            complaints.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def audit():
    """Says what axe finds on a page, of the impacts that are asked for (None: of all)."""
    axe = Axe()

    def run(page: Page, impacts: set[str] | None = None) -> list[tuple[str, str]]:
        violations = axe.run(page).response["violations"]
        return [
            (violation["id"], violation["nodes"][0]["html"])
            for violation in violations
            if impacts is None or violation["impact"] in impacts
        ]

    return run


@pytest.fixture
def picture():
    """Keeps a picture of the page for the documentation, where it is asked for (`PICTURES=1`)."""

    def take(page: Page, name: str, **options: object) -> None:
        if os.environ.get("PICTURES"):
            page.screenshot(path=PROJECT / "docs" / "images" / f"{name}.png", **options)

    return take
