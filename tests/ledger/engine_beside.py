"""What an engine gives to those that work out savings beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pems_core.recording.metrics.money import Money
from pems_core.runtime.live import Live
from pems_core.runtime.savings import Savings
from pems_core.site import HouseFile

from .houses import Written


@dataclass
class Alerts:
    begun: list[str] = field(default_factory=list)

    def begin(self, place: str, text: str) -> None:
        self.begun.append(f"{place}: {text}")

    def end(self, place: str) -> None:
        pass


@dataclass
class Engine:
    house: HouseFile
    now: datetime
    alerts: Alerts = field(default_factory=Alerts)


async def asked(day: Written, ledger: Path) -> tuple[list[Mapping[str, Any]], list[Sequence[Money]], list[str]]:
    """What is told, what is kept, and what went wrong when savings are asked for late in the day."""
    engine = Engine(day.house, day.end - timedelta(seconds=1))
    said: list[Mapping[str, Any]] = []
    money: list[Sequence[Money]] = []
    savings = Savings(cast("Live", engine), day.house_file, ledger, timedelta(hours=1), said.append)
    savings.keep = lambda periods, _: money.append(periods)
    await savings.look()
    return said, money, engine.alerts.begun
