"""What pems.toml may say, and what is told about a file that cannot be used."""

import re
import tomllib
from copy import copy
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from pems_flexible_load.config import FlexibleLoadSection
from pems_forecasters.config import SourcesSection
from pems_growatt.config import GrowattSection
from pems_heating_loxone.config import HeatingSection
from pydantic import SecretStr

from pems_core.commands.inputs import house_from
from pems_core.config import (
    CORE_SECTIONS,
    Config,
    ConfigError,
    GridSection,
    PvSection,
    Secret,
    Section,
    SiteSection,
    SolverSection,
    StagesSection,
    StrategySection,
    Table,
    TariffSection,
    load_config,
    parse_config,
)
from pems_core.domain import BatterySpec, ComfortBand, ComfortSchedule, GridSpec, HybridInverterSpec, RoomSpec
from pems_core.tariff import D57D

DEVICES: list[tuple[str, type[Section]]] = [
    ("growatt", GrowattSection),
    ("heating_loxone", HeatingSection),
    ("flexible_load", FlexibleLoadSection),
    ("sources", SourcesSection),
]
PLACE = """
[site]
latitude = 49.2
longitude = 16.6
timezone = "Europe/Prague"

[grid]
import_limit_kw = 17.0
"""
ROOM = """
[[heating_loxone.room]]
name = "{name}"
relay_kw = {relay_kw}
comfort = {comfort}
air_kwh_per_k = 1.0
slab_kwh_per_k = 0.4
slab_to_air_kw_per_k = 0.1
outside_kw_per_k = 0.02
neighbours = {neighbours}
"""
ALL_DAY = '[{ from = "00:00", setpoint_c = 21 }]'


def house(text: str = "") -> Config:
    return parse_config(PLACE + text, DEVICES)


def faults(text: str, place: str = PLACE) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(place + text, DEVICES)
    return list(caught.value.faults)


def room(name: str = "kitchen", relay_kw: float = 1.0, comfort: str = ALL_DAY, neighbours: str = "{}") -> str:
    return ROOM.format(name=name, relay_kw=relay_kw, comfort=comfort, neighbours=neighbours)


