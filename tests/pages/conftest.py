"""One house, one browser; every page that is opened is held to what all pages must keep."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from pems_core.nodered.installed import NotInstalled
from pems_core.nodered.installed import program as nodered_program
from tests.brokers import program

from .home import Home

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE, TABLET = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
VIEWS = ("now", "plan", "rooms", "battery", "overrides", "health", "stop")
SPEED = 10.0
PATIENT_MS = 60_000
"""How long to wait for what must happen, on a machine that may be busy elsewhere."""


@dataclass
class Visit:
    """A page in a browser, with what it asked for and what it complained about."""

    page: Page
    home: Home
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    quiet: bool = True
    """False once something was taken away on purpose: a browser tells lost connections on its console."""

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(said.text)

    def _note(self, request: Request) -> None:
        self.asked.append(request.url)

    async def go(self, view: str) -> None:
        await self.page.goto(f"{self.home.pages}/{view}")
        await self.page.wait_for_selector(f'.pems[data-view="{view}"] .main > *:not(.waiting)', timeout=PATIENT_MS)

    async def turn_to(self, view: str) -> None:
        """Go there as people do."""
        await self.page.click(f'[data-page="{view}"]')
        await self.page.wait_for_selector(f'.pems[data-view="{view}"] .main > *:not(.waiting)', timeout=PATIENT_MS)

    async def text(self, selector: str) -> str:
        return (await self.page.inner_text(selector)).replace("\u00a0", " ")

    async def until_state(self, state: str) -> None:
        await self.page.wait_for_selector(f'.pems[data-state="{state}"]', timeout=PATIENT_MS)

    def hold(self) -> None:
        """Nothing from elsewhere, and nothing to complain about."""
        own = self.home.pages.removesuffix("/dashboard")
        strange = [
            url for url in self.asked if not url.startswith((own, own.replace("http", "ws", 1), "data:", "blob:"))
        ]
        assert strange == []
        assert not self.quiet or self.complaints == []


Open = Callable[..., Awaitable[Visit]]


def require_pages() -> None:
    """Skip what needs Node-RED where it is not installed, except in CI, where it must be."""
    try:
        nodered_program()
    except NotInstalled as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    """The example house in the afternoon, with its first plan made."""
    require_pages()
    one = Home(tmp_path_factory.mktemp("home"), speed=SPEED)
    async with one.living():
        async with asyncio.timeout(PATIENT_MS / 1000):
            await one.settled()
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    chromium = program("chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Open]:
    """Opens pages; afterwards each is held to what all pages must keep."""
    visits: list[Visit] = []
    async with AsyncExitStack() as stack:

        async def opened(
            view: str, theme: str = "light", language: str = "en-GB", phone: bool = True, home: Home | None = None
        ) -> Visit:
            context: BrowserContext = await browser.new_context(
                viewport=PHONE if phone else TABLET,  # type: ignore[arg-type]
                color_scheme="dark" if theme == "dark" else "light",
                locale=language,
                has_touch=phone,
            )
            stack.push_async_callback(context.close)
            one = Visit(await context.new_page(), home or request.getfixturevalue("home"))
            visits.append(one)
            await one.go(view)
            return one

        yield opened
        for one in visits:
            one.hold()
