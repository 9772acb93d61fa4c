"""A real Mosquitto on a free loopback port, for tests."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

COMMON = ("persistence false", "max_queued_messages 100000", "set_tcp_nodelay true")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Where a program is; skips the test if it is not installed, except in CI, where it must be."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        why = f"{name} is not installed; get it with: make programs"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


class Mosquitto:
    """A broker that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, *lines: str) -> None:
        """
        :param lines: of mosquitto.conf, in place of anonymous access on a plain listener.
        """
        self.port = free_port()
        self.folder = folder
        self._program = program("mosquitto")
        self._config = folder / f"mosquitto-{self.port}.conf"
        said = [line.format(port=self.port) for line in lines] or [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
        ]
        # Started by root it would become another user, who cannot read a test's folder.
        self._config.write_text("\n".join([*COMMON, f"user {getpass.getuser()}", *said, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> "Mosquitto":
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
