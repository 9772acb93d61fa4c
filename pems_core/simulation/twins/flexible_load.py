"""A load that needs some energy by some time of day."""

from datetime import datetime

import numpy as np

from pems_core.domain import FlexibleLoadSpec
from pems_core.domain.equipment import clip

from .clock import BLOCK, DAY_S, MINUTE_H, seconds_of, wall_seconds


class FlexibleLoadTwin:
    """Without a command it runs at full power as soon as it is available, until it has what it needs.

    At `ready_by` what is missing is counted as unserved, and the next day's energy is needed.
    """

    def __init__(self, spec: FlexibleLoadSpec, start: datetime) -> None:
        self._spec = spec
        self.needed_kwh = spec.energy_kwh
        """For the present window, or the next if none is open."""
        self.unserved_kwh = 0.0
        self.power_kw = 0.0
        self._command_kw: float | None = None
        self._day: int | None = None
        self._begin_block(start)

    def command(self, power_kw: float | None) -> None:
        """The power that holds from now on; None: its own control."""
        self._command_kw = power_kw

    def switch(self, now: datetime) -> float:
        """Let the minute from `now` begin; returns what it draws [kW]."""
        if self._minute == BLOCK:
            self._begin_block(now)
        self._meet_deadline()
        wanted_kw = self._possible_kw() if self._available[self._minute] else 0.0
        self.power_kw = min(wanted_kw, self.needed_kwh / MINUTE_H)
        return self.power_kw

    def shed(self, excess_kw: float) -> float:
        """Draw less in this minute, if that is allowed only by switching off; returns kW cut."""
        rest_kw = max(0.0, self.power_kw - excess_kw)
        least_kw = self._spec.power_max_kw if self._spec.on_off else self._spec.power_min_kw
        rest_kw = rest_kw if rest_kw >= least_kw else 0.0
        cut_kw, self.power_kw = self.power_kw - rest_kw, rest_kw
        return cut_kw

    def finish(self) -> None:
        """Let the minute pass."""
        self.needed_kwh = max(0.0, self.needed_kwh - self.power_kw * MINUTE_H)
        self._minute += 1

    def _possible_kw(self) -> float:
        """The commanded power as the load can run it."""
        spec = self._spec
        wanted_kw = spec.power_max_kw if self._command_kw is None else self._command_kw
        if spec.on_off:
            return spec.power_max_kw if wanted_kw >= spec.power_max_kw / 2 else 0.0
        return clip(wanted_kw, 0.0, spec.power_max_kw) if wanted_kw >= spec.power_min_kw else 0.0

    def _meet_deadline(self) -> None:
        day = self._days[self._minute]
        if self._day is None:
            self._day = day
        # Only forwards: at the end of summer time the wall clock may pass the deadline twice.
        elif day > self._day:
            self._day = day
            self.unserved_kwh += self.needed_kwh
            self.needed_kwh = self._spec.energy_kwh

    def _begin_block(self, start: datetime) -> None:
        wall_s = wall_seconds(start, self._spec.timezone)
        begin_s, ready_s = seconds_of(self._spec.available_from), seconds_of(self._spec.ready_by)
        length_s = (ready_s - begin_s) % DAY_S or DAY_S
        self._available: list[bool] = ((wall_s - begin_s) % DAY_S < length_s).tolist()
        self._days: list[int] = np.floor_divide(wall_s - ready_s, DAY_S).tolist()
        self._minute = 0
