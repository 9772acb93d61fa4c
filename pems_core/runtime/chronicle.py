"""Tells the ledger what happens in a house that runs; nobody waits for that."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pems_core.alerting.judge import News
from pems_core.domain import Alert, CycleReport, Forecasts
from pems_core.recording.ledger.coding import plain
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.measured import PRICES, Means, levels, numbers, words
from pems_core.recording.ledger.scribe import Scribe
from pems_core.recording.metrics import Household, Moment
from pems_core.recording.metrics.heating import heating_kw
from pems_core.recording.metrics.moment import SLOW_MAX_AGE, total

from .live import Live

SAMPLE_EVERY_S = 15.0
"""[s of the clock]"""
LEAST_WAIT_S = 0.2
"""However fast the clock is [s of the wall]."""


@dataclass
class Chronicle:
    """Samples the house, looks at each cycle, and hands both to the thread that writes.

    :param record: the house and its fingerprint, with the numbers that were identified of its devices.
    :param identified: these numbers as plans have them now, by device.
    """

    live: Live
    scribe: Scribe
    record: Callable[[Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
    identified: Callable[[], Mapping[str, Any]] = dict
    _means: Means = field(default_factory=Means)
    _overrides: dict[tuple[str, str], Any] = field(default_factory=dict)
    _introduced: Mapping[str, Any] | None = None

    async def run(self) -> None:
        """Sample now and then until cancelled."""
        clock = self.live.clock
        while True:
            await clock.sleep(max(SAMPLE_EVERY_S, LEAST_WAIT_S * clock.speed))
            self.sample()

    async def look(self, report: CycleReport, reasons: Sequence[str]) -> None:
        """Keep a cycle, and what people have set since the one before."""
        self._introduce()
        why = tuple(reasons)
        self.scribe.hand(lambda ledger: ledger.add_cycle(report, why))
        self._note_overrides()

    def told(self, news: News) -> None:
        """Keep that alerts began and ended."""
        now = self.live.now
        for what, alerts in (("began", news.begun), ("ended", news.over)):
            for alert in alerts:
                self._hand_event(now, "alert", alert.place, {"what": what, **plain(alert)})

    def sample(self) -> None:
        """Take what is measured now into the running means."""
        live = self.live
        readings, spoken = live.readings, words(live.readings)
        if not readings.points:
            return
        completed = self._means.add(readings.now, self._values())
        self.scribe.hand(lambda ledger: ledger.add_words(readings.now, spoken))
        if completed is not None and completed[1]:
            start, means = completed
            self.scribe.hand(lambda ledger: ledger.add_telemetry(start, self._means.interval, means))

    @property
    def alerts(self) -> Sequence[Alert]:
        return self.scribe.alerts

    async def close(self) -> None:
        """Have written what there is."""
        await asyncio.to_thread(self.scribe.close)

    def beside(self, forecasts: Forecasts) -> None:
        """Keep forecasts that were made for the last cycle and used by nobody."""
        self.scribe.hand(lambda ledger: ledger.add_beside(forecasts))

    def _introduce(self) -> None:
        """Say for which house cycles are: at first, and when its devices have other numbers."""
        identified = self.identified()
        if self._introduced != identified:
            self._introduced = identified
            fingerprint, record = self.record(identified)
            self.scribe.hand(lambda ledger: ledger.add_house(fingerprint, record))

    def _note_overrides(self) -> None:
        """Overrides as they are now, whenever one has changed: set, priced or ended."""
        now = self.live.now
        found = {
            (active.override.device, active.override.control): {**plain(active.override), "costs": active.costs}
            for active in self.live.commanding.overrides.active
        }
        for name, content in found.items():
            if self._overrides.get(name) != content:
                self._hand_event(now, "override", ".".join(name), content)
        for name in self._overrides.keys() - found.keys():
            self._hand_event(now, "override", ".".join(name), {"ended": now.isoformat()})
        self._overrides = found

    def _hand_event(self, at: datetime, kind: str, name: str, content: Mapping[str, Any]) -> None:
        def work(ledger: Ledger) -> None:
            ledger.add_event(at, kind, name, content)

        self.scribe.hand(work)

    def _values(self) -> dict[str, float]:
        """Every numeric point, what is stored, and what the books need."""
        live = self.live
        moment = Moment(
            Household(live.house.site.name, live.house.equipment), live.readings, live.state, None, live.report
        )
        inverters = moment.household.inverters
        flows: dict[str, float | None] = {
            "grid_import_kw": moment.number("site/import_kw", "kW"),
            "grid_export_kw": moment.number("site/export_kw", "kW"),
            "pv_kw": moment.number("site/pv_kw", "kW"),
            "heating_kw": heating_kw(moment) if moment.household.heatings else 0.0,
            "battery_terminal_charge_kw": total(moment.number(f"{name}/charge_kw", "kW") for name in inverters),
            "battery_terminal_discharge_kw": total(moment.number(f"{name}/discharge_kw", "kW") for name in inverters),
            "base_load_kw": live.recorder.sample(live.readings).get("base_load_kw"),
            "outdoor_temperature_c": moment.number("site/outdoor_temperature_c", "°C", SLOW_MAX_AGE),
            "ghi_w_m2": moment.number("site/ghi_w_m2", "W/m2", SLOW_MAX_AGE),
            **{price: moment.expected(price) for price in PRICES},
        }
        known = {name: value for name, value in flows.items() if value is not None}
        return numbers(live.readings) | levels(live.state) | known
