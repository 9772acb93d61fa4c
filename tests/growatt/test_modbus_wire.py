"""What goes over the wire, word for word: each command reads afresh, writes what differs, and reads back.

The registers and their order are those of the device protocol reference, A.2, A.4, A.6 and D.3.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pems_growatt.meter import Meter
from pems_growatt.plausible import Ratings
from pems_growatt.probe import Unit
from pems_growatt.registers import TABLES
from pems_growatt.schedule import arrange
from pems_growatt.slots import NUMBERS, Slot, no_slots, slots_between
from pems_growatt.tell_common import CannotTell, clock_writes, export_writes, may_sync, reserve_writes
from pems_growatt.tell_slots import Moment, Pairs, SlotFamily, Triples
from pems_growatt.tell_vpp import VppFamily
from pems_growatt.teller import Refused, Teller
from pems_growatt.words import Word
from pems_growatt.writes import Settings, Write

from pems_core.devices.commands import Validity
from pems_core.domain import Command, NotDelivered, Stage, WornOut
from pems_core.transport.lines import ModbusRefused, NoAnswer
from tests.devices.clocks import HandClock
from tests.growatt.conversation import Conversation
from tests.growatt.plant import NOON, PRAGUE, Wear

ZONE = ZoneInfo(PRAGUE)
UNTIL = NOON + timedelta(hours=1)
AT = Moment(NOON, NOON, ZONE, 50)
AS_DELIVERED = (100, 10, *[0] * 18, 100, 100, 0, *[0] * 16)
"""Holding 1070 to 1108 of an SPH without slots: rate, stop SOC, grid-first slots, rate, stop SOC, AC charge, slots."""
CHARGE = Word("charge", "mode", rate=50, stop_soc=80, from_grid=True, until=UNTIL)
LOST = NoAnswer("no answer")


def sph() -> Unit:
    return Unit(TABLES["sph"])


def settings(unit: Unit, **changed: tuple[int, ...]) -> Settings:
    """All settings of a unit at 0, but for some."""
    zeros = {point.name: (0,) * point.words for point in unit.table.points if point.space == "holding"}
    return zeros | changed


def said(writes: list[Write]) -> list[str]:
    return [f"{each.address} = {' '.join(map(str, each.values))}" for each in writes]


class Talk:
    """A teller at work on a conversation."""

    def __init__(self, line: Conversation, unit: Unit, wear: Wear | None = None) -> None:
        self.clock = HandClock(NOON)
        self.wear = wear or Wear()
        self.meter = Meter("inverter", unit, line, self.clock, ZONE, Ratings(10.0, 5.0, 17.0, 10.0))
        self.teller = Teller("inverter", self.meter, line, self.wear, self.clock)


async def test_charging_from_the_grid_is_one_read_four_writes_and_one_read() -> None:
    """A.2: stop SOC, rate, AC charge, and the slot as one triple that starts a minute from now at the earliest."""
    after = (100, 10, *[0] * 18, 50, 80, 1, *[0] * 7, 3074, 3329, 1, *[0] * 6)
    unit = sph()
    with Conversation(
        ("read holding 1070 39", AS_DELIVERED),
        ("write 1091 = 80", None),
        ("write 1090 = 50", None),
        ("write 1092 = 1", None),
        ("write 1100 = 3074 3329 1", None),
        ("read holding 1090 13", after[20:33]),
    ) as line:
        talk = Talk(line, unit)
        names = [point.name for point in unit.table.points if point.space == "holding" and point.address >= 1070]
        now = await talk.meter.read_settings(*names)
        writes = SlotFamily(unit, Triples(unit)).writes(CHARGE, now, AT)
        outcome = await talk.teller.tell(writes, now, releases=False)
    assert outcome.stage is Stage.READBACK_OK
    assert set(talk.wear.writes) == {f"holding/{at}" for at in (1090, 1091, 1092, 1100, 1101, 1102)}


@pytest.mark.trap("36")
async def test_what_is_so_already_is_not_written() -> None:
    """A register counts a write though the value is the same; PEMS reads first and writes nothing."""
    unit = sph()
    now = settings(unit, ac_charge=(1,), charge_rate=(50,))
    with Conversation() as line:
        talk = Talk(line, unit)
        writes = [*SlotFamily(unit, Triples(unit)).writes(Word("auto", "mode"), settings(unit), AT)]
        outcome = await talk.teller.tell(writes, settings(unit), releases=False)
        assert talk.teller.changing([write_of("ac_charge", 1), write_of("charge_rate", 50)], now) == []
    assert (outcome.stage, outcome.wrote) == (Stage.READBACK_OK, False)
    assert not talk.wear.writes


def write_of(name: str, value: int) -> Write:
    point = TABLES["sph"].by_name[name]
    return Write(point.address, (value,), (name,), (f"holding/{point.address}",))


@pytest.mark.trap("11")
async def test_a_write_whose_answer_is_lost_is_not_made_twice() -> None:
    """The inverter wrote and its answer got lost; a fresh read shows that, and the memory is worn once."""
    with Conversation(
        ("write 1092 = 1", LOST),
        ("read holding 1092 1", (1,)),
        ("read holding 1092 1", (1,)),
    ) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("ac_charge", 1)], settings(sph()), releases=False)
    assert outcome.stage is Stage.READBACK_OK
    assert talk.wear.writes == {"holding/1092": 1}


@pytest.mark.trap("12")
async def test_a_write_that_was_lost_on_the_way_is_made_once_more() -> None:
    """A gateway dropped the first write after a pause; a fresh read shows that, and it is written once more."""
    with Conversation(
        ("write 1092 = 1", LOST),
        ("read holding 1092 1", (0,)),
        ("write 1092 = 1", None),
        ("read holding 1092 1", (1,)),
    ) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("ac_charge", 1)], settings(sph()), releases=False)
    assert outcome.stage is Stage.READBACK_OK
    assert talk.wear.writes == {"holding/1092": 2}


async def test_a_write_that_is_lost_twice_is_not_delivered() -> None:
    with Conversation(("write 1092 = 1", LOST), ("read holding 1092 1", (0,)), ("write 1092 = 1", LOST)) as line:
        talk = Talk(line, sph())
        with pytest.raises(NotDelivered):
            await talk.teller.tell([write_of("ac_charge", 1)], settings(sph()), releases=False)


@pytest.mark.trap("1")
async def test_an_acknowledged_write_without_effect_is_no_success() -> None:
    """The write was echoed and the register stayed as it was; after 15 s PEMS says `no_effect`."""
    reads = [("read holding 1091 1", (100,))] * 7
    with Conversation(("write 1091 = 80", None), *reads) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("charge_stop_soc", 80)], settings(sph()), releases=False)
    assert outcome.stage is Stage.NO_EFFECT
    assert outcome.detail == "holding 1091 is 100, written was 80"


@pytest.mark.trap("3")
async def test_a_value_that_shows_late_is_waited_for() -> None:
    """The new value can be read only after some seconds; PEMS looks again before it says anything."""
    reads = [("read holding 1091 1", (100,))] * 3
    with Conversation(("write 1091 = 80", None), *reads, ("read holding 1091 1", (80,))) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("charge_stop_soc", 80)], settings(sph()), releases=False)
    assert outcome.stage is Stage.READBACK_OK


@pytest.mark.trap("5")
async def test_a_refused_write_is_told_with_its_exception() -> None:
    """The unit answered exception 2; the write is refused, not repeated."""
    with Conversation(("write 1092 = 1", ModbusRefused("refused", 2))) as line:
        talk = Talk(line, sph())
        with pytest.raises(Refused, match="refuses 1 at holding 1092 with exception 2"):
            await talk.teller.tell([write_of("ac_charge", 1)], settings(sph()), releases=False)


@pytest.mark.trap("30")
@pytest.mark.parametrize("taken", [11, 13, 16])
async def test_a_floor_of_the_firmware_is_found_by_asking(taken: int) -> None:
    """The unit refuses a stop SOC below its floor; PEMS takes the lowest that it accepts, and says so."""
    floors = [("write 1071 = 10", ModbusRefused("no", 3))]
    floors += [(f"write 1071 = {floor}", ModbusRefused("no", 3)) for floor in (11, 13) if floor < taken]
    with Conversation(*floors, (f"write 1071 = {taken}", None), ("read holding 1071 1", (taken,))) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("discharge_stop_soc", 10)], settings(sph()), releases=False)
    assert (outcome.stage, outcome.detail) == (Stage.READBACK_OK, f"the unit keeps at least {taken} %")


@pytest.mark.trap("30")
async def test_a_floor_that_the_firmware_takes_in_silence_is_found_by_reading_back() -> None:
    """The unit acknowledged 10 % and took 13 %; the higher floor is what counts, and no failure."""
    with Conversation(("write 1071 = 10", None), ("read holding 1071 1", (13,))) as line:
        talk = Talk(line, sph())
        outcome = await talk.teller.tell([write_of("discharge_stop_soc", 10)], settings(sph()), releases=False)
    assert (outcome.stage, outcome.detail) == (Stage.READBACK_OK, "the unit keeps at least 13 %")
    assert outcome.expected == {1071: 13}


@pytest.mark.trap("35")
async def test_no_write_is_made_when_the_memory_has_none_left_today() -> None:
    """The memory sticks after too many writes; the budget ends before, with nothing half written."""
    with Conversation() as line:
        talk = Talk(line, sph(), Wear(budget=0))
        with pytest.raises(WornOut):
            await talk.teller.tell([write_of("charge_rate", 9)], settings(sph()), releases=False)


async def test_a_release_is_written_whatever_the_budget_says() -> None:
    with Conversation(("write 1092 = 0", None), ("read holding 1092 1", (0,))) as line:
        talk = Talk(line, sph(), Wear(budget=0))
        now = settings(sph(), ac_charge=(1,))
        outcome = await talk.teller.tell([write_of("ac_charge", 0)], now, releases=True)
    assert outcome.stage is Stage.READBACK_OK


@pytest.mark.trap("4")
async def test_a_poll_that_began_before_a_write_says_nothing_of_settings() -> None:
    """The poll read the old value while the new one was written; its settings are dropped, its measurements are not."""
    unit = Unit(TABLES["sph"], lacking={point.name for point in TABLES["sph"].points if point.name not in FEW})

    class Overtaken(Conversation):
        async def read(self, *asked: object) -> tuple[int, ...]:
            talk.meter.settings_changed()
            return await super().read(*asked)  # type: ignore[arg-type]

    with Overtaken(("read holding 1092 1", (1,)), ("read input 1013 2", (2048, 50))) as line:
        talk = Talk(line, unit)
        await talk.meter.poll()
    assert set(talk.meter.readings) == {"inverter/soc"}


FEW = ("ac_charge", "soc", "battery_voltage_v")


class TestSlots:
    """Which slots are written, given those that are there."""

    def test_one_that_is_in_force_and_long_enough_is_left_alone(self) -> None:
        there = (slot(1, "11:00", "13:00"), Slot(2), Slot(3))
        assert arrange(there, NOON, NOON, UNTIL, ZONE) == there

    def test_one_that_begins_before_a_new_one_could_is_left_alone(self) -> None:
        there = (slot(1, "12:01", "13:00"), Slot(2), Slot(3))
        assert arrange(there, NOON, NOON, UNTIL, ZONE) == there

    def test_one_that_begins_later_than_a_new_one_could_is_put_forward(self) -> None:
        there = (slot(1, "12:03", "13:01"), Slot(2), Slot(3))
        assert arrange(there, NOON, NOON, UNTIL, ZONE) == (slot(1, "12:02", "13:01"), Slot(2), Slot(3))

    def test_one_that_ends_too_early_is_prolonged_with_its_start(self) -> None:
        there = (slot(1, "11:00", "12:30"), Slot(2), Slot(3))
        wanted = arrange(there, NOON, NOON, UNTIL, ZONE)
        assert wanted == (slot(1, "11:00", "13:46"), Slot(2), Slot(3))

    def test_one_that_would_go_on_too_long_is_shortened(self) -> None:
        there = (slot(1, "11:00", "18:00"), Slot(2), Slot(3))
        assert arrange(there, NOON, NOON, UNTIL, ZONE) == (slot(1, "11:00", "13:01"), Slot(2), Slot(3))

    def test_one_of_another_time_makes_room(self) -> None:
        there = (slot(1, "18:00", "20:00"), slot(2, "02:00", "03:00"), Slot(3))
        wanted = arrange(there, NOON, NOON, UNTIL, ZONE)
        assert wanted is not None
        assert [each.enabled for each in wanted] == [True, False, False]
        assert wanted[0] == slot(1, "12:02", "13:01")

    @pytest.mark.trap("31")
    def test_none_crosses_midnight(self) -> None:
        """A slot over midnight is ignored without a word; it is two slots that meet there."""
        late = NOON + timedelta(hours=11)
        wanted = arrange(no_slots(), late, late, late + timedelta(hours=2), ZONE)
        assert wanted == (slot(1, "23:02", "23:59"), slot(2, "00:00", "01:01"))

    def test_over_midnight_is_known_as_in_force(self) -> None:
        late = NOON + timedelta(hours=11)
        there = (slot(1, "22:00", "23:59"), slot(2, "00:00", "01:30"))
        assert arrange(there, late, late, late + timedelta(hours=2), ZONE) == there

    def test_after_midnight_yesterdays_half_is_taken_away(self) -> None:
        night = NOON + timedelta(hours=12, minutes=30)
        there = (slot(1, "22:00", "23:59"), slot(2, "00:00", "01:30"))
        wanted = arrange(there, night, night, night + timedelta(minutes=50), ZONE)
        assert wanted is not None
        assert [each.enabled for each in wanted] == [False, True]

    def test_no_slot_is_set_for_less_than_a_minute(self) -> None:
        assert arrange(no_slots(), NOON, NOON, NOON + timedelta(seconds=50), ZONE) is None

    @pytest.mark.trap("32")
    def test_those_of_the_other_mode_are_ended_first(self) -> None:
        """Slots of both modes at once leave the mode undefined."""
        unit = sph()
        on = settings(unit, grid_first_slot1_start=(2560,), grid_first_slot1_stop=(3840,), grid_first_slot1_enable=(1,))
        assert said(SlotFamily(unit, Triples(unit)).writes(CHARGE, on, AT))[0] == "1080 = 2560 3840 0"

    def test_of_tl_xh_are_pairs_with_their_mode(self) -> None:
        """A.4: start word with mode and enable bit, end word; one request."""
        unit = Unit(TABLES["tl_xh"])
        now = settings(unit, grid_charge_stop_soc=(70,))
        assert said(SlotFamily(unit, Pairs(unit)).writes(CHARGE, now, AT)) == [
            "3312 = 80",
            "3048 = 80",
            "3047 = 50",
            "3049 = 1",
            f"3038 = {40960 + 3074} 3329",
        ]

    def test_of_tl_xh_that_change_their_mode_are_written_once(self) -> None:
        unit = Unit(TABLES["tl_xh"])
        sells = settings(unit, slot1=(49152 + 2560, 3840), slot5=(40960, 5947))
        written = said(SlotFamily(unit, Pairs(unit)).writes(CHARGE, sells, AT))
        assert [line for line in written if line.startswith("3038")] == [f"3038 = {40960 + 3074} 3329"]
        assert "3050 = 8192 5947" in written

    def test_hold_at_the_present_charge_or_a_little_below(self) -> None:
        """A.2: some firmware charges from the grid up to the stop SOC; one below the present needs no write."""
        unit = sph()
        hold = Word("hold", "mode", stop_soc=60, until=UNTIL)
        family = SlotFamily(unit, Triples(unit))
        stops = {
            stop: [
                line
                for line in said(family.writes(hold, settings(unit, charge_stop_soc=(stop,)), AT))
                if "1091" in line
            ]
            for stop in (100, 48, 20)
        }
        assert stops == {100: ["1091 = 50"], 48: ["1091 = 48"], 20: ["1091 = 50"]}

    def test_of_a_mod_need_ac_charge_to_stay(self) -> None:
        """A.4: on a MOD slot writes revert unless 3049 is 1; from then on it is left on."""
        unit = Unit(TABLES["tl_xh"], ac_charge_stays_on=True)
        hold = Word("hold", "mode", stop_soc=50, until=UNTIL)
        assert "3049 = 1" in said(SlotFamily(unit, Pairs(unit)).writes(hold, settings(unit), AT))

    def test_a_mode_without_end_is_not_set(self) -> None:
        unit = sph()
        with pytest.raises(CannotTell, match="would act every day"):
            SlotFamily(unit, Triples(unit)).writes(Word("charge", "mode"), settings(unit), AT)


def slot(number: int, start: str, stop: str) -> Slot:
    return Slot(number, time.fromisoformat(start), time.fromisoformat(stop), enabled=True)


class TestRemoteControl:
    @pytest.mark.trap("23")
    def test_power_and_duration_come_before_what_commits_them(self) -> None:
        """30407 before 30409 runs the old power for a cycle; the order is 30100, 30409, 30408, 30407."""
        unit = Unit(TABLES["vpp"])
        written = said(VppFamily(unit).writes(CHARGE, settings(unit), AT))
        assert written == ["30100 = 1", "30410 = 1", "30404 = 80", "30409 = 50", "30408 = 60", "30407 = 1"]

    @pytest.mark.trap("22")
    def test_it_ends_with_authority_given_back(self) -> None:
        """With authority and without remote control the house runs from the grid; `auto` ends with 30100 = 0."""
        unit = Unit(TABLES["vpp"])
        armed = settings(unit, authority=(1,), remote_enable=(1,), remote_power=(50,), ac_charge=(1,))
        written = said(VppFamily(unit).writes(Word("auto", "mode"), armed, AT))
        assert written == ["30407 = 0", "30409 = 0", "30410 = 0", "30100 = 0"]

    def test_a_wit_gives_authority_back_first(self) -> None:
        """A.6: 30100 = 0, wait about 35 s, 30407 = 0."""
        unit = Unit(TABLES["vpp"], dtc=5600)
        armed = settings(unit, authority=(1,), remote_enable=(1,))
        writes = VppFamily(unit).writes(Word("auto", "mode"), armed, AT)
        assert said(writes) == ["30410 = 0", "30100 = 0", "30407 = 0", "30409 = 0"]
        assert writes[1].settle_s == 35.0

    @pytest.mark.trap("25")
    def test_charging_without_the_grid_is_left_to_the_unit_itself(self) -> None:
        """The power is a target that it imports for, not a cap; PV alone is stored in its own operation."""
        unit = Unit(TABLES["vpp"])
        from_pv = Word("charge", "mode", rate=50, stop_soc=80, until=UNTIL)
        assert VppFamily(unit).writes(from_pv, settings(unit), AT) == []


class TestExport:
    @pytest.mark.trap("36b")
    @pytest.mark.parametrize("mode", [1, 2, 3])
    def test_how_the_plant_measures_is_never_changed(self, mode: int) -> None:
        """Feed-in of a plant with clamps is without limit once it is told to use a meter; only 123 is written."""
        unit = sph()
        on = settings(unit, export_limit_mode=(mode,), export_limit=(1000,))
        assert said(export_writes(unit, on, 0.0)) == ["123 = 0"]
        assert said(export_writes(unit, on, 40.0)) == ["123 = 400"]

    @pytest.mark.parametrize(("sensor", "mode"), [(0, 3), (1, 3), (2, 1)])
    def test_a_limit_that_was_off_is_switched_on_as_the_plant_measures(self, sensor: int, mode: int) -> None:
        unit = sph()
        off = settings(unit, grid_sensor=(sensor,), metering_device=(0,))
        assert said(export_writes(unit, off, 0.0)) == ["123 = 0", f"122 = {mode}"]

    def test_a_limit_is_not_switched_on_by_guessing(self) -> None:
        unit = sph()
        with pytest.raises(CannotTell, match="nothing says how the plant measures"):
            export_writes(unit, settings(unit, grid_sensor=(9,)), 0.0)

    def test_no_limit_needs_no_write_where_there_is_none(self) -> None:
        assert export_writes(sph(), settings(sph()), 100.0) == []

    def test_a_limit_that_acts_under_authority_only_is_none(self) -> None:
        """A.6: 30200 needs 30100 = 1, which alone is stand-by."""
        unit = Unit(TABLES["vpp"])
        now = {name: said for name, said in settings(unit).items() if not name.startswith("export_limit")}
        assert export_writes(unit, now, 100.0) == []
        with pytest.raises(CannotTell, match="no export limit that lasts"):
            export_writes(unit, now, 0.0)


class TestReserve:
    def test_of_an_sph_needs_the_word_of_a_person(self) -> None:
        """A.2: 608 is the load-first minimum in some firmware and a mode in other."""
        unit, now = sph(), settings(sph(), reserve_soc=(20,))
        with pytest.raises(CannotTell, match="reserve_register_checked"):
            reserve_writes(unit, now, 30, confirmed=False)
        assert said(reserve_writes(unit, now, 30, confirmed=True)) == ["608 = 30"]

    @pytest.mark.parametrize("value", [0, 1, 255])
    def test_of_an_sph_whose_608_is_a_mode_is_never_set(self, value: int) -> None:
        with pytest.raises(CannotTell, match="only 10 to 100 can be a reserve"):
            reserve_writes(sph(), settings(sph(), reserve_soc=(value,)), 30, confirmed=True)

    def test_of_remote_control_takes_authority_for_a_moment(self) -> None:
        """A.6: everything needs 30100 = 1, which alone is stand-by."""
        unit = Unit(TABLES["vpp"])
        written = said(reserve_writes(unit, settings(unit), 30, confirmed=False))
        assert written == ["30100 = 1", "30405 = 30", "30406 = 30", "30100 = 0"]

    def test_of_a_tl_xh_is_where_its_firmware_has_it(self) -> None:
        unit = Unit(TABLES["tl_xh"])
        assert said(reserve_writes(unit, settings(unit), 30, confirmed=False)) == ["3067 = 30"]
        newer = {name: said for name, said in settings(unit).items() if name != "reserve_soc"}
        assert said(reserve_writes(unit, newer, 30, confirmed=False)) == ["3310 = 30"]


class TestClock:
    @pytest.mark.trap("54")
    @pytest.mark.parametrize(("shown", "year"), [(26, 26), (2026, 2026)])
    def test_is_set_with_as_many_digits_as_it_shows(self, shown: int, year: int) -> None:
        """Firmware shows the year with two digits or with four; it is set as it is shown."""
        (write,) = clock_writes(sph(), (shown, 1, 1, 0, 0, 0), NOON, ZONE)
        assert write.address == 45
        assert write.values == (year, 1, 15, 12, 0, 11)

    @pytest.mark.trap("53")
    @pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
    def test_is_not_set_in_the_hours_in_which_it_changes(self, day: str) -> None:
        """Between 01:50 and 03:10 of a night on which clocks change nobody knows what it shows."""
        midnight = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZONE).astimezone(UTC)
        instants = [midnight + timedelta(minutes=minutes) for minutes in range(0, 300, 5)]
        may = {f"{at.astimezone(ZONE):%H:%M}" for at in instants if may_sync(at, ZONE)}
        assert {"01:45", "03:15"} <= may
        assert not {"01:50", "02:30", "03:10"} & may
        assert may_sync(midnight + timedelta(days=1, hours=2), ZONE)
        with pytest.raises(CannotTell, match="the clock changes tonight"):
            clock_writes(sph(), (26, 1, 1, 0, 0, 0), midnight + timedelta(hours=2, minutes=5), ZONE)


def test_a_word_comes_back_from_its_command() -> None:
    for word in (CHARGE, Word("auto", "mode"), Word("export_limit", "grid_export", percent=40.0)):
        assert Word.of(word.command("inverter", Validity(NOON, UNTIL))) == word


@pytest.mark.parametrize(
    ("address", "payload", "fault"),
    [
        ("explode", "{}", "'explode' is no word"),
        ("charge", "[]", "is no JSON object"),
        ("charge", '{"rate": 0}', "rate is 0; allowed: 1 to 100 %"),
        ("charge", '{"stop_soc": "80"}', "stop_soc is '80'"),
        ("export_limit", '{"percent": 120}', "percent is 120; allowed: 0 to 100 %"),
    ],
)
def test_a_broken_word_is_refused(address: str, payload: str, fault: str) -> None:
    command = Command("1", "inverter", "mode", "modbus", address, payload, UNTIL)
    with pytest.raises(ValueError, match=fault):
        Word.of(command)


def test_slots_that_pems_uses_are_two() -> None:
    assert len(slots_between(NOON.replace(second=0), UNTIL, ZONE)) == len(NUMBERS)
