"""For which house a cycle was planned, as the ledger keeps it: enough to plan it again later."""

import hashlib
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pems_core.planning.planner import PlanOptions
from pems_core.recording.ledger.coding import plain
from pems_core.site import HouseFile

PACKAGES = ("pems", "highspy", "pyomo", "numpy", "pandas")


def house_record(
    house: HouseFile, options: PlanOptions, strategy: str, identified: Mapping[str, Any] | None = None
) -> tuple[str, Mapping[str, Any]]:
    """The fingerprint of a house, and what it was made from.

    Secrets are not in it: a house file only names where they come from.

    :param options: with which plans are made.
    :param strategy: name of the strategy that plans follow.
    :param identified: by device: numbers with which it is planned in place of those of the house file.
    """
    record = {
        "files": [[file.name, file.read_text(encoding="utf-8")] for file in house.config.files if file.exists()],
        "strategy": strategy,
        "options": plain(options),
        "versions": versions(),
        "identified": dict(identified or {}),
    }
    return fingerprint(house, options, strategy, identified), record


def fingerprint(
    house: HouseFile, options: PlanOptions, strategy: str, identified: Mapping[str, Any] | None = None
) -> str:
    """Differs when anything differs that a plan depends on: configuration, options, strategy, versions, numbers."""
    sections = {
        kind.__qualname__: [section.model_dump_json() for section in tables]
        for kind, tables in house.config.tables.items()
    }
    parts = [sections, plain(options), strategy, versions(), *([identified] if identified else [])]
    said = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
