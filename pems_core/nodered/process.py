"""Node-RED as a process of its own."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .installed import FOLDER, NotInstalled, node, program

STARTED_WITHIN_S = 60.0
ENDED_WITHIN_S = 10.0


@dataclass
class NodeRed:
    """Runs the flows for one house.

    :param url: of the broker.
    :param folder: what Node-RED keeps, a copy of the flows among it: that one is the operator's own.
    :param port: of the pages; 0 takes a free one.
    :param environ: further variables, such as passwords.
    """

    url: str
    site: str
    folder: Path
    prefix: str = "pems"
    port: int = 0
    host: str = "127.0.0.1"
    version: int = 5
    environ: Mapping[str, str] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def pages(self) -> str:
        return f"http://{self.host}:{self.port}/dashboard"

    @property
    def log(self) -> Path:
        return self.folder / "node-red.log"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start, and wait until it serves pages.

        :raises NotInstalled: if it is not installed, or does not start; with where its words are.
        """
        self.port = self.port or free_port(self.host)
        self.folder.mkdir(parents=True, exist_ok=True)
        flows = self.folder / "flows.json"
        if not flows.exists():
            shutil.copyfile(FOLDER / "flows.json", flows)
        words = [str(node()), str(program(self.version)), "--settings", str(FOLDER / "settings.cjs")]
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *words, "--userDir", str(self.folder.absolute()), str(flows.absolute()),
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env=self._environ(), cwd=FOLDER,
                start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(STARTED_WITHIN_S):
                await self._serving()
        except TimeoutError:
            await self.stop()
            raise NotInstalled(f"Node-RED did not start in {STARTED_WITHIN_S:g} s; see {self.log}") from None

    async def ended(self) -> int:
        """Wait until it ends by itself; with what code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """End it in good order, or else at once."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDED_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["NodeRed"]:
        """Run from entering to leaving."""
        try:
            await self.start()
            yield self
        finally:
            await self.stop()

    async def _serving(self) -> None:
        while True:
            assert self._process is not None
            if self._process.returncode is not None:
                raise NotInstalled(f"Node-RED ended with {self._process.returncode}; see {self.log}")
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return

    def _environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "PEMS_MQTT_URL": self.url,
            "PEMS_MQTT_PREFIX": self.prefix,
            "PEMS_SITE": self.site,
            "PEMS_NODERED_HOST": self.host,
            "PEMS_NODERED_PORT": str(self.port),
            # Its input is closed when this process dies, however it does.
            "PEMS_NODERED_ENDS_WITH_INPUT": "true",
            **self.environ,
        }


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind((host, 0))
        port: int = found.getsockname()[1]
        return port
