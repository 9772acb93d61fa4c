"""Which writes a Growatt inverter takes, refuses, or acknowledges in vain (protocols A.1, E.1)."""

from collections.abc import Iterable, Mapping

from .growatt_parameters import GrowattParameters
from .growatt_settings import Family, Setting
from .growatt_slots import LOAD_TRIPLES, PAIRS, TRIPLES, Get
from .registers import OUT_OF_RANGE, UNDEFINED_ADDRESS, UNDEFINED_FUNCTION, ModbusException
from .traps import Traps

ACTIVE_POWER, MEMORY_FLAG, PRIORITY, TL_XH_AC_CHARGE = 3, 2, 1044, 3049
CODE_ZERO = 0
"""What a TL-XH answers to a lone end word (evcc #23300)."""
DISCHARGE_STOPS = (1071, 3037, 3067)
ACKED_IN_VAIN: Mapping[Family, frozenset[int]] = {
    "sph": frozenset({PRIORITY}),
    "spa": frozenset(),
    "tl_xh": frozenset({1071, 1091}),
    "vpp": frozenset(),
}
"""Registers of trap 1."""


class WriteRules:
    """Goes by the registers of the unit, and by what its memory holds."""

    def __init__(
        self,
        settings: Mapping[int, Setting],
        families: Iterable[Family],
        get: Get,
        traps: Traps,
        parameters: GrowattParameters,
    ) -> None:
        self._settings, self._get, self._traps, self._parameters = settings, get, traps, parameters
        self._deaf = frozenset[int]().union(*(ACKED_IN_VAIN[name] for name in families))
        self._starts = [at for at in (*PAIRS, *TRIPLES, *LOAD_TRIPLES) if at in settings]

    def check(self, written: Mapping[int, int]) -> None:
        """
        :raises ModbusException: if one of the values is refused; none is taken then.
        """
        first = min(written)
        if "5" in self._traps and len(written) == 1 and first - 1 in PAIRS:
            raise ModbusException(CODE_ZERO)
        for at, value in written.items():
            self._check_one(at, value)

    def is_deaf(self, written: Iterable[int]) -> bool:
        """All of these registers acknowledge whatever they are told, and do nothing (trap 1)."""
        return "1" in self._traps and (self._deaf | self._parameters.ignored_writes).issuperset(written)

    def keeps(self, at: int, writes: int) -> bool:
        """A register that acknowledges and stays as it is: deaf, or worn by so many writes (trap 35)."""
        worn = "35" in self._traps and self.is_stored(at) and writes > self._parameters.endurance_writes
        return worn or self.is_deaf([at])

    def is_stored(self, at: int) -> bool:
        """Whether it survives a power-off; register 2 says so of register 3."""
        if at == ACTIVE_POWER:
            return bool(self._get(MEMORY_FLAG))
        return at in self._settings and self._settings[at].stored

    def slot_of(self, address: int) -> range:
        """The registers of the slot that an address belongs to; empty if to none."""
        for first in self._starts:
            slot = range(first, first + (2 if first in PAIRS else 3))
            if address in slot:
                return slot
        return range(0)

    def is_loose(self, slot: range, *, single: bool) -> bool:
        """Words of a slot that the firmware drops again: alone by function code 6 (#333), or without 3049 on a MOD."""
        return bool(slot) and (single or (slot[0] in PAIRS and not self._get(TL_XH_AC_CHARGE)))

    def _check_one(self, at: int, value: int) -> None:
        setting = self._settings.get(at)
        if setting is None:
            raise ModbusException(UNDEFINED_ADDRESS)
        if setting.read_only and not (at == PRIORITY and "33" in self._traps):
            raise ModbusException(UNDEFINED_FUNCTION)
        too_low = "30" in self._traps and at in DISCHARGE_STOPS and value < self._parameters.hidden_floor_soc
        if too_low or not setting.allows(value):
            raise ModbusException(OUT_OF_RANGE)