class TestTheExample:
    def test_can_be_used(self, example_house: Path) -> None:
        config = load_config(example_house, DEVICES, {})
        assert config[SiteSection].currency == "CZK"
        assert sum(array.peak_kw for array in config.all(PvSection)) == 13.5

    @pytest.mark.parametrize(("name", "model"), [*CORE_SECTIONS, *DEVICES])
    def test_explains_every_key(self, name: str, model: type[Section], example_house: Path) -> None:
        text = example_house.read_text(encoding="utf-8")
        for key in keys(model):
            written = rf"(^|[ {{`])(# )?{key} =|\.{key}\]"
            assert re.search(written, text, re.MULTILINE), f"{name}: {key} is not explained"

    def test_gives_every_key_a_unit_or_a_reason(self, example_house: Path) -> None:
        text = example_house.read_text(encoding="utf-8")
        lines = text[: text.index("[[heating_loxone.room]]", text.index("[[heating_loxone.room]]") + 1)].splitlines()
        seen: set[str] = set()
        for before, line in pairwise(lines):
            key, is_key, _ = line.removeprefix("# ").partition(" = ")
            if is_key and re.fullmatch(r"[a-z_]+", key) and key not in seen:
                assert "  # " in line or before.startswith("#"), line
                seen.add(key)

    def test_is_the_reference_house(self, example_house: Path) -> None:
        spec = load_config(example_house, DEVICES, {})[HeatingSection].spec("Europe/Prague")
        assert len(spec.rooms) == 17
        assert sum(room.relay_kw for room in spec.rooms) == pytest.approx(20.83)
        outside_kw_per_k = sum(room.outside_kw_per_k for room in spec.rooms)
        assert outside_kw_per_k == pytest.approx(0.34, abs=0.001)
        stored_kwh_per_k = sum(room.air_kwh_per_k + room.slab_kwh_per_k for room in spec.rooms)
        assert 60 < stored_kwh_per_k / outside_kw_per_k < 100

    def test_keeps_every_room_warm_in_hard_frost(self, example_house: Path) -> None:
        spec = load_config(example_house, DEVICES, {})[HeatingSection].spec("Europe/Prague")
        noon = datetime(2025, 1, 15, 11, tzinfo=UTC)
        wanted_c = {room.name: room.comfort.at(noon).setpoint_c for room in spec.rooms}
        for heated in spec.rooms:
            here_c = wanted_c[heated.name]
            lost_kw = heated.outside_kw_per_k * (here_c + 15)
            others = (other for other in wanted_c if other != heated.name)
            lost_kw += sum(spec.conductance(heated.name, other) * (here_c - wanted_c[other]) for other in others)
            assert 0 < lost_kw < 0.9 * heated.relay_kw, heated.name

    def test_leaves_the_bands_of_day_and_night_in_touch(self, example_house: Path) -> None:
        for heated in load_config(example_house, DEVICES, {})[HeatingSection].spec("Europe/Prague").rooms:
            bands = [band for _, band in heated.comfort.periods]
            assert max(b.low_c for b in bands) < min(b.high_c for b in bands), heated.name

    def test_returns_85_percent_of_what_the_battery_took(self, example_house: Path) -> None:
        spec = load_config(example_house, DEVICES, {})[GrowattSection].spec(pv_share=1.0)
        assert spec.battery is not None
        there = spec.rectifying_efficiency * spec.battery.charge_efficiency
        back = spec.battery.discharge_efficiency * spec.inverting_efficiency
        assert there * back == pytest.approx(0.85, abs=0.001)

    def test_has_the_tariff_of_the_bill(self, example_house: Path) -> None:
        tariff = load_config(example_house, DEVICES, {})[TariffSection].tariff("Europe/Prague")
        local_day = pd.date_range("2025-01-15", periods=96, freq="15min", tz=ZoneInfo("Europe/Prague"))
        np.testing.assert_allclose(tariff.distribution_prices(local_day), D57D.distribution_prices(local_day))
        import_price, feed_in_price = tariff.prices(local_day[:1], [2.0])
        assert import_price[0] == pytest.approx((2.0 + 0.281 + 0.25) * 1.21)
        assert feed_in_price[0] == pytest.approx(2.0 - 0.35)


