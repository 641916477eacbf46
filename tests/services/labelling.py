"""People on the label page, each in a browser of their own, who judge by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.services.programs import chromium


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@contextmanager
def visited(browser: Browser, address: str, name: str = "ana", **options: object) -> Iterator[Page]:
    """The label page of a person who has logged in, in a browser of their own, which complains of nothing."""
    context: BrowserContext = browser.new_context(base_url=address, **options)  # type: ignore[arg-type]  # of many types
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/label")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{address}/label")
    yield page
    context.close()
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def task(page: Page) -> str:
    """The name of the task that is shown; empty if there is none."""
    return page.locator("#task").get_attribute("data-task") or ""


def ready(page: Page) -> None:
    """Wait until the page takes keys: shortly after a task is shown it does not."""
    expect(page.locator("body[data-ready]")).to_have_count(1)


def press(page: Page, key: str) -> None:
    """Press a key once, and wait for the next task."""
    before = task(page)
    ready(page)
    page.keyboard.press(key)
    expect(page.locator(f"#task:not([data-task='{before}'])")).to_have_count(1)
