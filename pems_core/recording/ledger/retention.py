"""How long the ledger keeps what, and how it is thinned out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.commanding.database import Statement

from .coding import MICROSECOND, micros

KEEP_HOURLY = (
    "DELETE FROM forecasts WHERE at < ?1 AND cycle < (SELECT ifnull(min(number), 1e18) FROM cycles WHERE at >= ?1) "
    "AND cycle NOT IN (SELECT min(number) FROM cycles WHERE at < ?1 GROUP BY at / 3600000000)"
)
"""Forecasts begin moments before their cycle: those of one that is kept whole stay."""
BEGINS = {"cycles": "at", "forecasts": "at", "telemetry": "start", "changes": "at", "commands": "at", "events": "at"}


@dataclass(frozen=True, slots=True)
class Retention:
    """In days; see `[recording]` in pems.example.toml.

    :param detail: whole inputs and plans, and every vintage of the forecasts; of older ones one an hour is kept.
    :param all: everything else.
    """

    detail: float = 60.0
    all: float = 800.0

    def statements(self, now: datetime) -> Sequence[Statement]:
        """What thins the ledger out; each is quick when it runs daily."""
        detail, oldest = (micros(now) - timedelta(days=days) // MICROSECOND for days in (self.detail, self.all))
        return [
            Statement("UPDATE cycles SET inputs = NULL, plan = NULL WHERE at < ? AND inputs IS NOT NULL", (detail,)),
            Statement(KEEP_HOURLY, (detail,)),
            *(Statement(f"DELETE FROM {table} WHERE {at} < ?", (oldest,)) for table, at in BEGINS.items()),  # noqa: S608
        ]
