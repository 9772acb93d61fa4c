"""Models that were learned: each version in a file with its checksum, which one is in use, and how good it was."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from pems_core.domain import Learned, PemsError
from pems_core.set_aside import set_aside

DATABASE = "models.sqlite3"
BUSY_S = 5.0
KEPT = 10
"""So many versions of a model are kept, and always the one in use and the one before."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS versions (
    model TEXT NOT NULL, number INTEGER NOT NULL, made_at TEXT NOT NULL, learned_from TEXT NOT NULL,
    learned_until TEXT NOT NULL, code TEXT NOT NULL, metrics TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (model, number)
);
CREATE TABLE IF NOT EXISTS uses (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, number INTEGER, at TEXT NOT NULL, by TEXT NOT NULL, why TEXT NOT NULL,
    stage TEXT NOT NULL DEFAULT 'in use'
);
CREATE TABLE IF NOT EXISTS health (model TEXT PRIMARY KEY, at TEXT NOT NULL, content TEXT NOT NULL)
"""
ADD_STAGE = "ALTER TABLE uses ADD COLUMN stage TEXT NOT NULL DEFAULT 'in use'"
"""For a database that was made when a version was either in use or not."""


class Stage(StrEnum):
    """How far a version is trusted."""

    SHADOW = "shadow"
    """It foresees beside the one in use, and nobody uses what it says."""
    TRIAL = "trial"
    """It is used on some days."""
    IN_USE = "in use"
    SET_ASIDE = "set aside"
    """It was tried and is not used."""
    NOTED = "noted"
    """Nothing changed, and something is worth knowing."""


class BrokenModel(PemsError):
    """A model's file is missing or was changed: what does without it answers."""


class NoSuchModel(PemsError):
    """There is no such version."""


@dataclass(frozen=True, slots=True)
class Version:
    model: str
    number: int
    made_at: datetime
    learned_from: datetime
    learned_until: datetime
    code: str
    """Version of PEMS that made it."""
    metrics: Mapping[str, float]
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Use:
    """Since when a version is in use (None: none is) or at another stage, who decided it, and why."""

    number: int | None
    at: datetime
    by: str
    why: str
    stage: Stage = Stage.IN_USE


@dataclass(frozen=True, slots=True)
class Tried:
    """A new version on its way, and since when it is at its stage."""

    version: Version
    stage: Stage
    since: datetime
    in_shadow_since: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """How a model was found to do when it was looked at last."""

    at: datetime
    fault: str
    """What is wrong with it; empty if nothing is."""
    learn_anew: bool
    errors: Mapping[str, Mapping[str, float]]
    """Mean absolute errors by who foresaw (`version 3`, `fallback`) and by how far ahead it was."""


