"""A second process that gives the devices back when the engine cannot."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pems_core.clock import SystemClock
from pems_core.commanding.store import Store, StoreInUse
from pems_core.commanding.told import WISH

from .build import Blueprint
from .rescue import Rescue, devices_told
from .state_folder import StateFolder, read_json, write_json
from .words import instant

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
HUNG_AGAIN_S = 60.0
HEARTBEAT_WITHIN_S = 70.0
"""Three heartbeats and a moment: an engine that says nothing for so long is not well."""


class Condition(StrEnum):
    """How the engine is, seen from outside."""

    WELL = "well"
    ENDED = "ended"
    """In good order: it has given its devices back."""
    DIED = "died"
    HANGS = "hangs"


@dataclass
class Watchman:
    """Looks at an engine's lock and heartbeat.

    The age of a heartbeat is measured by the guard's own steady clock since it last changed: the time of day may be
    put right at any moment, and a fast clock of a trial is not the wall's.

    :param now_s: a steady time [s].
    """

    folder: StateFolder
    heartbeat_within_s: float = HEARTBEAT_WITHIN_S
    now_s: Callable[[], float] = time.monotonic
    _seen: object = None
    _since_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._since_s = self.now_s()

    def look(self) -> Condition:
        """How the engine is now."""
        session = self.folder.session
        if not self.folder.engine_lives:
            # A new engine may have started and ended between two looks: the one that ran last counts.
            return Condition.ENDED if not session or self.folder.ended_orderly(session) else Condition.DIED
        beat = read_json(self.folder.heartbeat)
        seen = (session, beat.get("session"), beat.get("count"))
        if seen != self._seen:
            self._seen, self._since_s = seen, self.now_s()
        return Condition.WELL if self.now_s() - self._since_s <= self.heartbeat_within_s else Condition.HANGS


@dataclass
class GuardProcess:
    """Watches until told to end, or, for one engine's session only, until that has ended and all is back."""

    blueprint: Blueprint
    session: str = ""
    """Of the engine that is watched; empty: whichever runs."""
    watchman: Watchman = field(init=False)
    _all_back: tuple[Condition, str] | None = field(default=None, init=False)
    """How which session was when its devices were given back last; None since one has been well."""

    def __post_init__(self) -> None:
        self.watchman = Watchman(self.blueprint.folder)

    async def run(self) -> None:
        """Watch until cancelled or no longer needed; whoever looks sees that it does."""
        self._note({"pid": os.getpid(), "watches_since": instant(SystemClock().now())})
        try:
            await self._watch()
        finally:
            self._note({"pid": None, "watches_since": None})

    async def _watch(self) -> None:
        while True:
            engine = self.watchman.look()
            session = self.blueprint.folder.session
            if self.session and session != self.session:
                return  # a new engine has its own guard
            if engine in (Condition.WELL, Condition.ENDED):
                # Whatever was given back before, it may be commanded again.
                self._all_back = None
            if self._needed(engine, session):
                await self._try_rescue(engine, session)
            elif self.session and engine is not Condition.WELL:
                return
            await self._pause(
                engine, again_s=HUNG_AGAIN_S if self._all_back == (Condition.HANGS, session) else LOOK_EVERY_S
            )

    def _needed(self, engine: Condition, session: str) -> bool:
        """Whether devices are to be given back; those of an engine that hangs again and again, as it may wake up."""
        return engine is Condition.HANGS or (engine is Condition.DIED and self._all_back != (engine, session))

    async def _pause(self, engine: Condition, again_s: float) -> None:
        """Until the next look. One that hangs gives back itself, too: now and then is enough once all was read back."""
        until_s = self.watchman.now_s() + again_s
        while self.watchman.now_s() < until_s and self.watchman.look() is engine:  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(LOOK_EVERY_S)

    async def _try_rescue(self, engine: Condition, session: str) -> None:
        """Whatever goes wrong on the way, there is a next time."""
        try:
            await self._rescue(engine, session)
        except Exception:
            log.exception("giving back failed; it is tried again")

    async def _rescue(self, engine: Condition, session: str) -> None:
        why = {
            Condition.DIED: "the engine died without giving its devices back",
            Condition.HANGS: f"the engine has not been well for {self.watchman.heartbeat_within_s:g} s",
        }[engine]
        devices = devices_told(self.blueprint)
        began = SystemClock().now()
        log.warning("%s; giving back: %s", why, ", ".join(devices) or "nothing was commanded")
        rescue = Rescue(self.blueprint, devices, why)
        back = not devices or await rescue.run(lambda: self._still(engine, session))
        self._all_back = (engine, session) if back else None
        report = {
            "session": session,
            "why": why,
            "devices": rescue.done,
            "all_back": back,
            "began": instant(began),
            "ended": instant(SystemClock().now()),
        }
        log.warning("done: %s", json.dumps(report))
        self._note(report)
        if back and engine is Condition.DIED:
            self._forget_wishes(devices)

    def _note(self, news: Mapping[str, object]) -> None:
        """Add to what is known of the guard; what it did last stays until it has done something again."""
        path = self.blueprint.folder.guarded
        try:
            write_json(path, {**read_json(path), **news})
        except OSError as error:
            # A full disk keeps nobody from giving devices back.
            log.warning("%s cannot be written: %s", path, error)

    def _still(self, engine: Condition, session: str) -> bool:
        """Whether the engine still cannot do it itself."""
        return self.watchman.look() is engine and self.blueprint.folder.session == session

    def _forget_wishes(self, devices: Sequence[str]) -> None:
        """Note in the store that the devices are their own again, unless a new engine has it by now."""
        try:
            with Store(self.blueprint.folder.path, self.blueprint.clock) as store:
                for device in devices:
                    store.forget(WISH, device)
        except StoreInUse:
            log.info("a new engine has taken over")
