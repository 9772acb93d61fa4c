"""The files by which an engine, its guard and the command line know of each other."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pems_core.domain import ConfigError
from pems_core.recording.ledger.place import LEDGER
from pems_core.sourcing.place import FILE
from pems_core.store_lock import engine_alive

LONGEST_SOCKET = 100
"""The system takes addresses of at most 107 bytes."""


@dataclass(frozen=True)
class StateFolder:
    """What PEMS remembers of one house over a restart, and what its processes tell each other."""

    path: Path

    def make(self) -> "StateFolder":
        """
        :raises ConfigError: if there can be no such folder.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            allowed = "a folder that PEMS may make and write in"
            raise ConfigError([f"state.folder: found {self.path}: {error.strerror}; allowed: {allowed}"]) from error
        return self

    @property
    def engine(self) -> Path:
        """Which engine runs, or ran last: session, process, and the devices that it may command."""
        return self.path / "engine.json"

    @property
    def heartbeat(self) -> Path:
        """Written anew while the whole loop of the engine is healthy, and not otherwise."""
        return self.path / "heartbeat.json"

    @property
    def ended(self) -> Path:
        """What the engine that ended last said of its end; one that crashed says nothing."""
        return self.path / "ended.json"

    @property
    def stop_asked(self) -> Path:
        """An emergency stop that a person asked for while no engine answered; it waits for the next that does."""
        return self.path / "stop.json"

    @property
    def guarded(self) -> Path:
        """Since when which process guards, none if nobody does, and what the guard did last."""
        return self.path / "guard.json"

    def given_back(self) -> Mapping[str, datetime]:
        """Devices that the guard has given back beside an engine, and when it had done so last."""
        done = read_json(self.guarded)
        try:
            at = datetime.fromisoformat(done["ended"])
            return {str(device): at for device in done["devices"]}
        except (KeyError, TypeError, ValueError):
            return {}

    @property
    def guard(self) -> Path:
        """Which process guards."""
        return self.path / "guard.pid.json"

    @property
    def points(self) -> Path:
        """Points that wait for InfluxDB."""
        return self.path / "influxdb.sqlite3"

    @property
    def ledger(self) -> Path:
        """What happened; see docs/ledger.md."""
        return self.path / LEDGER

    @property
    def models(self) -> Path:
        """What was learned of the house."""
        return self.path / "models"

    @property
    def sources(self) -> Path:
        """What weather services, exchanges and banks have said."""
        return self.path / FILE

    @property
    def guard_log(self) -> Path:
        return self.path / "guard.log"

    @property
    def socket(self) -> Path:
        """Where the engine takes requests of the command line."""
        beside = self.path / "engine.sock"
        if len(os.fsencode(beside)) <= LONGEST_SOCKET:
            return beside
        name = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"pems-{os.getuid()}-{name}.sock"

    @property
    def engine_lives(self) -> bool:
        """Whether an engine holds the store; the system frees it when that process dies, however it does."""
        return engine_alive(self.path)

    @property
    def taken(self) -> Sequence[str]:
        """Devices that the engine which runs, or ran last, had commanded at its last heartbeat."""
        beat = read_json(self.heartbeat)
        return list(beat.get("taken", ())) if beat.get("session") == self.session else []

    @property
    def session(self) -> str:
        """Of the engine that runs, or ran last."""
        return str(read_json(self.engine).get("session", ""))

    @property
    def devices(self) -> Sequence[str]:
        """Devices that the engine which runs, or ran last, may command."""
        return list(read_json(self.engine).get("devices", ()))

    def ended_orderly(self, session: str) -> bool:
        """Whether an engine told that it has ended and given its devices back."""
        end = read_json(self.ended)
        return end.get("session") == session and end.get("released") is True


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty if there is none, or it is broken."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Replace a file as a whole: whoever reads it finds the old content or the new one.

    On a full disk the old file is written over, which needs no room.

    :raises OSError: if not even that can be done.
    """
    new, text = path.with_suffix(".new"), json.dumps(content).encode()
    try:
        new.write_bytes(text)
    except OSError:
        new.unlink(missing_ok=True)
        with path.open("r+b") as file:
            file.write(text)
            file.truncate()
    else:
        new.replace(path)
