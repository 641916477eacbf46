"""People on the label page, each in a browser of their own, who judge by keyboard."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from tests.services.browser import logged_in


@contextmanager
def visited(browser: Browser, address: str, name: str = "ana", **options: object) -> Iterator[Page]:
    """The label page of a person who has logged in; the browser complains of nothing but what was not loaded."""
    with logged_in(browser, address, "/label", name, **options) as (page, complaints):
        yield page
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
