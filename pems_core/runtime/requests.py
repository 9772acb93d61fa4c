"""What people and other programs ask of a running engine, and what is done about it at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pems_core.domain import Override
from pems_core.domain.errors import Faults

from .follow import Follower
from .live import Live
from .payloads import (
    AlertAck,
    Applied,
    CarrierSaid,
    EmergencySet,
    OverrideClear,
    OverrideSet,
    Payload,
    PricesSet,
    Refused,
    StageSet,
    understood,
)
from .triggers import price_changes

P = TypeVar("P", bound=Payload)


@dataclass
class Requests:
    """Takes a payload, acts, and says what was done; whoever brought it tells the asker.

    :param changed: told after each request that was carried out.
    :param arrived: told when Node-RED is there and carries nothing yet, as before it knows what time PEMS has.
    """

    live: Live
    follower: Follower
    changed: Callable[[], None] = lambda: None
    arrived: Callable[[], None] = lambda: None

    def take(self, topic: str, payload: bytes) -> str:
        """Carry out what came on a topic below the prefix; what was done, in words.

        :raises Faults: if it cannot be understood, or is not allowed; nothing was done then.
        """
        if topic.startswith("applied/"):
            return self._applied(topic, understood(Applied, payload))
        if topic == "carrier":
            said = understood(CarrierSaid, payload)
            self.live.carriage.heard(said)
            if not said.devices:
                self.arrived()
            return "heard"
        if topic not in self.topics:
            raise Refused([f"topic: found {topic!r}; allowed: {', '.join(self.topics)}"])
        done = self.topics[topic](payload)
        self.changed()
        return done

    @property
    def topics(self) -> Mapping[str, Callable[[bytes], str]]:
        """What can be asked, by topic."""
        return {
            "override/set": lambda payload: self._override_set(understood(OverrideSet, payload)),
            "override/clear": lambda payload: self._override_clear(understood(OverrideClear, payload)),
            "emergency/set": lambda payload: self._emergency(understood(EmergencySet, payload)),
            "stage/set": lambda payload: self._stage(understood(StageSet, payload)),
            "prices/set": lambda payload: self._prices(understood(PricesSet, payload)),
            "alert/ack": lambda payload: self._acknowledge(understood(AlertAck, payload)),
        }

    def _override_set(self, said: OverrideSet) -> str:
        live = self.live
        now = live.now
        override = Override(said.device, said.control, said.value, now, said.ends(now), said.by, said.reason)
        live.commanding.overrides.set(override, live.state)
        # On the wire first, and then the plan around it.
        self.follower.follow()
        live.triggers.pull(f"{said.by} set {said.device}/{said.control}", urgent=True)
        return f"{said.device}/{said.control} is {said.value} until {override.ends(live.house.site.zone)}"

    def _override_clear(self, said: OverrideClear) -> str:
        overrides = self.live.commanding.overrides
        cleared = [f"{o.device}/{o.control}" for o in overrides.clear_all(said.device, said.control)]
        if not cleared:
            there_are = ", ".join(f"{o.device}/{o.control}" for o in overrides.in_force()) or "none"
            asked = "/".join(word for word in (said.device, said.control) if word) or "any device"
            raise Refused([f"device: found no override of {asked}; there are: {there_are}"])
        self.follower.follow()
        self.live.triggers.pull(f"{said.by} cleared {', '.join(cleared)}", urgent=True)
        return f"cleared: {', '.join(cleared)}"

    def _emergency(self, said: EmergencySet) -> str:
        live = self.live
        if said.action == "stop":
            trusted = live.trusted
            latch = live.commanding.emergency.stop(said.by, said.reason)
            live.commanding.dispatcher.let_go(trusted, f"emergency stop by {latch.by}")
            return f"stopped by {latch.by}; given back: {', '.join(trusted) or 'nothing was commanded'}"
        latch_was = live.commanding.emergency.reset(said.by)
        for name in live.commanded:
            self.follower.forget(name)
        live.triggers.pull(f"{said.by} reset the emergency stop", urgent=True)
        return "reset" if latch_was else "was not stopped"

    def _stage(self, said: StageSet) -> str:
        live = self.live
        if said.device not in live.commanded:
            known = ", ".join(live.commanded) or "none"
            raise Refused([f"device: found {said.device!r}; allowed: {known}"])
        live.commanding.stages.promote(said.device, said.stage, said.by)
        # Who sets it has looked after the device.
        live.commanding.dispatcher.reset(said.device)
        self.follower.forget(said.device)
        ended = ""
        if said.stage == "observe":
            # Else what a person has set would be wished again at once, as it stands above the stage.
            overridden = ", ".join(o.control for o in live.commanding.overrides.clear_all(said.device))
            ended = f"; overrides ended: {overridden}" if overridden else ""
            if said.device in live.taken:
                live.commanding.dispatcher.let_go([said.device], f"{said.by}: stage observe")
        self.follower.follow()
        return f"{said.device} is in stage {said.stage}{ended}"

    def _prices(self, said: PricesSet) -> str:
        live = self.live
        changed = live.prices.take(said)
        for reason in price_changes(changed, live.now, live.cycles.price_change_per_kwh):
            live.triggers.pull(reason)
        return f"{len(changed)} quarter hours have a new price"

    def _acknowledge(self, said: AlertAck) -> str:
        alerts = self.live.alerts
        about = alerts.acknowledge(said.place, said.rule, said.by, said.for_hours)
        if not about:
            there_are = ", ".join(sorted({alert.place for alert in alerts.in_force})) or "none"
            raise Refused([f"place: found no alert of {said.place!r}; there are alerts of: {there_are}"])
        return f"{said.by} knows of {len(about)} alerts of {said.place}"

    def _applied(self, topic: str, said: Applied) -> str:
        _, device, control = topic.split("/", 2)
        if device not in self.live.commanded:
            raise Refused([f"{topic}: found device {device!r}; allowed: {', '.join(self.live.commanded)}"])
        self.live.carriage.became(said)
        return f"{device}/{control}: {said.stage}"


def told(fault: Faults | Exception) -> list[str]:
    """An error in lines."""
    return list(fault.faults) if isinstance(fault, Faults) else [f"{type(fault).__name__}: {fault}"]
