"""What browsers get is what the sources give, and what is plain code among the pages does what it says."""

import asyncio
import json
import os
import re
import subprocess
import time
import urllib.error
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


def read(url: str, within_s: float = 60.0) -> bytes:
    """What is at an address of this machine; the server is up a moment before its flows are."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - an address of this test
                said: bytes = answer.read()
                return said
        except urllib.error.HTTPError as error:
            if error.code != 404 or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
