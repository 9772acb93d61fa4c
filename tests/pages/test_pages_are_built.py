"""What browsers get is what the sources give, and what is plain code among the pages does what it says."""

import asyncio
import gzip
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from pems_core.nodered import NodeRed
from pems_core.nodered.installed import FOLDER, node

PACKAGE = FOLDER / "packages" / "node-red-dashboard-2-pems"
BUILT = "pems-pages.umd.js"


def run(*words: str, folder: Path = PACKAGE) -> str:
    """Run Node.js, and what it said; its words if it fails."""
    environ = os.environ | {"PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([str(node()), *words], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_browsers_get_is_built_from_the_sources(tmp_path: Path) -> None:
    run(str(FOLDER / "node_modules" / "vite" / "bin" / "vite.js"), "build", "--outDir", str(tmp_path))
    assert (tmp_path / BUILT).read_text() == (PACKAGE / "resources" / BUILT).read_text(), "run: npm run build:pages"


def test_browsers_get_little_and_nothing_from_elsewhere() -> None:
    built = (PACKAGE / "resources" / BUILT).read_text()
    assert len(built) < 250_000
    # Names of XML namespaces are no addresses.
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", built)) - {"http://www.w3.org/2000/svg"}
    assert addresses == set()


def test_the_plain_code_of_the_pages() -> None:
    said = run("--test", *sorted(str(file) for file in (PACKAGE / "test").glob("*.test.mjs")))
    assert re.search(r"^ℹ fail 0$|^# fail 0$", said, re.MULTILINE), said


@pytest.mark.parametrize("version", [5, 4])
@pytest.mark.parametrize("editor", [False, True])
async def test_browsers_get_the_pages_with_and_without_an_editor(editor: bool, version: int, tmp_path: Path) -> None:
    words = {"PEMS_NODERED_ADMIN_PASSWORD_HASH": "$2b$08$" + "a" * 53} if editor else {}
    front = NodeRed("mqtt://127.0.0.1:1", "home", tmp_path, version=version, environ=words)
    async with front.serving():
        origin = front.pages.removesuffix("/dashboard")
        setup = json.loads(await asyncio.to_thread(read, f"{front.pages}/_setup"))
        root = setup["RED"]["httpAdminRoot"].rstrip("/")
        for file in (BUILT, "inter-latin.woff2"):
            got = await asyncio.to_thread(read, f"{origin}{root}/resources/node-red-dashboard-2-pems/{file}")
            assert got == (PACKAGE / "resources" / file).read_bytes()


async def test_the_address_as_it_is_printed_leads_to_where_its_files_are_found(tmp_path: Path) -> None:
    front = NodeRed("mqtt://127.0.0.1:1", "home", tmp_path)

    def found(address: str) -> tuple[str, list[int]]:
        read(address, accept="text/html")
        page = urllib.request.Request(address, headers={"Accept": "text/html"})  # noqa: S310 - an address of this test
        with urllib.request.urlopen(page, timeout=30) as answer:  # noqa: S310
            at, text = answer.url, answer.read().decode()
        files = re.findall(r'(?:src|href)="(\./assets/[^"]+)"', text)
        return at, [len(read(urllib.parse.urljoin(at, file))) for file in files]

    async with front.serving():
        at, sizes = await asyncio.to_thread(found, front.pages)
    assert at == f"{front.pages}/"
    assert len(sizes) >= 2
    assert all(sizes)


async def test_browsers_see_something_before_any_code_and_keep_what_they_got(tmp_path: Path) -> None:
    front = NodeRed("mqtt://127.0.0.1:1", "home", tmp_path)
    async with front.serving():
        page = (await asyncio.to_thread(read, f"{front.pages}/now", accept="text/html")).decode()
        assert 'class="pems-first"' in page
        asset = re.search(r'src="\./(assets/index-[\w-]+\.js)"', page)
        assert asset is not None
        packed = {"Accept-Encoding": "gzip"}
        request = urllib.request.Request(f"{front.pages}/{asset[1]}", headers=packed)  # noqa: S310 - of this test
        with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert "immutable" in answer.headers["Cache-Control"]
            dashboard = FOLDER / "node_modules" / "@flowfuse" / "node-red-dashboard" / "dist"
            assert gzip.decompress(answer.read()) == (dashboard / asset[1]).read_bytes()
        # Dashboard's own would fetch megabytes beside the page.
        assert b"precache" not in await asyncio.to_thread(read, f"{front.pages}/sw.js")


def read(url: str, within_s: float = 60.0, accept: str = "*/*") -> bytes:
    """What is at an address of this machine; the server is up a moment before its flows are."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - an address of this test
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                said: bytes = answer.read()
                return said
        except urllib.error.HTTPError as error:
            if error.code != 404 or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
