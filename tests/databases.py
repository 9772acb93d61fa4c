"""Real time series databases on free loopback ports, for tests: InfluxDB 1.6, and VictoriaMetrics for v2 writes."""

import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .brokers import free_port, program

UP_WITHIN_S = 30.0


class Server:
    """A database that can be killed and started again on the same port with the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> "Server":
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        deadline = time.monotonic() + UP_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, f"it ended, see {self.folder}/server.log"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """As a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def get(self, path: str, **query: str) -> str:
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - of this machine
            return str(answer.read().decode())

    def _answers(self) -> bool:
        try:
            self.get(self.ping)
        except OSError:
            return False
        return True

    ping = "/"

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(UP_WITHIN_S)
            self._process = None


INFLUXDB_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
index-version = "inmem"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {with_users}
[monitor]
store-enabled = false
"""


class InfluxDb(Server):
    """Debian's InfluxDB 1.6."""

    ping = "/ping"

    def __init__(self, folder: Path, *, with_users: bool = False) -> None:
        super().__init__(folder)
        self._config = folder / "influxdb.conf"
        self._config.write_text(
            INFLUXDB_CONFIG.format(folder=folder, port=self.port, rpc=free_port(), with_users=str(with_users).lower())
        )

    def command(self) -> list[str]:
        return [program("influxd"), "-config", str(self._config)]

    def ask(self, question: str, database: str = "pems") -> list[dict[str, Any]]:
        """The series of the answer; times in milliseconds."""
        result = json.loads(self.get("/query", db=database, q=question, epoch="ms"))["results"][0]
        if result.get("error", "").startswith("database not found"):
            return []
        assert "error" not in result, result
        return list(result.get("series", []))

    def tell(self, what: str, **query: str) -> None:
        """Have it do something."""
        address = f"{self.url}/query?{urllib.parse.urlencode({'q': what, **query})}"
        urllib.request.urlopen(address, b"", timeout=30).close()  # noqa: S310 - of this machine

    def counted(self, measurement: str, field: str) -> int:
        """How many points have a field."""
        found = self.ask(f'SELECT count("{field}") FROM "{measurement}"')  # noqa: S608
        return int(found[0]["values"][0][1]) if found else 0


class VictoriaMetrics(Server):
    """Debian's VictoriaMetrics, which takes v2 writes."""

    ping = "/health"

    def command(self) -> list[str]:
        return [
            program("victoria-metrics"),
            f"-storageDataPath={self.folder}/data",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            # What is written again is the same point only to a server that is told so.
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]

    def times(self, metric: str) -> dict[str, list[int]]:
        """Times [ms] of every sample of a metric, by its tags."""
        self.get("/internal/force_flush")
        text = self.get("/api/v1/export", **{"match[]": metric})
        found: dict[str, list[int]] = {}
        for line in text.splitlines():
            series = json.loads(line)
            found.setdefault(json.dumps(series["metric"], sort_keys=True), []).extend(series["timestamps"])
        return found
