"""Models of a running house: versions are handed to who learned them, tried side by side, and looked after by night."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pems_core.config import LearningSection
from pems_core.domain import CycleReport, Equipment, Forecasts, History, PemsError, SiteState
from pems_core.forecasting.chain import ask
from pems_core.learning.device_models import DeviceModel, in_force
from pems_core.learning.equipping import identified_numbers
from pems_core.learning.monitor import FALLBACK, stored_as, who_of
from pems_core.learning.registry import DATABASE, ModelRegistry
from pems_core.learning.training import follow
from pems_core.learning.versioned import Versioned
from pems_core.protocols import Identifiable

from .beside import done_beside
from .live import Live

LOOK_EVERY_S = 300.0
"""[s of the clock]"""
NIGHT_H = 4
PLACE = "learning"


@dataclass
class Learning:
    """Looks now and then whether other versions are there, tries new ones, and has models looked after by night.

    :param house: the house file; None: nothing is learned.
    :param devices: what can be identified.
    :param keep: keeps forecasts that nobody used.
    """

    live: Live
    learners: Sequence[Versioned]
    registry: ModelRegistry
    section: LearningSection
    house: Path | None
    devices: Sequence[DeviceModel] = ()
    keep: Callable[[Forecasts], None] = lambda _: None
    history: Callable[[], Awaitable[History]] | None = None
    _seen: float | None = None
    _tried: date | None = None
    _beside_at: object = None
    _wanted: dict[str, tuple[str, Equipment]] = field(default_factory=dict)
    _equipped: dict[str, str] = field(default_factory=dict)
    """By device: the version that it is planned with."""
    _configured: dict[str, Equipment] = field(init=False)

    def __post_init__(self) -> None:
        self._configured = {device.name: device.equipment for device in self.live.devices}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            if self.due():
                await self._learn()
            await self.live.clock.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Hand over the versions, if others than before; what is broken or degraded is told and done without."""
        database = self.registry.folder / DATABASE
        changed = database.stat().st_mtime if database.exists() else 0.0
        if changed == self._seen:
            return
        self._seen = changed
        faults = [*follow(self.learners, self.registry), *self._identified(), *self._judged()]
        self.live.alerts.set(PLACE, "; ".join(dict.fromkeys(faults)))

    async def equip(self) -> None:
        """Give devices the numbers that were identified of them; only between cycles, which plan with one set."""
        if self._seen is None:
            # Libraries that trees need take seconds to load, in which nobody should have to wait.
            await asyncio.to_thread(self.look)
        wanted = dict(self._wanted)
        for device in self.live.devices:
            version, spec = wanted.get(device.name, ("", self._configured[device.name]))
            if isinstance(device, Identifiable) and self._equipped.get(device.name, "") != version:
                device.equip(spec)
                self._equipped[device.name] = version

    def versions(self, state: SiteState) -> Mapping[str, str]:
        """By model: the version that a cycle is planned with."""
        forces = {learner.model: learner.in_force(state) for learner in self.learners}
        found = {model: who_of(adopted.number) for model, adopted in forces.items() if adopted is not None}
        by_device = {model.device: model.model for model in self.devices}
        return found | {by_device[device]: version for device, version in self._equipped.items() if version}

    @property
    def identified(self) -> Mapping[str, Mapping[str, Any]]:
        """By device that is planned with other numbers than the house file's: these numbers."""
        return {
            device.name: identified_numbers(device.equipment)
            for device in self.live.devices
            if self._equipped.get(device.name)
        }

    async def beside(self, report: CycleReport, reasons: Sequence[str]) -> None:
        """Once an hour: what each version and the fallback say, which is judged when it has happened."""
        now = report.state.now
        if self.history is None or not self.learners or self._beside_at == (now.date(), now.hour):
            return
        self._beside_at = now.date(), now.hour
        horizon, history = report.forecasts.horizon, await self.history()
        said = await asyncio.gather(*(learner.beside(horizon, report.state, history) for learner in self.learners))
        found = {name: forecast for one in said for name, forecast in one.items()}
        learned = {series for learner in self.learners for series in learner.series}
        others = [f for f in self.live.site.forecasters if not isinstance(f, Versioned) and learned & set(f.series)]
        answer = await ask(others, horizon, report.state, history)
        found |= {stored_as(name, FALLBACK): f for name, f in answer.forecasts.series.items() if name in learned}
        self.keep(Forecasts(horizon, found))

    def due(self) -> bool:
        """Whether it is night, and models were not looked after in it."""
        if self.house is None or not (self.learners or self.devices):
            return False
        local = self.live.now.astimezone(self.live.house.site.zone)
        by_night = 0 <= (local.hour - self.section.at_hour) % 24 < NIGHT_H
        return by_night and self._tried != local.date()

    def _identified(self) -> Sequence[str]:
        """Which numbers devices are to be planned with; a version that cannot be used is told."""
        found = in_force(self.devices if self.section.identify else (), self.registry)
        self._wanted = {
            one.model.device: (who_of(one.version.number), one.equipment)
            for one in found
            if one.version is not None and one.equipment is not None
        }
        return [one.fault for one in found if one.fault]

    def _judged(self) -> Sequence[str]:
        faults = []
        for model in (*(learner.model for learner in self.learners), *(model.model for model in self.devices)):
            try:
                health = self.registry.health(model)
            except PemsError as broken:
                faults.append(f"{model}: {broken}")
                continue
            if health is not None and health.fault:
                faults.append(f"{model}: {health.fault}")
        return faults

    async def _learn(self) -> None:
        """Judge, learn and identify in a process of its own, which may take its time and must not take the engine's."""
        self._tried = self.live.now.astimezone(self.live.house.site.zone).date()
        done = await done_beside(["train", "--house", str(self.house), "--due", "--background"])
        if done.code:
            self.live.alerts.begin(PLACE, f"models were not learned: {done.wrong.strip()[-200:]}")
        await asyncio.to_thread(self.look)
