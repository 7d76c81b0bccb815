"""The pages in a real browser on a real server: filters, a customer, keyboard, small screens."""

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from serving.app import create_app
from serving.settings import Settings

pytestmark = pytest.mark.browser
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PAGES = (
    "/",
    "/?band=medium&owner=ana",
    "/?target=conversion",
    "/?q=zzz",
    "/customers/c_001",
    "/customers/c_059",
    "/x",
)


@pytest.fixture(scope="module")
def address(service: Settings) -> Iterator[str]:
    """Where the service listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(service), log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended"
            thread.join(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser(skip_or_fail: Callable[[str], None]) -> Iterator[Browser]:
    """The system's Chromium."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        skip_or_fail("no Chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Page]:
    """A page that may not complain: no error on the console, no failed request of its own."""
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_from_the_list_to_the_reasons(tab: Page):
    tab.goto("/")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("At risk")
    tab.get_by_label("Owner", exact=True).select_option("ana")
    tab.get_by_role("button", name="Apply").click()
    assert tab.url.endswith("/?owner=ana")  # empty fields stay out of the address
    expect(tab.get_by_role("link", name="Owner: ana , remove filter")).to_be_visible()
    first = tab.get_by_role("rowheader").first
    name = first.get_by_role("link").inner_text()
    first.get_by_role("link").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text(name)
    expect(tab.get_by_role("region", name="What raises the risk")).to_contain_text("Active days")
    expect(tab.get_by_role("img", name="Probability over 2 scoring runs")).to_be_visible()
    tab.go_back()
    assert tab.url.endswith("/?owner=ana")


def test_a_chip_takes_its_filter_away_and_a_tile_sets_one(tab: Page):
    tab.goto("/?owner=ana")
    before = tab.get_by_role("row").count()
    tab.get_by_role("link", name="Owner: ana").click()
    assert tab.get_by_role("row").count() > before
    tab.get_by_role("link", name="At risk and renewing").click()
    expect(tab.get_by_role("list", name="Active filters")).to_contain_text("Renews before")


def test_the_keyboard_alone_is_enough(tab: Page):
    tab.goto("/")
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("main")).to_be_focused()
    seen = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.closest('th.who') !== null"))
        ring = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", "the focus cannot be seen"
        if seen[-1]:
            break
    assert seen[-1], "the first customer is not reached"
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile(r"/customers/c_"))


@pytest.mark.parametrize("url", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    browser: Browser, address: str, url: str, width: int, scheme: str
):
    page = browser.new_page(
        base_url=address,
        color_scheme=scheme,
        viewport={"width": width, "height": 800},
        bypass_csp=True,
    )
    page.goto(url)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    wide = page.evaluate("document.documentElement.scrollWidth")
    found = Axe().run(page, options=RULES)
    page.close()
    assert wide <= width
    assert found.violations_count == 0, found.generate_report()


def test_pages_work_without_scripts(browser: Browser, address: str):
    context = browser.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Band").select_option("medium")
    page.get_by_role("button", name="Apply").click()
    assert "band=medium" in page.url
    expect(page.get_by_role("list", name="Active filters")).to_contain_text("Medium band")
    context.close()
