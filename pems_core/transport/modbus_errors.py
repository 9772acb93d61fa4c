"""What a Modbus line says beyond what every line says."""

from pems_core.domain import NotDelivered

from .lines import NoAnswer


class LeftAlone(NotDelivered):
    """Nothing was sent: the unit has not answered for so long that it is left alone for a while."""


class WrongLength(NoAnswer):
    """A read was answered with another number of registers than was asked for: none of them is to be believed."""

    def __init__(self, text: str, registers: int) -> None:
        super().__init__(text)
        self.registers = registers
        """How many came."""
