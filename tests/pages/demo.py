"""Measures how long a newcomer waits: a fresh clone, no Node.js on the path, `make demo`, until the Now page is live.

python -m tests.pages.demo
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from playwright.async_api import async_playwright

from tests.brokers import program

from .conftest import FLAGS, TABLET

REPOSITORY = Path(__file__).parents[2]
INSTALLED, PAGES = re.compile(r"bin/pems demo$"), re.compile(r"^Pages: (\S+)")
INSTALL_WITHIN_S, LIVE_WITHIN_S = 1200.0, 300.0
BAR_S = 60.0
NODE_PROGRAMS = frozenset({"node", "nodejs", "npm", "npx", "corepack"})


def without_node(folder: Path) -> dict[str, str]:
    """The environment without any Node.js, and without the virtual environment of this checkout.

    :param folder: where what stands beside a Node.js is linked to.
    """
    path = [str(folder)]
    for place in map(Path, os.environ.get("PATH", "").split(os.pathsep)):
        if ".venv" in place.parts or not place.is_dir():
            continue
        if not (place / "node").exists():
            path.append(str(place))
            continue
        for found in place.iterdir():
            if found.name not in NODE_PROGRAMS and not (folder / found.name).is_symlink():
                (folder / found.name).symlink_to(found)
    assert shutil.which("node", path=os.pathsep.join(path)) is None
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return environ | {"PATH": os.pathsep.join(path)}


async def measure() -> None:
    with tempfile.TemporaryDirectory(prefix="pems-fresh-") as folder:
        clone = Path(folder) / "pems"
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)  # noqa: ASYNC221, S607
        programs = Path(folder) / "bin"
        programs.mkdir()
        environ = without_node(programs)
        began = perf_counter()
        make = str(shutil.which("make", path=environ["PATH"]))
        making = await asyncio.create_subprocess_exec(
            make, "demo", cwd=clone, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            installed = await said(making, INSTALLED, INSTALL_WITHIN_S)
            print(f"packages installed after {perf_counter() - began:.0f} s", flush=True)
            demo_began = perf_counter()
            address = (await said(making, PAGES, LIVE_WITHIN_S))[1]
            print(f"{installed[0].strip()}: {address} after {perf_counter() - demo_began:.1f} s", flush=True)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=program("chromium"), args=FLAGS)
                page = await browser.new_page(viewport=TABLET)  # type: ignore[arg-type]
                await page.goto(f"{address}/now")
                await page.wait_for_selector(
                    '.pems[data-state="running"] [data-test="doing"]', timeout=1e3 * LIVE_WITHIN_S
                )
                live_s = perf_counter() - demo_began
                print(f"Now: {(await page.inner_text('[data-test=doing]')).strip()}")
                print(f"live after {live_s:.1f} s (bar: {BAR_S:g} s)", flush=True)
                await browser.close()
        finally:
            if making.returncode is None:
                os.killpg(making.pid, signal.SIGINT)
                await asyncio.wait_for(making.wait(), 60)


async def said(making: asyncio.subprocess.Process, pattern: re.Pattern[str], within_s: float) -> re.Match[str]:
    """Wait until it says something."""
    assert making.stdout is not None
    async with asyncio.timeout(within_s):
        async for line in making.stdout:
            text = line.decode(errors="replace").rstrip()
            print(f"  {text[:150]}", flush=True)
            if found := pattern.search(text):
                return found
    raise AssertionError("it ended")


if __name__ == "__main__":
    sys.exit(asyncio.run(measure()))
