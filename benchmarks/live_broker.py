"""A Mosquitto of a benchmark's own, on a free loopback port."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

STARTS_WITHIN_S = 10.0
MISSING = "mosquitto is not installed, and a real broker is measured; get it with: make programs"


class Broker:
    """A real broker, which can be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        """
        :raises FileNotFoundError: if Mosquitto is not installed.
        """
        found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None:
            raise FileNotFoundError(MISSING)
        self.port = _free_port()
        self._program = found
        self._file = folder / "mosquitto.conf"
        always = ["max_queued_messages 100000", "set_tcp_nodelay true"]
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", *always, ""]
        self._file.write_text("\n".join(lines), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when it listens."""
        command = [self._program, "-c", str(self._file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.02)
        raise TimeoutError(f"Mosquitto does not listen on port {self.port}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STARTS_WITHIN_S)
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
