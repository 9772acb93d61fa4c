"""How a Growatt inverter misleads its users over Modbus (E.1 to E.4), and what PEMS makes of it.

The trap plays in the simulated unit or on its socket; the production transport talks to it.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from pems_core.domain import NotNow, Quality, Receipt, Severity, Stage, WornOut
from pems_core.simulation.devices.growatt_parameters import GrowattParameters
from pems_core.simulation.devices.growatt_settings import Family
from pems_core.simulation.devices.registers import OUT_OF_RANGE, ModbusException
from pems_core.transport.image import ProcessImage
from tests.growatt.plant import CHARGE, HOLD, SELF_USE, SELL, Plant, plant

STORING: list[Family] = ["sph", "tl_xh", "vpp"]
EVERY = pytest.mark.parametrize("family", STORING)


async def check(house: Plant, receipt: Receipt) -> Receipt:
    return await house.transport.check(receipt.command)


async def to_and_fro(house: Plant, times: int) -> None:
    for _ in range(times):
        await house.tell(CHARGE)
        await house.tell(SELL)


class TestTheWire:
    @pytest.mark.trap("1")
    async def test_an_acknowledged_write_without_effect_is_no_success(self) -> None:
        """The stop SOC was acknowledged and stayed; the command ends as `no_effect` and is not repeated."""
        async with plant("sph", "1", parameters=GrowattParameters(ignored_writes={1091})) as house:
            receipt = await house.told_mode(CHARGE)
            assert receipt.stage is Stage.NO_EFFECT
            assert receipt.detail == "holding 1091 is 100, written was 80"
            assert [address for address, _ in house.written].count(1091) == 1

    @pytest.mark.trap("2")
    async def test_a_write_that_the_cloud_takes_back_is_found_out_and_not_fought(self) -> None:
        """The cloud put the old values back after 45 s; a later look says `reverted`, and polls write nothing."""
        async with plant("sph", "2") as house:
            receipt = await house.told_mode(CHARGE)
            assert receipt.stage is Stage.READBACK_OK
            writes = len(house.written)
            await house.polls(8)
            assert (await check(house, receipt)).stage is Stage.REVERTED
            assert len(house.written) == writes

    @pytest.mark.trap("2")
    async def test_slots_do_not_revert_as_they_are_written_whole(self) -> None:
        """A lone time word reverts after 6 s; PEMS never writes one, but start, stop and enable together."""
        async with plant("sph", "2", parameters=GrowattParameters(cloud_reverts_after_s=None)) as house:
            receipt = await house.told_mode(CHARGE)
            await house.polls(4)
            assert (await check(house, receipt)).stage is Stage.READBACK_OK
            assert all(
                len(values) == 3
                for address, values in house.written
                if address in range(1080, 1109) and address not in (1090, 1091, 1092)
            )

    @pytest.mark.trap("3")
    async def test_a_value_that_shows_late_is_no_failure(self) -> None:
        """New values could be read after 5 s and acted after 60 s; PEMS waited, and gave no alarm."""
        async with plant("sph", "3") as house:
            receipt = await house.told_mode(CHARGE)
            assert receipt.stage is Stage.READBACK_OK
            await house.polls(2)
            assert (await check(house, receipt)).stage is Stage.READBACK_OK
            assert not house.alerts

    @pytest.mark.trap("4")
    async def test_a_read_that_still_has_the_old_value_is_looked_at_again(self) -> None:
        """The first read after a write had the old value; the second look has the new one."""
        async with plant("sph", "4") as house:
            assert (await house.told_mode(CHARGE)).stage is Stage.READBACK_OK

    @pytest.mark.trap("5")
    async def test_slots_of_tl_xh_are_never_half_written(self) -> None:
        """A lone end word is answered with exception 0; PEMS writes pairs, and charges."""
        async with plant("tl_xh", "5") as house:
            assert (await house.told_mode(CHARGE)).stage is Stage.READBACK_OK

    @EVERY
    @pytest.mark.trap("6")
    async def test_reads_keep_within_groups_and_limits(self, family: Family) -> None:
        """The unit refuses reads over a group's border or of more than 64 registers; PEMS asks for less."""
        async with plant(family, "6", probed=False) as house:
            await house.polls(3, every_s=300.0)
            assert house.value("soc") == pytest.approx(0.47, abs=0.021)
            house.forget_log()
            await house.polls()
            assert max(request.count for request in house.requests) <= 64
            assert {request.function for request in house.requests} == {3, 4}

    @pytest.mark.trap("12")
    async def test_a_command_after_a_long_pause_arrives(self) -> None:
        """The gateway forgot the connection after 60 s; the line is opened anew, and each value is written once."""
        async with plant("sph", "12", timeout_s=0.3) as house:
            house.clock.pass_by(minutes=5)
            receipt = await house.told_mode(CHARGE)
            assert receipt.stage is Stage.READBACK_OK
            assert max(house.simulated.writes.values()) == 1

    @pytest.mark.trap("16")
    async def test_a_unit_that_sleeps_at_night_is_off_and_nothing_is_made_up(self) -> None:
        """It was silent from 22:00 to 07:00; readings kept their age, totals went on growing in the morning."""
        evening = datetime(2026, 1, 15, 20, 58, tzinfo=UTC)
        async with plant("sph", "16", start=evening, timeout_s=0.2) as house:
            heard_at, total_kwh = house.reading("soc").measured_at, house.number("load_kwh")
            for _ in range(5):
                house.clock.pass_by(hours=1)
                await house.polls()
            assert house.value("status") == "off"
            assert house.reading("soc").measured_at == heard_at
            house.clock.pass_by(hours=5)
            # The simulated house lives five hours before it answers the first, which may take too long for it.
            await house.polls(2)
            assert house.value("status") == "normal"
            assert house.number("load_kwh") >= total_kwh
            assert not house.alerts

    @pytest.mark.trap("17")
    async def test_a_reboot_under_remote_control_is_seen_and_nothing_is_replayed(self) -> None:
        """30407 fell back to 0 in a reboot; the command is `reverted`, and PEMS decides anew instead of repeating."""
        async with plant("vpp", "17") as house:
            receipt = await house.told_mode(CHARGE)
            writes = len(house.written)
            house.clock.pass_by(seconds=90)
            await house.polls(2)
            assert house.value("status") == "waiting"
            assert (await check(house, receipt)).stage is Stage.REVERTED
            assert len(house.written) == writes

    @EVERY
    @pytest.mark.trap("19")
    async def test_both_words_of_a_value_come_from_one_read(self, family: Family) -> None:
        """A power dithers about 6553.6 W, where the high word changes; no reading is off by 6.5 kW."""
        async with plant(family, "19", base_load_kw=6.5536, soc=0.1) as house:
            await house.pass_minutes(2)
            for _ in range(10):
                await house.polls()
                assert house.number("import_kw") == pytest.approx(6.55, abs=0.3)

    @EVERY
    @pytest.mark.trap("20")
    async def test_a_small_negative_power_is_noise_and_no_gigawatt(self, family: Family) -> None:
        """-0.5 W came as 4294967291 tenths; it is read as the -0.5 W that it is, and published as none."""
        async with plant(family, "20", pv_kw=1.0) as house:
            for flow in ("import_kw", "export_kw", "load_kw"):
                assert 0.0 <= house.number(flow) < 1.0