class ModelRegistry:
    """Keeps versions in a folder: whoever crashes while saving leaves the version before in use.

    :param folder: made when the first version is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def renewed(self, now: datetime) -> str:
        """Set a damaged database aside, so that models are learned anew; what was done, empty if nothing."""
        path = self.folder / DATABASE
        if not path.exists():
            return ""
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_S)) as database:
                found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError:
            # Somebody holds it, or it may not be read: that passes, or is mended by a person.
            return ""
        except sqlite3.DatabaseError as damage:
            found = str(damage)
        if found == "ok":
            return ""
        aside = set_aside(path, now)
        return f"{path} was damaged ({found}) and is set aside as {aside.name}; all models are learned anew"

    def add(self, model: str, learned: Learned, made_at: datetime) -> Version:
        """Keep a new version; it is not used before `use` says so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(learned.content, sort_keys=True, allow_nan=False).encode()
        digest = hashlib.sha256(text).hexdigest()
        with self._database() as database:
            found = database.execute("SELECT max(number) FROM versions WHERE model = ?", (model,)).fetchone()[0]
            number = (found or 0) + 1
            file = f"{model}-{number}.json"
            _write(self.folder / file, text)
            said = Version(
                model, number, made_at, learned.learned_from, learned.learned_until, package_version("pems"),
                dict(learned.metrics), file, digest,
            )  # fmt: skip
            database.execute("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(said))
        self._forget_old(model)
        return said

    def use(self, model: str, number: int | None, at: datetime, by: str, why: str) -> None:
        """Take a version into use, or none.

        :raises NoSuchModel: if there is no such version.
        """
        self.tell(model, number, Stage.IN_USE, at, by, why)

    def tell(self, model: str, number: int | None, stage: Stage, at: datetime, by: str, why: str) -> None:
        """Bring a version to a stage.

        :raises NoSuchModel: if there is no such version.
        """
        if number is not None:
            self.version(model, number)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._database() as database:
            database.execute(
                "INSERT INTO uses (model, number, at, by, why, stage) VALUES (?, ?, ?, ?, ?, ?)",
                (model, number, at.isoformat(), by, why, str(stage)),
            )

    def roll_back(self, model: str, at: datetime, by: str, why: str) -> Version | None:
        """Go back to the version that was in use before the present one; None if none was.

        :raises NoSuchModel: if no version is in use.
        """
        uses = self.uses(model)
        if not uses or uses[-1].number is None:
            raise NoSuchModel(f"{model}: found no version in use; there is nothing to go back from")
        present = uses[-1].number
        before = next((use.number for use in reversed(uses) if use.number != present), None)
        self.use(model, before, at, by, why)
        return None if before is None else self.version(model, before)

    def in_use(self, model: str) -> Version | None:
        """The version in use; None if there is none."""
        uses = self.uses(model)
        number = uses[-1].number if uses else None
        return None if number is None else self.version(model, number)

    def tried(self, model: str) -> Tried | None:
        """The new version that is in shadow or on trial; None if there is none."""
        found: Use | None = None
        shadow = found
        for use in self.story(model):
            if use.stage is Stage.SHADOW:
                found = shadow = use
            elif use.stage is Stage.TRIAL:
                found, shadow = use, shadow if shadow is not None and shadow.number == use.number else use
            elif found is not None and use.number == found.number and use.stage is not Stage.NOTED:
                found = shadow = None
        if found is None or shadow is None or found.number is None:
            return None
        return Tried(self.version(model, found.number), found.stage, found.at, shadow.at)

    def before(self, model: str) -> Version | None:
        """The version that the one in use has replaced, if it is still kept."""
        uses = self.uses(model)
        if not uses or uses[-1].number is None:
            return None
        number = next((use.number for use in reversed(uses) if use.number != uses[-1].number), None)
        return next((version for version in self.versions(model) if version.number == number), None)

    def examined(self, model: str, health: Health) -> None:
        """Keep how a model does, in place of what was found before."""
        content = {"fault": health.fault, "learn_anew": health.learn_anew, "errors": health.errors}
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._database() as database:
            row = (model, health.at.isoformat(), json.dumps(content))
            database.execute("INSERT OR REPLACE INTO health VALUES (?, ?, ?)", row)

    def health(self, model: str) -> Health | None:
        """How a model was found to do last; None if nobody has looked."""
        for at, content in self._rows("SELECT at, content FROM health WHERE model = ?", model):
            return Health(datetime.fromisoformat(at), **json.loads(content))
        return None

    def content(self, version: Version) -> Mapping[str, Any]:
        """What was learned.

        :raises BrokenModel: if the file is not what was kept.
        """
        path = self.folder / version.file
        try:
            text = path.read_bytes()
        except OSError as error:
            raise BrokenModel(f"{path}: {error.strerror}; version {version.number} cannot be used") from error
        if hashlib.sha256(text).hexdigest() != version.sha256:
            raise BrokenModel(f"{path}: found another checksum than when it was kept; it cannot be used")
        found: Mapping[str, Any] = json.loads(text)
        return found

    def models(self) -> Sequence[str]:
        """All models of which there is a version, or something to tell, by name."""
        return [name for (name,) in self._rows("SELECT model FROM versions UNION SELECT model FROM uses ORDER BY 1")]

    def versions(self, model: str) -> Sequence[Version]:
        """All versions of a model, oldest first."""
        rows = self._rows("SELECT * FROM versions WHERE model = ? ORDER BY number", model)
        return [_version(row) for row in rows]

    def version(self, model: str, number: int) -> Version:
        """One version.

        :raises NoSuchModel: if there is no such version.
        """
        found = {version.number: version for version in self.versions(model)}
        if number not in found:
            allowed = ", ".join(map(str, found)) or "none"
            raise NoSuchModel(f"{model}: found no version {number}; there are: {allowed}")
        return found[number]

    def uses(self, model: str) -> Sequence[Use]:
        """What was in use when, oldest first."""
        return [use for use in self.story(model) if use.stage is Stage.IN_USE]

    def story(self, model: str) -> Sequence[Use]:
        """All that happened to the versions of a model, oldest first."""
        rows = self._rows("SELECT number, at, by, why, stage FROM uses WHERE model = ? ORDER BY id", model)
        return [Use(number, datetime.fromisoformat(at), by, why, Stage(stage)) for number, at, by, why, stage in rows]

    def _forget_old(self, model: str) -> None:
        recent = {use.number for use in self.uses(model)[-2:]}
        tried = self.tried(model)
        if tried is not None:
            recent.add(tried.version.number)
        old = [version for version in self.versions(model)[:-KEPT] if version.number not in recent]
        with self._database() as database:
            for version in old:
                database.execute("DELETE FROM versions WHERE model = ? AND number = ?", (model, version.number))
        for version in old:
            (self.folder / version.file).unlink(missing_ok=True)

    def _rows(self, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
        if not (self.folder / DATABASE).exists():
            return []
        with self._database() as database:
            return database.execute(sql, values).fetchall()

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A transaction: written as a whole or not at all."""
        database = sqlite3.connect(self.folder / DATABASE, timeout=BUSY_S)
        try:
            database.executescript(SCHEMA)
            if "stage" not in {row[1] for row in database.execute("PRAGMA table_info(uses)")}:
                database.execute(ADD_STAGE)
            with database:
                yield database
        except sqlite3.DatabaseError as fault:
            raise BrokenModel(f"{self.folder / DATABASE}: {fault}; models cannot be used") from fault
        finally:
            database.close()


def _write(path: Path, text: bytes) -> None:
    """Whoever reads the file finds all of it or none."""
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _row(said: Version) -> tuple[object, ...]:
    times = (said.made_at.isoformat(), said.learned_from.isoformat(), said.learned_until.isoformat())
    metrics = json.dumps(dict(said.metrics))
    return (said.model, said.number, *times, said.code, metrics, said.file, said.sha256)


def _version(row: tuple[Any, ...]) -> Version:
    model, number, made_at, learned_from, learned_until, code, metrics, file, digest = row
    times = [datetime.fromisoformat(text) for text in (made_at, learned_from, learned_until)]
    return Version(model, number, times[0], times[1], times[2], code, json.loads(metrics), file, digest)
