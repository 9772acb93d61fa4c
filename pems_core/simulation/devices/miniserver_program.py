"""What is drawn in Loxone Config for PEMS: watchdog, selector, limiter, minimum times (protocols C.6)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pems_core.domain import RoomSpec, Value

from .miniserver_controller import RoomController
from .traps import Traps

LOWEST_C, HIGHEST_C = 16.0, 24.0
"""Of the limiter behind the selector."""
AUTO, NO_SETPOINT = -1.0, 0.0
"""Defaults of the virtual inputs: local control."""
BLOCKED_FOR = timedelta(minutes=5)
"""Of the minimum time block when it has just switched (trap 85)."""


class Watchdog:
    """PEMS_OK: whether the heartbeat has changed in the last T."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._value: float | None = None
        self._changed_at: datetime | None = None

    def restart(self, remanent: float | None) -> None:
        """After a boot it is 0, whatever value the input comes back with."""
        self._value, self._changed_at = remanent, None

    def hear(self, count: float, now: datetime) -> None:
        if count != self._value:
            self._value, self._changed_at = count, now

    @property
    def count(self) -> float | None:
        return self._value

    def ok(self, now: datetime) -> bool:
        return self._changed_at is not None and now - self._changed_at < self._timeout


class ProgramRoom:
    """One room of the program."""

    def __init__(self, spec: RoomSpec, traps: Traps) -> None:
        self.spec = spec
        self.controller = RoomController(spec, traps)
        self.relay_input = AUTO
        self.setpoint_input = NO_SETPOINT
        self._traps = traps
        self._output: bool | None = None
        self._switched_at: datetime | None = None

    def pems_c(self, pems_ok: bool) -> float | None:
        """The setpoint of PEMS behind selector and limiter; None: local schedule."""
        if not pems_ok or self.controller.locked or self.setpoint_input == NO_SETPOINT:
            return None
        return min(HIGHEST_C, max(LOWEST_C, self.setpoint_input))

    def settings(self, now: datetime, pems_ok: bool) -> Mapping[str, Value]:
        """What the house is to do; what is left out follows the local thermostat."""
        name, controller, settings = self.spec.name, self.controller, dict[str, Value]()
        pems_c, own_c = self.pems_c(pems_ok), controller.wanted_c(now)
        if own_c is not None or pems_c is not None or controller.window_open:
            settings[f"{name}_setpoint_c"] = controller.target_c(now, pems_c)
        if (relay := self._after_minimum_times(self._wanted_relay(now, pems_ok), now)) is not None:
            settings[f"{name}_relay"] = relay
        return settings

    def _wanted_relay(self, now: datetime, pems_ok: bool) -> bool | None:
        """The window acts after the selector; a user's own override leaves the relay to the thermostat."""
        if self.controller.window_open:
            return False
        if not pems_ok or self.controller.locked or self.controller.wanted_c(now) is not None:
            return None
        return None if self.relay_input < 0 else self.relay_input > 0

    def _after_minimum_times(self, wanted: bool | None, now: datetime) -> bool | None:
        """Trap 85: what is wanted too soon after a change comes when its time is up."""
        if wanted == self._output:
            return self._output
        if "85" in self._traps and self._switched_at is not None and now - self._switched_at < BLOCKED_FOR:
            return self._output
        self._output, self._switched_at = wanted, now
        return self._output

    def hold_back(self, now: datetime) -> None:
        """The minimum time block has just switched."""
        self._switched_at = now

    def restart(self, relay: float, setpoint: float) -> None:
        """After a boot."""
        self.relay_input, self.setpoint_input = relay, setpoint
        self._output = self._switched_at = None
