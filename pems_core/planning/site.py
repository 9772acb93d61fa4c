"""What a plan is made for."""

from collections.abc import Sequence
from dataclasses import dataclass

from pems_core.domain import GridSpec
from pems_core.protocols import Device, RuleBased, Strategy


@dataclass(frozen=True)
class PlannedHouse:
    """The grid connection, the devices, what the household wants, and the rules to fall back on."""

    grid: GridSpec
    devices: Sequence[Device]
    strategy: Strategy
    rules: RuleBased
