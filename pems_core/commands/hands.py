"""What the commands that act on a house share: through its engine if one runs, else on its state and devices."""

import asyncio
import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pems_core.commanding.emergency import EmergencyStop
from pems_core.commanding.foreign import ForeignControllers
from pems_core.commanding.overrides import Overrides
from pems_core.commanding.stages import Stages
from pems_core.commanding.store import Store
from pems_core.commanding.told import WISH
from pems_core.commanding.wear import StoredWearBook
from pems_core.config import ConfigError, Stage, StagesSection, did_you_mean
from pems_core.runtime.build import Blueprint
from pems_core.runtime.door import ask_engine
from pems_core.runtime.rescue import Rescue

from .run import blueprint_of

GIVE_BACK_WITHIN_S = 60.0


@dataclass(frozen=True)
class Alone:
    """A house whose engine does not run: its state, and its devices over lines of one's own."""

    blueprint: Blueprint
    store: Store

    @property
    def emergency(self) -> EmergencyStop:
        return EmergencyStop(self.store, self.blueprint.clock)

    @property
    def overrides(self) -> Overrides:
        return Overrides(self.store, self.blueprint.house.house.devices, self.blueprint.clock)

    @property
    def stages(self) -> Stages:
        return Stages(self.blueprint.config[StagesSection], self.store, self.blueprint.clock)

    def trust(self, device: str, stage: Stage) -> None:
        """Set how far a device is trusted; who does so has looked after it."""
        self.stages.promote(device, stage, me())
        ForeignControllers(self.store, self.blueprint.clock).reset(device)

    @property
    def trusted(self) -> Sequence[str]:
        """Devices that PEMS may have commanded."""
        stages, wishes = self.stages, self.store.kept(WISH)
        return [name for name in commanded(self.blueprint) if stages.of(name) != "observe" or name in wishes]

    def give_back(self, devices: Sequence[str], why: str) -> str:
        """Give devices back, and say what is known of each."""
        wear = StoredWearBook(self.store, self.blueprint.clock)
        return give_back(Rescue(self.blueprint, devices, why, wear, who="command line"))


def give_back(rescue: Rescue) -> str:
    """Give devices back, and say what is known of each."""
    if not rescue.devices:
        return "no device is commanded"
    asyncio.run(within(rescue, GIVE_BACK_WITHIN_S))
    return "; ".join(f"{name}: {rescue.done.get(name, 'no answer')}" for name in rescue.devices)


async def within(rescue: Rescue, seconds: float) -> None:
    """Give back what can be given back in so long [s of the wall]."""
    with suppress(TimeoutError):
        await asyncio.wait_for(rescue.run(lambda: True), seconds)


def me() -> str:
    """Who asks."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())  # a container need not know its users by name
    return f"{name} (command line)"


def ask(house: Path, topic: str, payload: Mapping[str, Any], alone: Callable[[Alone], str]) -> str:
    """Have something done; what was done, in words.

    :param topic: below the prefix, as over MQTT.
    :param alone: does it if no engine runs.
    """
    blueprint = blueprint_of(house)
    if blueprint.folder.engine_lives:
        return ask_engine(blueprint.folder, topic, payload)
    with Store(blueprint.folder.make().path, blueprint.clock) as store:
        return alone(Alone(blueprint, store))


def commanded(blueprint: Blueprint) -> Sequence[str]:
    """Devices that can be told something."""
    return [device.name for device in blueprint.house.house.devices if device.controls()]


def known_device(blueprint: Blueprint, device: str) -> str:
    """The device, if the house has it.

    :raises ConfigError: if it has not.
    """
    names = commanded(blueprint)
    if device not in names:
        allowed = ", ".join(names) or "none"
        raise ConfigError([f"device: found {device!r}; allowed: {allowed}{did_you_mean(device, names)}"])
    return device
