"""What is found out about a unit, by what it answers and not by its name."""

from collections.abc import Iterable

import pytest
from pems_growatt.probe import UnknownUnit, probe

from pems_core.domain import NotDelivered
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.transport.lines import ModbusRefused, NoAnswer, Space
from tests.growatt.plant import plant


class Answering:
    """A line to a unit that has these registers, all of them 7, and refuses the others."""

    def __init__(self, holding: Iterable[int] = (), inputs: Iterable[int] = ()) -> None:
        self._has: dict[Space, set[int]] = {"holding": set(holding), "input": set(inputs)}

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        if not set(range(address, address + count)) <= self._has[space]:
            raise ModbusRefused(f"{space} {address} is not there", 2)
        return (7,) * count

    async def write(self, address: int, values: object, *, single: bool = False) -> None:
        raise AssertionError(f"a probe writes nothing, and wrote {values} to {address}")


class Silent(Answering):
    """Nobody is at the other end."""

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        raise NoAnswer(f"{space} {address}: no answer")


SPH_HU = Answering(holding=[*range(125), *range(30000, 30500)], inputs=[*range(125), *range(1000, 1250)])


@pytest.mark.parametrize(
    ("families", "found"),
    [
        (["sph"], "sph"),
        (["spa"], "spa"),
        (["tl_xh"], "tl_xh"),
        (["vpp"], "vpp"),
        (["sph", "vpp"], "sph"),
        (["tl_xh", "vpp"], "tl_xh"),
    ],
)
async def test_the_family_is_found_by_what_answers(families: list[Family], found: str) -> None:
    async with plant(families, probed=False) as house:
        unit = await probe(house.line)
    assert unit.table.family == found


async def test_an_inverter_that_refuses_slots_is_told_by_remote_control() -> None:
    """A.1: an SPH HU answers exceptions at its slots."""
    assert (await probe(SPH_HU)).table.family == "vpp"


async def test_the_house_file_may_name_the_family() -> None:
    async with plant(["sph", "vpp"], probed=False) as house:
        unit = await probe(house.line, "vpp")
    assert unit.table.family == "vpp"


async def test_a_stranger_is_told() -> None:
    with pytest.raises(UnknownUnit, match="nothing answers at holding 30000, 1100 or 3038"):
        await probe(Answering(holding=range(50), inputs=range(50)))


async def test_silence_proves_nothing() -> None:
    with pytest.raises(NotDelivered):
        await probe(Silent())


@pytest.mark.trap("5")
async def test_what_is_refused_is_remembered_as_lacking() -> None:
    """Registers that answer exception 2 are capabilities that the unit does not have."""
    unit = await probe(Answering(holding=[*range(100), *range(1100, 1125)], inputs=range(1000, 1250)))
    assert unit.lacks == {"battery_charge_grid", "grid_export", "reserve_soc"}
    assert not unit.has("reserve_soc")


async def test_all_that_is_probed_is_only_read() -> None:
    async with plant("sph") as house:
        assert house.written == []
        assert house.value("lacks") == "reserve_soc", "of an SPH a person has to look first"