class TestWhatIsRead:
    def test_a_house_without_devices(self) -> None:
        config = house()
        assert config.get(GrowattSection) is None
        assert config[HeatingSection].room == ()
        assert config.all(FlexibleLoadSection) == ()
        assert config.all(PvSection) == ()
        assert config[GridSection].spec() == GridSpec(import_limit_kw=17.0, export_limit_kw=0.0)

    def test_a_section_that_is_left_out_cannot_be_taken(self) -> None:
        with pytest.raises(LookupError, match="GrowattSection is not in the house file"):
            house()[GrowattSection]

    def test_defaults_that_are_used_are_named(self) -> None:
        assert "solver.gap = 0.01" in house().defaults
        assert "solver.gap = 0.01" not in house("[solver]\ngap = 0.01").defaults

    def test_an_inverter_without_battery(self) -> None:
        spec = house("[growatt]\nac_limit_kw = 8.0")[GrowattSection].spec(pv_share=0.5)
        assert spec.battery is None
        assert spec.grid_charge_limit_kw == 8.0
        assert spec.pv_share == 0.5

    def test_every_key_of_the_inverter_reaches_its_equipment(self) -> None:
        text = """
        [growatt]
        ac_limit_kw = 9.0
        grid_charge_limit_kw = 3.0
        inverting_efficiency = 0.91
        rectifying_efficiency = 0.92
        battery_kwh = 7.0
        charge_limit_kw = 2.0
        discharge_limit_kw = 4.0
        charge_efficiency = 0.93
        discharge_efficiency = 0.94
        reserve_soc = 0.15
        soc_max = 0.95
        standby_kw = 0.03
        wear_cost_per_kwh = 1.5
        mode_change_cost = 0.6
        charge_taper = [[0.8, 1.0], [1.0, 0.5]]
        discharge_taper = [[0.1, 0.4], [0.3, 1.0]]
        temperature_derating = [[0.0, 0.1], [9.0, 1.0]]
        grid_charge_below_price_per_kwh = 2.5
        export_above_price_per_kwh = 0.7
        """
        battery = BatterySpec(
            capacity_kwh=7.0,
            charge_limit_kw=2.0,
            discharge_limit_kw=4.0,
            charge_efficiency=0.93,
            discharge_efficiency=0.94,
            soc_min=0.15,
            soc_max=0.95,
            standby_kw=0.03,
            wear_cost_per_kwh=1.5,
            charge_taper=((0.8, 1.0), (1.0, 0.5)),
            discharge_taper=((0.1, 0.4), (0.3, 1.0)),
            temperature_derating=((0.0, 0.1), (9.0, 1.0)),
        )
        assert house(text)[GrowattSection].spec(pv_share=0.4) == HybridInverterSpec(
            ac_limit_kw=9.0,
            inverting_efficiency=0.91,
            rectifying_efficiency=0.92,
            grid_charge_limit_kw=3.0,
            battery=battery,
            pv_share=0.4,
            mode_change_cost=0.6,
            grid_charge_below_price_per_kwh=2.5,
            export_above_price_per_kwh=0.7,
        )

    def test_every_key_of_a_room_reaches_its_equipment(self) -> None:
        more = "solar_m2 = 0.5\ninternal_gain_kw = 0.06\nmin_on_minutes = 10\nmin_off_minutes = 20\n"
        spec = house(room("hall") + room(neighbours="{ hall = 0.15 }") + more)[HeatingSection].spec("Europe/Prague")
        kitchen = spec.by_name["kitchen"]
        assert kitchen == RoomSpec(
            name="kitchen",
            relay_kw=1.0,
            comfort=ComfortSchedule(((time(0), ComfortBand(21.0, 20.0, 22.0)),), "Europe/Prague"),
            air_kwh_per_k=1.0,
            slab_kwh_per_k=0.4,
            slab_to_air_kw_per_k=0.1,
            outside_kw_per_k=0.02,
            neighbours={"hall": 0.15},
            solar_m2=0.5,
            internal_gain_kw=0.06,
            min_on=timedelta(minutes=10),
            min_off=timedelta(minutes=20),
        )
        assert spec.conductance("hall", "kitchen") == 0.15

    def test_comfort_holds_over_midnight(self) -> None:
        comfort = '[{ from = "06:00", setpoint_c = 21 }, { from = "22:00", setpoint_c = 19 }]'
        kitchen = house(room(comfort=comfort) + "band_above_k = 0.5")[HeatingSection].spec("Europe/Prague").rooms[0]
        night = kitchen.comfort.at(datetime(2025, 1, 15, 1, tzinfo=UTC))
        assert (night.low_c, night.setpoint_c, night.high_c) == (18.0, 19.0, 19.5)
        assert kitchen.comfort.at(datetime(2025, 1, 15, 5, tzinfo=UTC)).setpoint_c == 21.0

    def test_a_load_that_is_repeated(self) -> None:
        text = "[[flexible_load]]\nname = '{}'\npower_max_kw = 11\nenergy_kwh = 8\nunserved_price_per_kwh = 20\n"
        loads = house(text.format("car") + text.format("boiler") + "ready_by = 07:00:00").all(FlexibleLoadSection)
        assert [load.name for load in loads] == ["car", "boiler"]
        assert [load.spec("UTC").ready_by for load in loads] == [time(0), time(7)]

    def test_one_aim_or_several(self) -> None:
        assert house()[StrategySection].mix == {"lowest_bill": 1.0}
        assert house("[strategy]\nweights = { lowest_bill = 1, low_carbon = 0.5 }")[StrategySection].mix == {
            "lowest_bill": 1.0,
            "low_carbon": 0.5,
        }

    def test_stages_by_device(self) -> None:
        stages = house('[stages]\ninverter = "control"')[StagesSection]
        assert (stages.of("inverter"), stages.of("heating")) == ("control", "observe")


