"""Rooms behind a Miniserver that only hears and sends datagrams: protocols C.4, traps 56, 87 and 88."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pems_heating_loxone.datagrams import MOST_AGE, MOST_BYTES, Line, parse_line, whole_lines
from pems_heating_loxone.values import Unreadable

from pems_core.domain import Stage
from pems_core.simulation.devices.miniserver_udp import MiniserverUdp

from .bench import Bench, over_udp

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2025, 1, 15, 11, 0, tzinfo=UTC)
HEAT = True


async def ready(bench: Bench) -> None:
    await bench.until(lambda: bench.value("pems_ok") is True, "PEMS_OK never came up")
    await bench.until(lambda: bench.value("kitchen_relay") is not None, "no room was heard")


def datagrams(bench: Bench) -> list[str]:
    assert isinstance(bench.way, MiniserverUdp)
    return bench.way.heard


async def test_heats_a_room_and_sees_that_it_does() -> None:
    async with over_udp() as bench:
        await ready(bench)
        await bench.tell("kitchen_setpoint_c", 22.5)
        await bench.tell("kitchen_relay", HEAT)
        heat = bench.encode({"kitchen_relay": HEAT})["kitchen_relay"]
        assert (await bench.settled(heat, Stage.READBACK_OK)).stage is Stage.READBACK_OK
        await bench.until(lambda: bench.value("kitchen_target_c") == 22.5)
        await bench.until(lambda: bench.value("kitchen_power_kw") == 2.0)


async def test_every_datagram_begins_with_a_growing_sequence() -> None:
    async with over_udp() as bench:
        await ready(bench)
        for control in ("kitchen_relay", "bathroom_relay") * 5:
            # Several in one second: the time of day alone does not tell them apart.
            await bench.tell(control, HEAT)
        await bench.until(lambda: len(datagrams(bench)) > 11)
        sequences = [int(text.removeprefix(";seq=").partition(";")[0]) for text in datagrams(bench)]
        assert sequences == sorted(set(sequences))


async def test_repeats_all_that_is_wanted_and_hands_back_what_has_ended() -> None:
    """87 and C.4: nothing confirms a datagram, so the desired state comes again; an expired wish comes as local."""
    async with over_udp() as bench:
        await ready(bench)
        await bench.tell("kitchen_relay", HEAT, timedelta(minutes=2))
        await bench.tell("kitchen_setpoint_c", 23.0, timedelta(minutes=30))
        await bench.until(lambda: sum("kitchen_relay=1;" in text for text in datagrams(bench)) >= 3)
        await bench.until(lambda: "kitchen_relay=-1;" in datagrams(bench)[-1])
        assert "kitchen_setpoint_c=23;" in datagrams(bench)[-1]
        assert bench.miniserver.rooms["kitchen"].relay_input == -1


async def test_a_name_with_semicolons_does_not_move_the_fields() -> None:
    async with over_udp(name="Floor; ground;1") as bench:
        await ready(bench)
        assert bench.value("kitchen_temperature_c") == pytest.approx(21.0, abs=0.3)


@pytest.mark.trap("87")
async def test_loss_disorder_and_doubles_do_no_harm() -> None:
    """A tenth of the datagrams was lost, doubled or late; all wishes arrived, and no old one came back."""
    async with over_udp("87") as bench:
        await ready(bench)
        for celsius in (21.5, 22.0, 22.5, 23.0):
            await bench.tell("kitchen_setpoint_c", celsius)
            await bench.tell("bathroom_setpoint_c", celsius)
        await bench.until(lambda: bench.value("kitchen_target_c") == 23.0)
        await bench.until(lambda: bench.value("bathroom_target_c") == 23.0)
        heard = len(datagrams(bench))
        await bench.until(lambda: len(datagrams(bench)) > heard + 6)
        assert bench.miniserver.rooms["kitchen"].setpoint_input == 23.0
        assert bench.miniserver.pems_ok


@pytest.mark.trap("88")
async def test_reads_decimal_commas() -> None:
    """Values came with a decimal comma; PEMS read them."""
    async with over_udp("88") as bench:
        await ready(bench)
        assert bench.value("kitchen_temperature_c") == pytest.approx(21.0, abs=0.3)
        assert not bench.alerted("found")


@pytest.mark.trap("56")
@pytest.mark.parametrize(
    "start",
    [
        datetime(2025, 10, 26, 0, 30, 5, tzinfo=UTC),
        datetime(2025, 10, 26, 1, 30, 5, tzinfo=UTC),
    ],
    ids=["first 02:30", "second 02:30"],
)
async def test_knows_which_of_two_equal_hours_is_meant(start: datetime) -> None:
    """Lines in local time came in the hour that comes twice in October; PEMS took them for what they were."""
    async with over_udp(start=start) as bench:
        await ready(bench)
        reading = bench.reading("kitchen_temperature_c")
        assert reading is not None
        assert timedelta(0) <= reading.received_at - reading.measured_at < timedelta(minutes=2)
        assert not bench.alerted("found")


@pytest.mark.trap("56")
def test_the_arrival_decides_which_of_two_equal_hours_is_meant() -> None:
    """The same line came in both hours of 02:30; each time it was taken for the hour in which it came."""
    for heard_at in (datetime(2025, 10, 26, 0, 30, 20, tzinfo=UTC), datetime(2025, 10, 26, 1, 30, 20, tzinfo=UTC)):
        line = parse_line("udp", "2025-10-26 02:30:00;n;21;kitchen;temperature;;", heard_at, PRAGUE)
        assert line.at == heard_at - timedelta(seconds=20)


@pytest.mark.trap("56")
def test_drops_a_line_that_fits_neither_hour() -> None:
    """A line said 01:10 at half past two in the second hour: too old either way, so it was refused."""
    second_0230 = datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    with pytest.raises(Unreadable, match="2025-10-26 01:10:00"):
        parse_line("udp", "2025-10-26 01:10:00;n;21;kitchen;temperature;;", second_0230, PRAGUE)


def test_reads_a_relay_by_its_tag() -> None:
    line = parse_line("udp", "2025-01-15 12:00:00;Relay 3;1;kitchen;digital;heating;floor", NOON, PRAGUE)
    assert line == Line(NOON, "Relay 3", "1", "kitchen", "digital", ("heating", "floor"))
    assert line.what == "relay"


def test_tells_the_place_of_a_line_that_means_nothing() -> None:
    with pytest.raises(Unreadable) as refused:
        parse_line("heating/udp", "21.5;kitchen", NOON, PRAGUE)
    assert str(refused.value) == "heating/udp: found '21.5;kitchen'; allowed: time;name;value;room;type;tag1;tag2"


def test_drops_the_line_that_a_full_buffer_cut_off() -> None:
    line = "2025-01-15 12:00:00;n;21.5;kitchen;temperature;;\n"
    full = (line * 60)[:MOST_BYTES]
    assert whole_lines(full) == [line.strip()] * (MOST_BYTES // len(line))
    assert len(whole_lines(line * 3)) == 3


def parsed(text: str) -> Line | str:
    """The line, or why it is none."""
    try:
        return parse_line("heating/udp", text, NOON, PRAGUE)
    except Unreadable as unreadable:
        return str(unreadable)


@given(st.text(max_size=300))
def test_no_line_ever_breaks_it(text: str) -> None:
    line = parsed(text)
    assert line.startswith("heating/udp: found ") if isinstance(line, str) else abs(line.at - NOON) <= MOST_AGE


TIMES = st.sampled_from(
    ["2025-01-15 12:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2025-13-01 00:00:00", ""]
)


@given(TIMES, st.lists(st.text(max_size=12), min_size=4, max_size=9))
def test_no_field_ever_breaks_it(time: str, fields: list[str]) -> None:
    line = parsed(";".join([time, *fields]))
    assert line.startswith("heating/udp: found ") if isinstance(line, str) else line.at == NOON
