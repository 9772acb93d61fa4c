"""Relays that keep their minimum times, whatever they are told."""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

import numpy as np

from .clock import MINUTE, Array, Flags

LONG_AGO = 1_000_000


class RelayBank:
    """Many relays, all off at first and free to switch. A command that comes too early waits."""

    def __init__(self, power_kw: Sequence[float], min_on: Sequence[timedelta], min_off: Sequence[timedelta]) -> None:
        self.power_kw: Array = np.array(power_kw, dtype=np.float64)
        self.on: Flags = np.zeros(len(power_kw), dtype=np.bool_)
        self._min_on = np.array([ceil(length / MINUTE) for length in min_on], dtype=np.int64)
        self._min_off = np.array([ceil(length / MINUTE) for length in min_off], dtype=np.int64)
        self._held = np.full(len(power_kw), LONG_AGO, dtype=np.int64)

    def switch(self, wanted: Flags) -> None:
        """Let one minute begin: bring each relay to what is wanted, if it has held its state long enough."""
        changes = wanted != self.on
        if changes.any():
            changes &= self._held >= np.where(self.on, self._min_on, self._min_off)
            self.on = self.on ^ changes
            self._held[changes] = 0
        self._held += 1
