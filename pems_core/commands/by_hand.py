"""What people do to a house whose engine does not run or answer: on its state, and over lines of one's own."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pems_core.commanding.emergency import EmergencyStop
from pems_core.commanding.foreign import ForeignControllers
from pems_core.commanding.overrides import Overrides
from pems_core.commanding.stages import Stages
from pems_core.commanding.store import Store
from pems_core.commanding.told import WISH
from pems_core.commanding.wear import StoredWearBook
from pems_core.config import ConfigError, Stage, StagesSection, did_you_mean
from pems_core.domain import NotDelivered, Override
from pems_core.runtime.build import Blueprint
from pems_core.runtime.rescue import Rescue, devices_told
from pems_core.runtime.state_folder import write_json

from .asking import me
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
        self.stages.promote(known_device(self.blueprint, device), stage, me())
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


@contextmanager
def alone(house: Path) -> Iterator[Alone]:
    """A house whose engine does not run.

    :raises StoreInUse: if it does by now.
    """
    blueprint = blueprint_of(house)
    with Store(blueprint.folder.make().path, blueprint.clock) as store:
        yield Alone(blueprint, store)


def stop(house: Path, reason: str) -> str:
    """Stop a house whose engine does not run."""
    with alone(house) as its:
        latch = its.emergency.stop(me(), reason)
        return f"stopped by {latch.by}; {its.give_back(its.trusted, f'emergency stop by {latch.by}')}"


def stop_beside(house: Path, payload: Mapping[str, str], silence: NotDelivered) -> str:
    """Stop a house whose engine does not answer: its devices now, and the engine as soon as it looks again."""
    blueprint = blueprint_of(house)
    write_json(blueprint.folder.stop_asked, payload)
    rescue = Rescue(blueprint, devices_told(blueprint), f"emergency stop by {payload['by']}", who="command line")
    return f"{silence}\nstopped beside it: {give_back(rescue)}; it stays stopped when it goes on or is started again"


def reset(house: Path) -> str:
    """End the emergency stop."""
    with alone(house) as its:
        return "reset" if its.emergency.reset(me()) else "was not stopped"


def override(house: Path, chosen: Override) -> str:
    """Keep an override for when the engine runs."""
    with alone(house) as its:
        its.overrides.set(chosen)
    name = f"{chosen.device}/{chosen.control}"
    return f"{name} is kept as {chosen.value} until {chosen.valid_until.isoformat()}; it acts once `pems run` runs"


def clear(house: Path, device: str, control: str) -> str:
    """End overrides."""
    with alone(house) as its:
        ended = [f"{o.device}/{o.control}" for o in its.overrides.clear_all(device, control)]
    return f"cleared: {', '.join(ended) or 'none'}"


def trust(house: Path, device: str, stage: Stage) -> str:
    """Trust a device so far; one that is only to be observed is given back."""
    with alone(house) as its:
        its.trust(device, stage)
        if stage != "observe":
            return f"{device} is in stage {stage}, from the next start on"
        return f"{device} is in stage observe; {its.give_back([device], f'{me()}: stage observe')}"


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
