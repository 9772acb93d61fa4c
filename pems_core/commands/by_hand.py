"""What people do to a house whose engine does not run or answer: on its state, and over lines of one's own."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import click

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
from pems_core.runtime.rescue import READ, TOLD, Rescue, devices_told
from pems_core.runtime.state_folder import write_json

from .asking import me
from .run import blueprint_of

GIVE_BACK_WITHIN_S = 60.0


@dataclass(frozen=True)
class Done:
    """What was done by hand."""

    said: str
    given_back: bool = True
    """Whether every device that should be its own again is."""

    def tell(self) -> None:
        """Say it, and end the command with 1 if a device may still be commanded."""
        click.echo(self.said)
        if not self.given_back:
            raise click.exceptions.Exit(1)


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
        """Set how far a device is trusted; who does so has looked after it. One that is only observed is overridden
        by nobody any more.
        """
        self.stages.promote(known_device(self.blueprint, device), stage, me())
        ForeignControllers(self.store, self.blueprint.clock).reset(device)
        if stage == "observe":
            self.overrides.clear_all(device)

    @property
    def trusted(self) -> Sequence[str]:
        """Devices that PEMS may have commanded."""
        stages, wishes = self.stages, self.store.kept(WISH)
        return [name for name in commanded(self.blueprint) if stages.of(name) != "observe" or name in wishes]

    def give_back(self, devices: Sequence[str], why: str) -> Done:
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


def stop(house: Path, reason: str) -> Done:
    """Stop a house whose engine does not run."""
    with alone(house) as its:
        latch = its.emergency.stop(me(), reason)
        done = its.give_back(its.trusted, f"emergency stop by {latch.by}")
        return replace(done, said=f"stopped by {latch.by}; {done.said}")


def stop_beside(house: Path, payload: Mapping[str, str], silence: NotDelivered) -> Done:
    """Stop a house whose engine does not answer: its devices now, and the engine as soon as it looks again."""
    blueprint = blueprint_of(house)
    holds = "it stays stopped when it goes on or is started again"
    try:
        write_json(blueprint.folder.stop_asked, payload)
    except OSError as fault:
        # The devices first: who may not write there may still reach them.
        holds = f"the engine cannot be told ({fault}) and commands again if it goes on: stop it as the user it runs as"
    rescue = Rescue(blueprint, devices_told(blueprint), f"emergency stop by {payload['by']}", who="command line")
    done = give_back(rescue)
    return Done(f"{silence}\nstopped beside it: {done.said}; {holds}", done.given_back and holds.startswith("it stays"))


def reset(house: Path) -> Done:
    """End the emergency stop."""
    with alone(house) as its:
        return Done("reset" if its.emergency.reset(me()) else "was not stopped")


def override(house: Path, chosen: Override) -> str:
    """Keep an override for when the engine runs."""
    with alone(house) as its:
        its.overrides.set(chosen)
    until = chosen.ends(its.blueprint.house.site.zone)
    # Whatever the stage of the device: what a person sets stands above it.
    return f"{chosen.device}/{chosen.control} is kept as {chosen.value} until {until}; it acts once `pems run` runs"


def clear(house: Path, device: str, control: str) -> str:
    """End overrides."""
    with alone(house) as its:
        ended = [f"{o.device}/{o.control}" for o in its.overrides.clear_all(device, control)]
    return f"cleared: {', '.join(ended) or 'none'}"


def trust(house: Path, device: str, stage: Stage) -> Done:
    """Trust a device so far; one that is only to be observed is given back."""
    with alone(house) as its:
        its.trust(device, stage)
        if stage != "observe":
            return Done(f"{device} is in stage {stage}, from the next start on")
        done = its.give_back([device], f"{me()}: stage observe")
        return replace(done, said=f"{device} is in stage observe; {done.said}")


def give_back(rescue: Rescue) -> Done:
    """Give devices back, and say what is known of each."""
    if not rescue.devices:
        return Done("no device is commanded")
    asyncio.run(within(rescue, GIVE_BACK_WITHIN_S))
    known = {name: rescue.done.get(name, "no answer") for name in rescue.devices}
    said = "; ".join(f"{name}: {how}" for name, how in known.items())
    return Done(said, all(how in (READ, TOLD) for how in known.values()))


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