class TestSemantics:
    @pytest.mark.trap("21")
    async def test_charging_from_the_grid_against_the_setting_is_told(self) -> None:
        """Battery first took power from the grid with AC charge off; PEMS says so."""
        async with plant("sph", "21") as house:
            await house.tell({**CHARGE, "battery_charge_grid": False})
            await house.pass_minutes(5)
            assert house.number("import_kw") > 2.0
            assert "from the grid, though charging from the grid is off" in house.alert_texts

    @pytest.mark.trap("21")
    async def test_a_hold_does_not_charge_from_the_grid(self) -> None:
        """Battery first charges from the grid up to its stop SOC; a hold pins that at the present one."""
        async with plant("sph", "21", soc=0.5, base_load_kw=1.0) as house:
            await house.tell({**HOLD, "stop_soc": 0.7})
            await house.pass_minutes(6)
            assert house.value("mode") == "battery_first"
            assert (house.number("charge_kw"), house.number("discharge_kw")) == (0.0, 0.0)

    @pytest.mark.trap("22")
    async def test_self_use_does_not_end_in_stand_by(self) -> None:
        """With authority and without remote control the house ran from the grid; `auto` gives authority back."""
        async with plant("vpp", "22", base_load_kw=2.0) as house:
            await house.tell(CHARGE)
            await house.pass_minutes(2)
            await house.tell(SELF_USE)
            await house.pass_minutes(5)
            assert house.number("discharge_kw") == pytest.approx(2.0, abs=0.2)
            assert house.number("import_kw") == pytest.approx(0.0, abs=0.1)

    @pytest.mark.trap("23")
    async def test_a_new_power_never_runs_the_old_one_first(self) -> None:
        """Power that came after its commit ran a cycle late; PEMS writes power, duration, commit."""
        async with plant("vpp", "23") as house:
            await house.tell(CHARGE)
            await house.pass_minutes(2)
            house.forget_log()
            await house.tell(SELL)
            order = [address for address, _ in house.written if address in (30407, 30408, 30409)]
            assert order == [30409, 30408, 30407]
            house.clock.pass_by(seconds=130)
            await house.polls()
            assert house.number("discharge_kw") == pytest.approx(3.0, abs=0.2)

    @pytest.mark.trap("24")
    async def test_remote_control_whose_timer_never_ends_is_ended(self) -> None:
        """A duration of 10 min had not ended after 15; PEMS ended it itself, once it was not renewed."""
        async with plant("vpp", "24") as house:
            await house.tell(SELL, minutes=10)
            await house.pass_minutes(9)
            assert house.holding(30407) == [1]
            await house.pass_minutes(3)
            assert (house.holding(30407), house.holding(30100)) == ([0], [0])

    @pytest.mark.trap("24")
    async def test_a_command_that_comes_while_remote_control_ends_is_not_undone(self) -> None:
        """PEMS was about to end what had lasted for too long when something new was told, which held."""
        async with plant("vpp", "24") as house:
            await house.tell(SELL, minutes=10)
            house.clock.pass_by(minutes=11)
            meter = house.transport._meter
            assert meter is not None
            read = meter.read_settings

            async def meanwhile(*names: str) -> dict[str, tuple[int, ...]]:
                before = await read(*names)
                meter.read_settings = read  # type: ignore[method-assign]
                await house.tell(CHARGE)
                return before

            meter.read_settings = meanwhile  # type: ignore[method-assign]
            await house.polls()
            assert house.holding(30407) == [1]

    async def test_a_unit_that_refuses_to_be_let_go_is_told_again(self) -> None:
        """What is refused between commands is an alert, not the end of the conversation."""
        async with plant("vpp", "24") as house:
            await house.tell(SELL, minutes=10)
            house.clock.pass_by(minutes=11)
            write = house.simulated.write

            def refuse(address: int, values: Sequence[int], single: bool) -> None:
                raise ModbusException(OUT_OF_RANGE)

            house.simulated.write = refuse  # type: ignore[method-assign]
            await house.polls()
            assert "remote control is not as it should be" in house.alert_texts
            house.simulated.write = write  # type: ignore[method-assign]
            await house.polls()
            assert house.holding(30407) == [0]
            assert not house.alerts

    @pytest.mark.trap("25")
    async def test_charging_from_pv_alone_imports_nothing(self) -> None:
        """The unit imported to reach its target with AC charge off; without the grid PEMS sets no target."""
        async with plant("vpp", "25", pv_kw=2.0, base_load_kw=0.5) as house:
            await house.tell({**CHARGE, "battery_charge_grid": False})
            await house.pass_minutes(5)
            assert house.number("import_kw") == pytest.approx(0.0, abs=0.05)
            assert house.number("charge_kw") > 1.0

    @pytest.mark.trap("26")
    async def test_a_repeated_command_that_does_nothing_is_armed_once_more(self) -> None:
        """The second identical command delivered 0 W; PEMS saw no power and armed anew, once."""
        async with plant("vpp", "26") as house:
            await house.tell(CHARGE)
            await house.pass_minutes(3)
            await house.tell(CHARGE)
            charged_kw = []
            for _ in range(6):
                await house.polls(every_s=25.0)
                charged_kw.append(house.number("charge_kw"))
            assert 0.0 in charged_kw
            await house.pass_minutes(6)
            assert house.number("charge_kw") == pytest.approx(2.5, abs=0.1)
            assert not house.alerts

    @pytest.mark.trap("28")
    async def test_the_export_limit_is_looked_at_after_authority_was_given_back(self) -> None:
        """Giving authority back cleared 122 for 8 s; PEMS waited until it was back and wrote nothing."""
        short = GrowattParameters(export_cleared_s=8.0)
        async with plant({"tl_xh", "vpp"}, "28", family_told="vpp", parameters=short) as house:
            await house.tell(CHARGE)
            await house.release()
            assert house.holding(122) == [3]
            assert 122 not in [address for address, _ in house.written]

    @pytest.mark.trap("28")
    async def test_an_export_limit_that_stays_cleared_is_set_again(self) -> None:
        """Giving authority back cleared 122 for good; PEMS set it again and says so."""
        lasting = GrowattParameters(export_cleared_s=1e6)
        async with plant({"tl_xh", "vpp"}, "28", family_told="vpp", parameters=lasting) as house:
            await house.tell(CHARGE)
            auto = (await house.release())[0]
            assert house.holding(122) == [3]
            assert auto.stage is Stage.READBACK_OK
            assert "cleared the export limit" in house.alert_texts

    @pytest.mark.trap("29")
    async def test_a_slow_ramp_of_feed_in_raises_no_alarm(self) -> None:
        """Feed-in went down by 0.27 % a second; the command is good when its register is, and nothing is alarmed."""
        async with plant("sph", "29", pv_kw=6.0, soc=1.0) as house:
            export, *_ = await house.tell({**SELF_USE, "grid_export": False})
            assert export.stage is Stage.READBACK_OK
            await house.polls(4)
            assert not house.alerts
            assert (await check(house, export)).stage is Stage.READBACK_OK
            await house.pass_minutes(8)
            assert house.number("export_kw") == pytest.approx(0.0, abs=0.1)

    @pytest.mark.trap("30")
    async def test_a_hidden_cap_of_grid_charging_is_raised_with_the_stop(self) -> None:
        """3312 would have ended charging at 80 %, below the stop of 95 %; PEMS sets both."""
        async with plant("tl_xh") as house:
            house.simulated.put("holding", 3312, 80)
            await house.tell({**CHARGE, "stop_soc": 0.95})
            assert (house.holding(3048), house.holding(3312)) == ([95], [95])

    @pytest.mark.trap("30")
    async def test_a_floor_of_the_firmware_is_kept(self) -> None:
        """The unit refused 12 % with exception 3; PEMS took 16 %, the lowest it accepts, and says so."""
        async with plant("tl_xh", "30") as house:
            receipt = await house.told_mode({**SELL, "stop_soc": 0.12})
            assert (receipt.stage, receipt.detail) == (Stage.READBACK_OK, "the unit keeps at least 16 %")
            assert house.holding(3037) == [16]

    @pytest.mark.trap("31")
    async def test_a_slot_over_midnight_acts_on_both_sides_of_it(self) -> None:
        """Slots over midnight are ignored; PEMS sets two that meet there, and the mode lasts."""
        late = datetime(2026, 1, 15, 22, 30, tzinfo=UTC)
        async with plant("sph", "31", start=late, soc=0.9) as house:
            await house.tell(SELL, minutes=60)
            for minutes, mode in ((10, "grid_first"), (35, "grid_first"), (20, "load_first")):
                house.clock.pass_by(minutes=minutes)
                await house.polls()
                assert house.value("mode") == mode

    @pytest.mark.trap("32")
    async def test_slots_of_two_modes_are_never_on_together(self) -> None:
        """With slots of both modes the mode is undefined; the other mode's slot is ended before."""
        async with plant("sph", "32") as house:
            await house.tell(CHARGE)
            await house.pass_minutes(3)
            house.forget_log()
            await house.tell(SELL)
            slots = [(address, values[-1]) for address, values in house.written if len(values) == 3]
            assert slots == [(1100, 0), (1080, 1)]
            await house.pass_minutes(4)
            assert house.value("mode") == "grid_first"

    @pytest.mark.trap("33")
    async def test_a_priority_that_somebody_writes_is_found_in_its_siblings(self) -> None:
        """A write to 1044 switched slots on and off; PEMS never writes it, and sees that its slot is not as told."""
        async with plant("sph", "33") as house:
            receipt = await house.told_mode(CHARGE)
            house.simulated.write(1044, [2], False)
            assert (await check(house, receipt)).stage is Stage.REVERTED
            assert 1044 not in [address for address, _ in house.written]

    @pytest.mark.trap("34")
    async def test_quick_writes_to_one_slot_leave_its_siblings_right(self) -> None:
        """A second quick write brought the siblings back as they were; whole slots from fresh reads have none."""
        async with plant("sph", "34") as house:
            await house.tell(CHARGE)
            await house.tell(SELL)
            await house.tell(CHARGE)
            on = {first: house.holding(first + 2)[0] for first in (1080, 1100)}
            assert on == {1080: 0, 1100: 1}
            assert (await house.told_mode(CHARGE)).detail == "it was so already"

    @pytest.mark.trap("35")
    async def test_the_budget_ends_before_the_memory_does(self) -> None:
        """A register stuck after 50 writes; PEMS ran out of its 18 a day before, and could still release."""
        async with plant("sph", "35", budget=18) as house:
            with pytest.raises(WornOut):
                await to_and_fro(house, 40)
            assert max(house.simulated.writes.values()) <= 18
            assert {receipt.stage for receipt in await house.release()} == {Stage.READBACK_OK}

    @EVERY
    @pytest.mark.trap("36")
    async def test_nothing_is_written_in_steady_state(self, family: Family) -> None:
        """Each write wears the memory, of an unchanged value too; what is so already is not written again."""
        async with plant(family) as house:
            await house.tell(CHARGE, minutes=90)
            await house.pass_minutes(3)
            house.wear.writes.clear()
            for _ in range(4):
                await house.tell(CHARGE, minutes=80)
                await house.pass_minutes(2)
            assert not house.wear.writes

    @pytest.mark.trap("36b")
    async def test_a_plant_with_clamps_keeps_them(self) -> None:
        """Export without the right meter is without limit; switching feed-in off and on leaves 122 at 3."""
        async with plant("sph", metering=3) as house:
            for export in (False, True, False):
                await house.tell({**SELF_USE, "grid_export": export})
                assert house.holding(122) == [3]
            house.simulated.put("holding", 122, 1)
            told = (await house.tell({**SELF_USE, "grid_export": False}))[0]
            house.simulated.put("holding", 122, 3)
            assert (await check(house, told)).stage is Stage.REVERTED

    @pytest.mark.trap("37")
    async def test_powers_without_a_meter_are_not_believed(self) -> None:
        """Without its meter the unit reads 0 for import, export and load; these are suspect, PV and battery good."""
        async with plant("sph", "37", pv_kw=2.0) as house:
            await house.pass_minutes(2)
            assert {house.reading(flow).quality for flow in ("import_kw", "export_kw", "load_kw")} == {Quality.SUSPECT}
            assert house.number("pv_kw") > 1.9
            assert "meter does not answer" in house.alert_texts

    @pytest.mark.trap("38")
    async def test_a_clamp_the_wrong_way_round_breaks_the_balance(self) -> None:
        """Import and export were swapped; each is possible, together with the rest they are not, and become suspect."""
        async with plant("sph", "38", base_load_kw=3.0, soc=0.1) as house:
            image = ProcessImage()
            for _ in range(6):
                await house.polls()
                readings = image.take(house.clock.now(), [house.transport.readings()])
            assert readings.points["inverter/import_kw"].quality is Quality.SUSPECT

    @pytest.mark.trap("39")
    @pytest.mark.parametrize("family", ["sph", "tl_xh"])
    async def test_scales_that_differ_by_firmware_are_found(self, family: Family) -> None:
        """The battery's temperature came in whole degrees, its voltage in 0.1 V; both readings are as without."""
        async with plant(family) as plain, plant(family, "39") as odd:
            for state in ("battery_temperature_c", "charge_limit_kw"):
                assert odd.number(state) == pytest.approx(plain.number(state), rel=0.05)

    @pytest.mark.trap("40")
    async def test_a_total_never_decreases(self) -> None:
        """A total jumped back by 0.1 kWh for a minute each hour; what is good never gets less."""
        async with plant("sph", "40", pv_kw=1.0) as house:
            highest, suspect = 0.0, 0
            for _ in range(130):
                await house.polls(every_s=50.0)
                reading = house.reading("load_kwh")
                if reading.quality is Quality.GOOD:
                    assert float(reading.value) >= highest
                    highest = float(reading.value)
                else:
                    suspect += 1
            assert suspect

    @pytest.mark.trap("40")
    async def test_what_the_battery_gave_is_not_counted_as_pv(self) -> None:
        """53 to 56 contain the battery's energy; PV is counted by 91."""
        async with plant("sph", pv_kw=0.0, base_load_kw=2.0) as house:
            before = house.number("pv_kwh")
            house.clock.pass_by(hours=1)
            await house.polls()
            assert house.number("discharge_kwh") > 1001.0
            assert house.number("pv_kwh") == before


