"""Pages of the server in Chromium, each for a person who has logged in."""

from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.services.programs import chromium

PHONE = {"width": 390, "height": 844}


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@contextmanager
def logged_in(
    browser: Browser, address: str, path: str, name: str, **options: object
) -> Iterator[tuple[Page, list[str]]]:
    """A page of a person who has logged in, in a browser of their own, and what that browser complains of."""
    context: BrowserContext = browser.new_context(base_url=address, **options)  # type: ignore[arg-type]  # of many types
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{address}{path}")
    yield page, complaints
    context.close()


def violations(page: Page) -> list[str]:
    """What axe finds, with the first place of each."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}" for each in found]
