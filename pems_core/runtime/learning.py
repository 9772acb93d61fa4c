"""Models of a running house: the versions in use are handed to who learned them, and learned anew by night."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pems_core.config import LearningSection
from pems_core.learning.registry import DATABASE, BrokenModel, ModelRegistry
from pems_core.learning.training import adopt
from pems_core.protocols import Learner

from .live import Live

LOOK_EVERY_S = 300.0
"""[s of the clock]"""
NIGHT_H = 4
PLACE = "learning"


@dataclass
class Learning:
    """Looks now and then whether another version is in use, and has models learned when it is time.

    :param house: the house file; None: nothing is learned anew.
    """

    live: Live
    learners: Sequence[Learner]
    registry: ModelRegistry
    section: LearningSection
    house: Path | None
    _seen: float | None = None
    _tried: date | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            if self.due():
                await self._learn()
            await self.live.clock.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """Hand over the versions in use, if others than before; one that is broken is told and done without."""
        database = self.registry.folder / DATABASE
        changed = database.stat().st_mtime if database.exists() else 0.0
        if changed != self._seen:
            self._seen = changed
            self.live.alerts.set(PLACE, "; ".join(adopt(self.learners, self.registry)))

    def due(self) -> bool:
        """Whether it is night, and long enough since models were learned last."""
        if self.house is None or not self.learners:
            return False
        local = self.live.now.astimezone(self.live.house.site.zone)
        by_night = 0 <= (local.hour - self.section.at_hour) % 24 < NIGHT_H
        return by_night and self._tried != local.date() and self._last_is_old()

    def _last_is_old(self) -> bool:
        try:
            made = [self.registry.versions(model)[-1].made_at for model in self.registry.models()]
        except BrokenModel:
            return True
        return not made or self.live.now - max(made) >= timedelta(days=self.section.every_days)

    async def _learn(self) -> None:
        """Learn in a process of its own, which may take its time and must not take the engine's."""
        self._tried = self.live.now.astimezone(self.live.house.site.zone).date()
        words = [sys.executable, "-m", "pems_core.cli", "train", "--house", str(self.house), "--background"]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *words, stdin=quiet, stdout=quiet, stderr=asyncio.subprocess.PIPE
        )
        try:
            _, said = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        if process.returncode:
            self.live.alerts.begin(PLACE, f"models were not learned: {said.decode(errors='replace').strip()[-200:]}")
        await asyncio.to_thread(self.look)