class TestFaults:
    def test_all_are_told_at_once_with_their_place(self) -> None:
        text = (
            '[growatt]\nac_limit_kw = -1\nbatery_kwh = 10\n[solver]\nname = "higs"\ntime_limit_s = "ten"\n'
            "[[pv]]\npeak_kw = 0\ntilt_deg = 35\nazimuth_deg = 180\n[heting_loxone]\n"
            + room(relay_kw=0, neighbours="{ hal = 0.1 }")
            + room(name="hall", comfort='[{ from = "22:00", setpoint_c = 21 }, { from = "06:00", setpoint_c = 99 }]')
        )
        found = faults(text, place=PLACE.replace("Prague", "Prag"))
        assert found == [
            (
                f"heting_loxone: unknown section; known: {', '.join(name for name, _ in CORE_SECTIONS)}, "
                "growatt, heating_loxone, flexible_load, sources; did you mean 'heating_loxone'?"
            ),
            (
                "site.timezone: found 'Europe/Prag'; allowed: a name of the IANA time zone database; "
                "did you mean 'Europe/Prague'?"
            ),
            "pv[1].peak_kw: found 0; allowed: greater than 0",
            "solver.name: found 'higs'; allowed: 'highs' or 'cbc'; did you mean 'highs'?",
            "solver.time_limit_s: found 'ten'; allowed: a number",
            "growatt.ac_limit_kw: found -1; allowed: greater than 0",
            (
                f"growatt.batery_kwh: unknown key; known: {', '.join(GrowattSection.model_fields)}; "
                "did you mean 'battery_kwh'?"
            ),
            "heating_loxone.room[kitchen].relay_kw: found 0; allowed: greater than 0",
            "heating_loxone.room[hall].comfort[2].setpoint_c: found 99; allowed: less than or equal to 35",
            "heating_loxone.room[kitchen].neighbours.hal: no room has this name; rooms: hall; did you mean 'hall'?",
            "heating_loxone.room[hall].comfort[2].from: found 06:00 after 22:00; allowed: later than the period before",
        ]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[site", "pems.toml, line 1, its end: not TOML: Expected ']' at the end of a table declaration"),
            ("a = 1\na = 2\n", "pems.toml, line 2, column 6: not TOML: Cannot overwrite a value"),
        ],
    )
    def test_broken_toml_is_told_with_its_line(self, text: str, line: str) -> None:
        assert faults(text, place="") == [line]

    def test_a_house_needs_a_place_and_a_grid(self) -> None:
        found = faults("", place="")
        assert [line.partition(";")[0] for line in found] == ["site: missing", "grid: missing"]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[pv]\npeak_kw = 1", "pv: found [pv]; allowed: [[pv]], any number of times"),
            ("[[solver]]\ngap = 1", "solver: found [{'gap': 1}]; allowed: a table"),
            ("[tariff]\nvat = nan", "tariff.vat: found nan; allowed: a finite number"),
            ("[tariff]\nvat = true", "tariff.vat: found true; allowed: a number"),
            (
                "[growatt]\nbattery_kwh = 0.0",
                "growatt.ac_limit_kw: missing; needed: highest AC power of the inverter [kW]",
            ),
            (
                "[growatt]\nac_limit_kw = 8\nreserve_soc = 0.9\nsoc_max = 0.5",
                "growatt.reserve_soc: found 0.9; allowed: less than soc_max = 0.5",
            ),
            (
                "[growatt]\nac_limit_kw = 8\nbattery_kwh = 5\ncharge_limit_kw = 2",
                "growatt.discharge_limit_kw: missing; a battery of 5 kWh needs its highest power [kW]",
            ),
            (
                "[growatt]\nac_limit_kw = 8\ncharge_taper = [[1.0, 0.2], [0.9, 1.0]]",
                "growatt.charge_taper: point 2 begins at 0.9 after 1; allowed: rising from point to point",
            ),
            (
                "[growatt]\nac_limit_kw = 8\ntemperature_derating = [[0.0, 20.0]]",
                "growatt.temperature_derating: point 1 has the share 20; allowed: 0 to 1",
            ),
            # A plan whose first step is a share of a relay cannot be carried out.
            ("[solver]\nbinary_hours = 0", "solver.binary_hours: found 0; allowed: greater than 0"),
            (
                "[solver]\nnear_hours = 60\nnear_step_minutes = 30\nfar_step_minutes = 15",
                "solver.near_hours: found 60; allowed: at most horizon_hours = 48",
            ),
            (
                "[strategy]\nname = 'lowest_bill'\nweights = { low_carbon = 1 }",
                "strategy.weights: found together with name = 'lowest_bill'; allowed: a name or weights",
            ),
            (
                "[stages]\ninverter = 'contrl'",
                "stages.inverter: found 'contrl'; allowed: 'observe', 'limited' or 'control'; did you mean 'control'?",
            ),
            (room(comfort="[]"), "heating_loxone.room[kitchen].comfort: found no period; at least one is needed"),
            (
                room(neighbours="{ kitchen = 0.1 }"),
                "heating_loxone.room[kitchen].neighbours.kitchen: found the room itself; allowed: another room",
            ),
            (
                room() + room(),
                "heating_loxone.room: found 2 rooms with the name 'kitchen'; allowed: one room for each name",
            ),
            (
                room(comfort='[{ from = "6 am", setpoint_c = 21 }]'),
                (
                    "heating_loxone.room[kitchen].comfort[1].from: found '6 am'; "
                    'allowed: local time as "HH:MM", "00:00" to "24:00"'
                ),
            ),
            (
                "[heating_loxone]\ndiscomfort_price_per_kh = 30",
                (
                    "heating_loxone.steep_discomfort_price_per_kh: found 10; "
                    "allowed: at least discomfort_price_per_kh = 30"
                ),
            ),
            (
                (
                    "[[flexible_load]]\nname = 'car'\npower_min_kw = 4\npower_max_kw = 2\nenergy_kwh = 8\n"
                    "unserved_price_per_kwh = 20"
                ),
                "flexible_load[car].power_min_kw: found 4; allowed: at most power_max_kw = 2",
            ),
        ],
    )
    def test_a_line_tells_place_found_and_allowed(self, text: str, line: str) -> None:
        assert line in faults(text)