class TestBattery:
    @EVERY
    @pytest.mark.trap("41")
    async def test_a_battery_too_cold_to_charge_says_so(self, family: Family) -> None:
        """Below 3 °C the battery takes nothing; its limit is 0 to plan with, and nothing is written again and again."""
        async with plant(family, "41") as house:
            await house.tell(CHARGE)
            writes = len(house.written)
            await house.pass_minutes(10)
            assert house.number("charge_limit_kw") == 0.0
            assert house.number("discharge_limit_kw") > 1.0
            assert len(house.written) == writes

    @EVERY
    @pytest.mark.trap("42")
    async def test_a_lower_limit_of_the_battery_is_told(self, family: Family) -> None:
        """A hot battery allowed a fifth of its current; that is what is to be planned with."""
        async with plant(family, "42") as house:
            assert house.number("charge_limit_kw") == pytest.approx(1.0, rel=0.05)
            assert house.number("discharge_limit_kw") == pytest.approx(1.0, rel=0.05)

    @EVERY
    @pytest.mark.trap("43")
    async def test_slower_charging_near_full_is_no_fault(self, family: Family) -> None:
        """From 92 % the power falls, to nothing at 99 %; no alarm, and nothing is armed anew."""
        async with plant(family, "43", soc=0.97) as house:
            await house.tell({**CHARGE, "stop_soc": 1.0})
            writes = len(house.written)
            await house.pass_minutes(30)
            assert not house.alerts
            assert len(house.written) == writes

    @EVERY
    @pytest.mark.trap("44")
    async def test_a_jump_of_the_state_of_charge_is_believed_when_it_stays(self, family: Family) -> None:
        """The battery found itself 15 % lower; the first poll is suspect, the third good, and nothing is written."""
        async with plant(family, soc=0.6) as house:
            house.simulated.set_soc(0.45)
            qualities = []
            for _ in range(4):
                await house.polls()
                qualities.append(house.reading("soc").quality)
            assert qualities[0] is Quality.SUSPECT
            assert qualities[-1] is Quality.GOOD
            assert house.number("soc") == pytest.approx(0.45, abs=0.02)
            assert house.written == []

    @pytest.mark.trap("45")
    async def test_a_state_of_charge_in_steps_is_no_jump(self) -> None:
        """The state of charge came in steps of 1 %, minutes late; all of them are good."""
        async with plant("sph", "45", soc=0.8, base_load_kw=4.0) as house:
            for _ in range(30):
                await house.polls(every_s=60.0)
                assert house.reading("soc").quality is Quality.GOOD

    @pytest.mark.trap("46")
    async def test_a_charge_that_the_battery_asks_for_is_let_happen(self) -> None:
        """At 11 % the battery drew from the grid by itself; no alarm and no command against it."""
        async with plant("tl_xh", "46", soc=0.11, base_load_kw=0.3) as house:
            await house.pass_minutes(5)
            assert house.number("charge_kw") > 0.3
            assert not house.alerts
            assert house.written == []

    @EVERY
    @pytest.mark.trap("47")
    async def test_a_battery_that_nobody_hears_is_not_available(self, family: Family) -> None:
        """With warning 217 the state of charge read 0; PEMS keeps the last one's age, and allows no power."""
        async with plant(family) as house:
            heard_at = house.reading("soc").measured_at
            house.traps.set("47")
            await house.pass_minutes(3)
            assert house.reading("soc").measured_at == heard_at
            assert house.number("soc") == pytest.approx(0.5)
            assert (house.number("charge_limit_kw"), house.number("discharge_limit_kw")) == (0.0, 0.0)
            assert any("217" in alert.text and alert.severity is Severity.CRITICAL for alert in house.alerts)

    @pytest.mark.trap("48")
    async def test_losses_do_not_break_the_balance(self) -> None:
        """The battery lost 6 % each way and drew 60 W; powers stay good."""
        async with plant("sph", "48", base_load_kw=2.0) as house:
            image = ProcessImage()
            for _ in range(8):
                await house.polls()
                readings = image.take(house.clock.now(), [house.transport.readings()])
            assert readings.points["inverter/load_kw"].quality is Quality.GOOD

    @pytest.mark.trap("49")
    async def test_off_grid_nothing_is_commanded_until_it_is_back_for_a_while(self) -> None:
        """The grid was lost and commands ignored; none is sent until 5 min after its return."""
        async with plant("sph") as house:
            house.traps.set("49")
            await house.pass_minutes(2)
            assert house.value("status") == "off_grid"
            with pytest.raises(NotNow):
                await house.told_mode(CHARGE)
            house.traps.clear("49")
            await house.pass_minutes(3)
            with pytest.raises(NotNow, match="commands are allowed 5 min after that"):
                await house.told_mode(CHARGE)
            await house.pass_minutes(5)
            assert (await house.told_mode(CHARGE)).stage is Stage.READBACK_OK
            assert {request.address for request in house.requests if request.values} <= set(range(1070, 1125))

    @pytest.mark.trap("50")
    @pytest.mark.parametrize("family", ["sph", "tl_xh"])
    async def test_derating_is_told_so_that_it_is_not_learnt_as_cloud(self, family: Family) -> None:
        """The inverter clipped PV; the reading `derating` says why."""
        async with plant(family, "50", pv_kw=5.0) as house:
            assert house.value("derating") != ""
            assert "gives less than it could" in house.alert_texts


