"""What browsers get is what the sources give, and what is plain code among the pages does what it says."""

import os
import re
import subprocess
from pathlib import Path

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