class TestDistributionWindows:
    def windows(self, *spans: tuple[str, str]) -> str:
        window = '[[tariff.distribution]]\nfrom = "{}"\nto = "{}"\nprice_per_kwh = 1\n'
        return "".join(window.format(begin, end) for begin, end in spans)

    def test_together_cover_the_day(self) -> None:
        assert len(house(self.windows(("22:00", "06:00"), ("06:00", "22:00")))[TariffSection].distribution) == 2
        assert len(house(self.windows(("00:00", "24:00")))[TariffSection].distribution) == 1

    def test_leave_no_gap(self) -> None:
        assert faults(self.windows(("01:00", "12:00"), ("12:30", "24:00"))) == [
            (
                "tariff.distribution: no window covers 00:00 to 01:00, 12:00 to 12:30; "
                "the windows together cover 00:00 to 24:00"
            )
        ]

    def test_do_not_overlap(self) -> None:
        assert faults(self.windows(("00:00", "12:00"), ("11:00", "24:00"))) == [
            "tariff.distribution[2]: overlaps distribution[1] at 11:00; each time of day has one price"
        ]

    def test_stand_on_quarter_hours(self) -> None:
        assert faults(self.windows(("00:00", "12:10"), ("12:10", "24:00"))) == [
            "tariff.distribution[1].to: found 12:10; allowed: quarter hours, minutes 00, 15, 30 and 45",
            "tariff.distribution[2].from: found 12:10; allowed: quarter hours, minutes 00, 15, 30 and 45",
        ]


class BrokerSection(Section):
    required: ClassVar[bool] = True
    password: Secret


