"""Modbus registers of a simulated device, as `ModbusServer` serves them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pems_core.transport.lines import Space
from pems_core.transport.modbus_words import signed_value, to_words, unsigned_value

from .traps import Traps

SPACES: tuple[Space, ...] = ("holding", "input")

UNDEFINED_FUNCTION = 1
"""Also: a write to a read-only register. Codes of protocols A.1."""
UNDEFINED_ADDRESS = 2
OUT_OF_RANGE = 3

MOST_REGISTERS = 125
"""In one read, by the Modbus specification."""
SMALL_MOST_REGISTERS = 64
"""In one read of an SPH 4-10KTL3 BH-UP (protocols A.1); what trap 6 brings."""


class ModbusException(Exception):
    """The device refuses a request with this code; what it did before stays done."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class RegisterDevice(Protocol):
    """What a simulated device must do to be reached over Modbus."""

    @property
    def answers(self) -> bool:
        """False while it is off and leaves every request unanswered (trap 16)."""

    def read(self, space: Space, address: int, count: int) -> Sequence[int]:
        """Registers, each 0..65535.

        :raises ModbusException: if it refuses.
        """

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        """Write holding registers.

        :param single: one value by function code 6; otherwise function code 16.
        :raises ModbusException: if it refuses.
        """


class RegisterBank:
    """Registers in groups, beyond whose borders no request may reach; those never put read 0.

    A device overrides `refresh` for what lives, `check` for what it refuses and `apply` for what a write does.
    """

    def __init__(
        self,
        groups: Mapping[Space, Iterable[range]],
        traps: Traps | None = None,
        *,
        most_registers: int = MOST_REGISTERS,
    ) -> None:
        """
        :param groups: by space, the addresses that answer, in the groups of protocols A.1.
        :param most_registers: in one read; trap 6 lowers it.
        """
        self._groups: Mapping[Space, tuple[range, ...]] = {space: tuple(groups.get(space, ())) for space in SPACES}
        self._words: Mapping[Space, dict[int, int]] = {space: {} for space in SPACES}
        self._most = most_registers
        self.traps = traps if traps is not None else Traps()
        self.answers = True
        self.writes: Counter[int] = Counter()
        """Writes to each holding register, unchanged values too: each wears its memory."""

    def put(self, space: Space, address: int, value: int, words: int = 1) -> None:
        """Set a value from inside the device; a negative one as two's complement, the high word first."""
        for at, word in enumerate(to_words(value, words), address):
            self._words[space][at] = word

    def get(self, space: Space, address: int, words: int = 1, *, signed: bool = False) -> int:
        """A value as put or written."""
        held = [self._words[space].get(at, 0) for at in range(address, address + words)]
        return signed_value(held) if signed else unsigned_value(held)

    def read(self, space: Space, address: int, count: int) -> Sequence[int]:
        """As `RegisterDevice.read`: exception 2 beyond a group, or for more registers than it gives."""
        most = min(self._most, SMALL_MOST_REGISTERS) if "6" in self.traps else self._most
        if count > most:
            raise ModbusException(UNDEFINED_ADDRESS)
        self._require_one_group(space, address, count)
        self.refresh()
        return [self._words[space].get(at, 0) for at in range(address, address + count)]

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        """As `RegisterDevice.write`: exception 2 beyond a group, and what `check` refuses."""
        self._require_one_group("holding", address, len(values))
        self.check(address, values, single)
        self.writes.update(range(address, address + len(values)))
        self.apply(address, values, single)

    def refresh(self) -> None:
        """Put what lives, before it is read."""

    def check(self, address: int, values: Sequence[int], single: bool) -> None:
        """Refuse a write.

        :raises ModbusException: if it is refused: nothing is counted or changed.
        """

    def apply(self, address: int, values: Sequence[int], single: bool) -> None:
        """Do what an accepted write does."""
        for at, value in enumerate(values, address):
            self.put("holding", at, value)

    def _require_one_group(self, space: Space, address: int, count: int) -> None:
        last = address + count - 1
        if not any(address in group and last in group for group in self._groups[space]):
            raise ModbusException(UNDEFINED_ADDRESS)
