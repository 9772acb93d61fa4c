"""The register tables say what the reference says, and nothing that cannot be."""

from itertools import combinations

import pytest
from pems_growatt.registers import GROUPS, STATES, TABLES, UNITS, Point, Table
from pems_growatt.registers.points import WORDS
from pems_growatt.writes import write

EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
VOLATILE = {30407, 30408, 30409}
"""A.7, of what PEMS uses."""
INSTALLERS = {
    *(1, 22, 30, 31, 32, 33, 660, 3085, 3086, 3095, 30102, 3031, 3032, 3033, 3034),
    *range(52, 117),
    *range(1009, 1013),
    *range(30500, 31000),
}
"""A.7 "never write": grid code, addresses, resets, temperature windows; and D.3: on and off."""
ON_OFF = {0, 30101}


@EVERY
def test_no_two_points_share_a_register(table: Table) -> None:
    for one, other in combinations(table.points, 2):
        if one.space == other.space:
            assert not set(one.addresses) & set(other.addresses), (one, other)


@EVERY
def test_points_have_names_of_their_own(table: Table) -> None:
    assert len(table.by_name) == len(table.points)


@EVERY
def test_no_value_reaches_over_the_border_of_a_group(table: Table) -> None:
    for point in table.points:
        assert any(set(point.addresses) <= set(group) for group in GROUPS), point


@EVERY
def test_units_and_kinds_are_known(table: Table) -> None:
    for point in table.points:
        assert point.unit in UNITS, point
        assert point.words == WORDS[point.kind]
        assert point.source.startswith("A."), point


@EVERY
def test_every_state_of_the_device_contract_is_told_or_declared_absent(table: Table) -> None:
    told = set(table.by_name) & STATES
    assert told | set(table.absent) == STATES
    assert not told & set(table.absent)
    assert all(table.absent.values()), "each with its reason"


@EVERY
def test_what_belongs_to_the_installer_is_never_written(table: Table) -> None:
    writable = {at for at, point in table.by_holding.items() if point.writable}
    assert not writable & (INSTALLERS | ON_OFF)


@EVERY
def test_only_what_a_document_calls_volatile_is_free_of_wear(table: Table) -> None:
    volatile = {at for at, point in table.by_holding.items() if point.memory == "volatile"}
    assert volatile == (VOLATILE if table.family == "vpp" else set())


@EVERY
def test_measurements_are_not_written(table: Table) -> None:
    assert not [point for point in table.points if point.space == "input" and point.writable]


@pytest.mark.trap("18")
def test_the_same_number_is_another_register_in_the_other_space() -> None:
    """Input 1090 is the battery's current limit, holding 1090 the charge rate; the table has both by space."""
    at_1090 = {point.space: point.name for point in TABLES["sph"].points if point.address == 1090}
    assert at_1090 == {"input": "charge_limit", "holding": "charge_rate"}


@pytest.mark.trap("20")
def test_a_small_negative_power_is_not_a_huge_one() -> None:
    """-0.5 W comes as 4294967291 tenths; it is read as two's complement."""
    power = TABLES["tl_xh"].by_name["import_kw"]
    assert power.number((0xFFFF, 0xFFFB)) * power.scale == pytest.approx(-0.0005)


@pytest.mark.trap("27")
def test_the_mirror_of_the_last_set_point_is_no_evidence() -> None:
    """30474 goes on showing a set-point after it has ended; it is in no table."""
    assert not [point for table in TABLES.values() for point in table.points if point.address == 30474]


@pytest.mark.parametrize(("family", "name", "values"), [("sph", "charge_coldest", (0,)), ("sph", "ac_charge", (1, 0))])
def test_a_write_beyond_what_is_allowed_cannot_be_made(family: str, name: str, values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="not all to be written"):
        write(TABLES[family], name, *values)


def test_a_write_names_the_memory_that_it_wears() -> None:
    slot = write(TABLES["sph"], "battery_first_slot1_start", 3075, 3330, 1)
    assert (slot.address, slot.memory) == (1100, ("holding/1100", "holding/1101", "holding/1102"))
    assert write(TABLES["vpp"], "remote_power", -60).memory == ()
    assert write(TABLES["vpp"], "remote_power", -60).values == (65476,)


def test_a_point_knows_its_words() -> None:
    assert list(Point("pv_kw", "input", 1, "u32").addresses) == [1, 2]
