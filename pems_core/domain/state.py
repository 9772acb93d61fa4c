"""How the house is doing now, as far as it is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from typing import TypeVar

from .override import Override


@dataclass(frozen=True, slots=True)
class BatteryState:
    soc: float
    """State of charge, 0..1; may lie below the floor or above the ceiling that plans keep."""
    temperature_c: float | None = None
    charge_limit_kw: float | None = None
    """What the battery itself allows now, 0 if it forbids charging; None if it does not say."""
    discharge_limit_kw: float | None = None
    limited_until: datetime | None = None
    """How long these two are believed: they come from temperature and charge, which both move on."""

    def limits_kw(self, at: datetime) -> tuple[float, float]:
        """What the battery itself allows at an instant: charge and discharge power, without end if it does not say."""
        if self.limited_until is None or at >= self.limited_until:
            return inf, inf
        charge_kw = inf if self.charge_limit_kw is None else self.charge_limit_kw
        return charge_kw, inf if self.discharge_limit_kw is None else self.discharge_limit_kw


@dataclass(frozen=True, slots=True)
class InverterState:
    """A hybrid inverter: its battery, if it has one, and the settings now in force."""

    battery: BatteryState | None = None
    mode: str = "load_first"
    export_enabled: bool = True
    lacks: frozenset[str] = frozenset()
    """What this unit was found not to be able to do: modes, `battery_charge_grid`, `grid_export`, `reserve_soc`."""


@dataclass(frozen=True, slots=True)
class RoomState:
    """One heated room: measured air, estimated slab, and what the relay is doing."""

    temperature_c: float
    slab_c: float
    disturbance_kw: float = 0.0
    """Heat that the model cannot account for, as the observer estimates it (sun, people, wrong parameters)."""
    relay_on: bool = False
    relay_since: datetime | None = None
    """When the relay last switched; None if long ago."""
    held_by: str = ""
    """What keeps PEMS from commanding the room now (`window`, `user`, `lock`), empty if nothing does."""
    held_until: datetime | None = None
    """How long a plan takes that to last."""


@dataclass(frozen=True, slots=True)
class HeatingState:
    rooms: Mapping[str, RoomState]
    faults: Mapping[str, str] = field(default_factory=dict)
    """Rooms that could not be read, with the reason; they are planned from their last known state."""
    at: datetime | None = None
    """When this was so; None in a state that was not measured."""
    heat_kwh: Mapping[str, float] = field(default_factory=dict)
    """Heat meters as they stood, where there are any."""


@dataclass(frozen=True, slots=True)
class FlexibleLoadState:
    """A deferrable load: what it still needs and by when."""

    energy_needed_kwh: float
    ready_by: datetime | None = None
    available_from: datetime | None = None
    """None: available now."""
    running: bool = False


D = TypeVar("D")


def of_kind(state: object, kind: type[D]) -> D:
    """The state, which is of that kind.

    :raises TypeError: if it is not; a device was given the state of another.
    """
    if not isinstance(state, kind):
        raise TypeError(f"found a {type(state).__name__}; a {kind.__name__} is needed")
    return state


@dataclass(frozen=True, slots=True)
class ImportPeak:
    """What a charge for power has seen of the running billing period."""

    so_far_kw: float = 0.0
    """Highest metered import mean of a quarter hour."""
    until: datetime | None = None
    """When the period ends, and the next begins without a peak; None: not in any horizon."""

    def raised(self, import_kw: float) -> "ImportPeak":
        """After another quarter hour of the same period."""
        return replace(self, so_far_kw=max(self.so_far_kw, import_kw))


NO_PEAK = ImportPeak()


@dataclass(frozen=True)
class SiteState:
    """Everything that one cycle knows of the house."""

    now: datetime
    devices: Mapping[str, object]
    faults: Mapping[str, str] = field(default_factory=dict)
    """Devices that are left out of this cycle, with the reason."""
    overrides: Sequence[Override] = ()
    peak: ImportPeak = NO_PEAK

    def of(self, device: str, kind: type[D]) -> D:
        """The state of one device, which is of that kind."""
        return of_kind(self.devices[device], kind)

    def lacks(self, device: str) -> frozenset[str]:
        """What a device was found unable to be told, as far as that is known."""
        state = self.devices.get(device)
        return state.lacks if isinstance(state, InverterState) else frozenset()

    def override(self, device: str, control: str, at: datetime) -> Override | None:
        """The override in force for one control at an instant; the one set last wins."""
        for override in reversed(self.overrides):
            if override.device == device and override.control == control and override.holds(at):
                return override
        return None