class TestSecrets:
    def password(self, text: str, folder: Path, environ: dict[str, str]) -> SecretStr:
        config = parse_config(f"{PLACE}[broker]\npassword = {text}", [("broker", BrokerSection)], environ, folder)
        return config[BrokerSection].password

    def test_come_from_the_environment(self, tmp_path: Path) -> None:
        password = self.password('{ env = "BROKER" }', tmp_path, {"BROKER": "s3cret"})
        assert password.get_secret_value() == "s3cret"
        assert "s3cret" not in repr(password)

    def test_come_from_a_file_beside_the_house_file(self, tmp_path: Path) -> None:
        (tmp_path / "broker.txt").write_text("s3cret\n", encoding="utf-8")
        assert self.password('{ file = "broker.txt" }', tmp_path, {}).get_secret_value() == "s3cret"

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('"s3cret"', 'a secret does not stand in the house file; allowed: { env = "NAME" } or { file = "path" }'),
            ('{ env = "BROKER" }', "the environment variable BROKER is not set"),
            ('{ file = "gone.txt" }', "gone.txt cannot be read: No such file or directory"),
            ('{ vault = "s3cret" }', "found the key 'vault'"),
        ],
    )
    def test_that_are_not_there_are_told_but_never_repeated(self, text: str, why: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            self.password(text, tmp_path, {})
        assert str(caught.value).startswith("broker.password: ")
        assert why in str(caught.value)
        assert "s3cret" not in str(caught.value)


class TestOverlays:
    def test_lie_over_the_house_file_key_by_key(self, tmp_path: Path) -> None:
        path = tmp_path / "pems.toml"
        path.write_text(PLACE + '[solver]\nname = "cbc"\ngap = 0.1\n', encoding="utf-8")
        (tmp_path / "pems.production.toml").write_text("[solver]\ngap = 0.5\n", encoding="utf-8")
        plain = load_config(path, DEVICES, {})
        production = load_config(path, DEVICES, {"PEMS_ENV": "production"})
        assert (plain[SolverSection].name, plain[SolverSection].gap) == ("cbc", 0.1)
        assert (production[SolverSection].name, production[SolverSection].gap) == ("cbc", 0.5)
        assert [file.name for file in production.files] == ["pems.toml", "pems.production.toml"]

    def test_and_house_files_may_begin_with_the_mark_of_an_editor(self, tmp_path: Path) -> None:
        path = tmp_path / "pems.toml"
        path.write_text(PLACE, encoding="utf-8-sig")
        assert load_config(path, DEVICES, {}).files == (path,)

    @pytest.mark.parametrize("unset", [{}, {"PEMS_ENV": ""}])
    def test_are_optional(self, unset: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "pems.toml"
        path.write_text(PLACE, encoding="utf-8")
        assert load_config(path, DEVICES, unset).files == (path,)

    def test_are_never_passed_over_because_of_a_slip(self, tmp_path: Path) -> None:
        path = tmp_path / "pems.toml"
        for name in ("pems.toml", "pems.production.toml", "pems.winter.toml"):
            (tmp_path / name).write_text(PLACE, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            load_config(path, DEVICES, {"PEMS_ENV": "prodution"})
        assert str(caught.value) == (
            "PEMS_ENV: found 'prodution', and pems.prodution.toml is not there; allowed: production, winter, unset; "
            "did you mean 'production'?"
        )

    def test_are_checked_together_with_the_house_file(self, tmp_path: Path) -> None:
        path = tmp_path / "pems.toml"
        path.write_text("[site", encoding="utf-8")
        (tmp_path / "pems.production.toml").write_bytes(b"# \xff")
        with pytest.raises(ConfigError) as caught:
            load_config(path, DEVICES, {"PEMS_ENV": "production"})
        assert len(caught.value.faults) == 2
        assert "byte 2 is not UTF-8" in caught.value.faults[1]

    def test_a_house_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"pems\.toml: cannot be read: No such file"):
            load_config(tmp_path / "pems.toml", DEVICES, {})


def keys(model: type[Table]) -> set[str]:
    """Every key of a table and of all tables below it."""
    found: set[str] = set()
    for name, info in model.model_fields.items():
        found.add(info.alias or name)
        parts = [info.annotation]
        while parts:
            part = parts.pop()
            if isinstance(part, type) and issubclass(part, Table):
                found |= keys(part)
            parts += get_args(part)
    return found


def test_the_example_is_toml_1_0(example_house: Path) -> None:
    assert set(tomllib.loads(example_house.read_text(encoding="utf-8"))) >= {"site", "grid", "growatt"}


def test_faults_tell_the_same_when_they_come_from_another_process() -> None:
    told = ConfigError(["grid.import_limit_kw: found -1; allowed: greater than 0", "site: missing"])

    arrived = copy(told)

    assert str(arrived) == str(told)
    assert arrived.faults == told.faults


def test_watts_for_kilowatts_are_told() -> None:
    in_watts = PLACE.replace("import_limit_kw = 17.0", "import_limit_kw = 17000")
    text = "[growatt]\nac_limit_kw = 10000\nbattery_kwh = 10240\n"
    text += "[[pv]]\npeak_kw = 7000\ntilt_deg = 35\nazimuth_deg = 180\n"
    told = faults(text + room(relay_kw=4800), in_watts)
    assert "grid.import_limit_kw: found 17000; allowed: less than or equal to 500" in told
    assert "growatt.ac_limit_kw: found 10000; allowed: less than or equal to 500" in told
    assert "growatt.battery_kwh: found 10240; allowed: less than or equal to 1000" in told
    assert "pv[1].peak_kw: found 7000; allowed: less than or equal to 500" in told
    assert "heating_loxone.room[kitchen].relay_kw: found 4800; allowed: less than or equal to 100" in told


def test_a_house_is_told_what_hangs_on_nothing_and_which_names_nobody_knows(tmp_path: Path) -> None:
    file = tmp_path / "pems.toml"
    array = '[[pv]]\npeak_kw = 5\ntilt_deg = 35\nazimuth_deg = 180\ndc_of = "garage"\n'
    file.write_text(PLACE + array + '[strategy]\nname = "lowest_bil"\n[stages]\nheater = "control"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        house_from(file)
    told = str(caught.value)
    assert "pv[1].dc_of: found 'garage'; allowed: \"\" for an inverter of its own" in told
    assert "strategy: found 'lowest_bil'" in told
    assert "did you mean 'lowest_bill'" in told
    assert "stages.heater" in told


class TestTariffFiles:
    LATER = """
valid_from = 2026-01-01
vat = 0.1
holidays = "CZ"
[[distribution]]
from = "00:00"
to = "24:00"
days = "workdays"
price_per_kwh = 2
[[distribution]]
from = "00:00"
to = "24:00"
days = "free_days"
price_per_kwh = 1
"""

    def section(self, tmp_path: Path, later: str) -> TariffSection:
        (tmp_path / "2026.toml").write_text(later, encoding="utf-8")
        return parse_config(PLACE + '[tariff]\nfiles = ["2026.toml"]\n', DEVICES, folder=tmp_path)[TariffSection]

    def test_hold_from_their_day_on(self, tmp_path: Path) -> None:
        tariff = self.section(tmp_path, self.LATER).tariff("Europe/Prague")
        # Wednesday, New Year's Day, Friday.
        starts = pd.DatetimeIndex(["2025-12-31T12:00Z", "2026-01-01T12:00Z", "2026-01-02T12:00Z"])
        assert tariff.prices(starts, [1.0, 1.0, 1.0])[0] == pytest.approx([1.0, 2.2, 3.3])

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("vat = 0.1", "valid_from"),
            ("valid_from = 2026-01-01\nvatt = 0.1", "vatt"),
            ("valid_from = ", "not TOML"),
            ('valid_from = 2026-01-01\nholidays = "Moravia"', "found 'Moravia'; allowed: a country such as"),
            (LATER.replace('days = "free_days"', 'days = "workdays"'), "overlaps distribution[1] at 00:00 on workdays"),
            (LATER[: LATER.rindex("[[")], "no window covers 00:00 to 24:00 on free_days"),
        ],
        ids=["no day", "unknown key", "no TOML", "unknown place", "twice", "free days without a price"],
    )
    def test_that_cannot_be_used_are_told(self, tmp_path: Path, text: str, fault: str) -> None:
        with pytest.raises(ConfigError) as told:
            self.section(tmp_path, text)
        assert "tariff.files[1]" in str(told.value)
        assert fault in str(told.value)

    def test_that_are_not_there_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read: No such file"):
            parse_config(PLACE + '[tariff]\nfiles = ["nowhere.toml"]\n', DEVICES, folder=tmp_path)