class TestTime:
    @pytest.mark.trap("51")
    async def test_a_clock_that_drifts_is_set_once_a_day(self) -> None:
        """The clock gained 2 s an hour and was 1.4 s late when set; it is set when slots need it, once a day."""
        async with plant("sph", "51") as house:
            for _ in range(2):
                house.clock.pass_by(hours=11)
                await house.polls()
                await house.tell(SELL)
                assert abs(house.number("clock_offset_s")) < 60
            synced = [address for address, _ in house.written].count(45)
            assert synced == 1
            assert abs(house.number("clock_offset_s")) < 60

    @pytest.mark.trap("52")
    async def test_a_clock_that_is_put_back_again_is_not_fought_over(self) -> None:
        """The datalogger put the clock back an hour every 30 min; it is set once, then slots are refused."""
        async with plant("sph", "52") as house:
            for round_ in range(6):
                house.clock.pass_by(minutes=31)
                await house.polls(45)
                with nullcontext() if round_ == 0 else pytest.raises(NotNow, match="slots are allowed within"):
                    assert (await house.told_mode(SELL)).stage is Stage.READBACK_OK
            assert [address for address, _ in house.written].count(45) == 1
            assert "no slots are set while it is" in house.alert_texts

    @pytest.mark.trap("53")
    @pytest.mark.parametrize(
        ("begins", "minutes"),
        [("2026-03-29T00:30", 30), ("2026-03-29T00:30", 90), ("2026-10-24T23:30", 60), ("2026-10-25T00:30", 120)],
    )
    async def test_modes_begin_and_end_in_the_nights_of_the_changes(self, begins: str, minutes: int) -> None:
        """An hour was missing, or came twice; the mode is in force soon after it was told, and ends in time."""
        start = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        async with plant("sph", "53", start=start, soc=0.9) as house:
            await house.tell(SELL, minutes=minutes)
            house.clock.pass_by(minutes=5)
            await house.polls()
            assert house.value("mode") == "grid_first"
            house.clock.pass_by(minutes=minutes + 2)
            await house.polls()
            assert house.value("mode") == "load_first"

    @pytest.mark.trap("54")
    async def test_a_year_of_four_digits_is_read_and_written(self) -> None:
        """The clock showed 2026 and not 26; it is read right, and set in its own form."""
        async with plant("sph", "54") as house:
            assert house.number("clock_offset_s") == pytest.approx(0.0, abs=2.0)
            house.clock.pass_by(minutes=11)
            house.simulated.write(45, [2026, 1, 15, 11, 30, 0], False)
            await house.tell(SELL)
            assert next(values for address, values in house.written if address == 45)[0] == 2026
            assert abs(house.number("clock_offset_s")) < 5

    @pytest.mark.trap("55")
    @pytest.mark.parametrize("family", ["sph", "tl_xh"])
    async def test_a_slot_never_starts_in_the_past(self, family: Family) -> None:
        """A slot whose start has passed waits until tomorrow; PEMS starts it a minute ahead, and it acts today."""
        async with plant(family, "55") as house:
            await house.tell(SELL)
            house.clock.pass_by(minutes=3)
            await house.polls()
            assert house.value("mode") == "grid_first"
