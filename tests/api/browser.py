"""A headless Chromium, driven by Playwright; where either is missing the tests skip."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A page of a browser with nothing in it."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: the page is NOT proved on this machine"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium (apt-get install chromium): the page is NOT proved here")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": 1200, "height": 1600})
        finally:
            browser.close()
