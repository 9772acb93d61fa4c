"""The process image: what several transports heard, and what of it is believed."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pems_core.domain import Quality, Reading, Readings, StaleReading
from pems_core.transport.image import ProcessImage

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TWO_MINUTES = timedelta(minutes=2)


def read(
    value: float | str | bool,
    unit: str,
    at: datetime = NOON,
    quality: Quality = Quality.GOOD,
    received: datetime = NOON,
) -> Reading:
    return Reading(value, unit, at, received, quality)


def soc(value: float, at: datetime = NOON, quality: Quality = Quality.GOOD) -> Mapping[str, Reading]:
    return {"inverter/soc": read(value, "share", at, quality)}


class TestSources:
    def test_points_of_all_sources_stand_in_one_image(self) -> None:
        kitchen = {"heating/kitchen_temperature_c": read(21.5, "°C")}
        readings = ProcessImage().take(NOON, [soc(0.5), kitchen])
        assert readings == Readings(NOON, {**soc(0.5), **kitchen})

    def test_of_two_good_readings_the_newer_wins(self) -> None:
        old, new = soc(0.5, NOON - 9 * SECOND), soc(0.6, NOON)
        for sources in ([old, new], [new, old]):
            assert ProcessImage().take(NOON, sources).points == new

    @pytest.mark.parametrize("bad", [Quality.STALE, Quality.SUSPECT, Quality.MISSING])
    def test_a_good_reading_wins_over_a_newer_one_that_is_not(self, bad: Quality) -> None:
        good = soc(0.5, NOON - 9 * SECOND)
        assert ProcessImage().take(NOON, [good, soc(0.0, NOON, bad)]).points == good

    def test_what_is_missing_stays_missing(self) -> None:
        image = ProcessImage()
        image.take(NOON, [soc(0.5)])
        gone = soc(0.0, NOON, Quality.MISSING)
        assert image.take(NOON + SECOND, [gone]).points == gone

    def test_what_no_source_gives_any_more_is_not_there(self) -> None:
        image = ProcessImage()
        image.take(NOON, [soc(0.5)])
        assert image.take(NOON + SECOND, []).points == {}


class TestAliases:
    def test_the_site_takes_its_powers_from_the_inverter(self) -> None:
        imported = read(1.2, "kW")
        assert ProcessImage().take(NOON, [{"inverter/import_kw": imported}]).points["site/import_kw"] == imported

    def test_a_meter_of_the_site_is_believed_over_the_inverter(self) -> None:
        meter = read(1.3, "kW", NOON - 9 * SECOND)
        sources = [{"inverter/import_kw": read(1.2, "kW")}, {"site/import_kw": meter}]
        assert ProcessImage().take(NOON, sources).points["site/import_kw"] == meter

    def test_the_table_is_the_callers(self) -> None:
        image = ProcessImage(aliases={"site/load_kw": "meter/load_kw"})
        points = image.take(NOON, [{"meter/load_kw": read(0.4, "kW"), "inverter/pv_kw": read(2.0, "kW")}]).points
        assert sorted(points) == ["inverter/pv_kw", "meter/load_kw", "site/load_kw"]


class TestBelief:
    @pytest.mark.parametrize(
        ("value", "unit"),
        [
            (-0.01, "share"),
            (87.0, "share"),
            (-127.0, "°C"),
            (850.0, "°C"),
            (-0.5, "kW"),
            (4294967.3, "kW"),
            (-1.0, "kWh"),
            (5000.0, "W/m2"),
            (math.nan, "share"),
            (math.inf, "kWh"),
            (math.nan, "Hz"),
            ("87", "share"),
            (True, "kW"),
        ],
    )
    def test_the_last_good_value_stands_for_an_impossible_one(self, value: float | str | bool, unit: str) -> None:
        image = ProcessImage()
        good = {"x/y": read(0.5, unit)}
        image.take(NOON, [good])
        later = NOON + TWO_MINUTES
        readings = image.take(later, [{"x/y": read(value, unit, later)}])
        assert readings.points == good
        assert [alert.place for alert in image.alerts] == ["x/y"]
        # It keeps its age, so whoever needs a fresh one is told.
        with pytest.raises(StaleReading, match="was last read 0:02:00 ago"):
            readings.fresh("x/y", timedelta(minutes=1))

    @pytest.mark.parametrize(
        ("value", "unit"),
        [
            (0.0, "share"),
            (1.0, "share"),
            (-40.0, "°C"),
            (0.0, "kW"),
            (-2.0, "W/m2"),
            (-7.0, "s"),
            ("grid", ""),
            (True, ""),
        ],
    )
    def test_what_is_possible_is_believed(self, value: float | str | bool, unit: str) -> None:
        image = ProcessImage()
        assert image.take(NOON, [{"x/y": read(value, unit)}]).points["x/y"].quality is Quality.GOOD
        assert image.alerts == ()

    def test_an_impossible_value_without_a_good_one_before_is_suspect(self) -> None:
        points = ProcessImage().take(NOON, [soc(87.0)]).points
        assert points == soc(87.0, NOON, Quality.SUSPECT)

    def test_an_older_possible_value_of_another_source_wins_over_an_impossible_one(self) -> None:
        possible = soc(0.5, NOON - SECOND)
        assert ProcessImage().take(NOON, [possible, soc(87.0)]).points == possible

    def test_a_value_from_the_future_is_not_believed(self) -> None:
        image = ProcessImage()
        ahead = image.take(NOON, [soc(0.5, NOON + 61 * SECOND)])
        assert ahead.points["inverter/soc"].quality is Quality.SUSPECT
        assert "in the future" in image.alerts[0].text
        assert image.take(NOON, [soc(0.5, NOON + 59 * SECOND)]).points["inverter/soc"].quality is Quality.GOOD

    def test_an_alert_tells_since_when_and_ends_with_its_cause(self) -> None:
        image = ProcessImage()
        image.take(NOON, [soc(87.0)])
        image.take(NOON + SECOND, [soc(88.0)])
        assert [(a.place, a.since) for a in image.alerts] == [("inverter/soc", NOON)]
        assert "found 88 share; 0 to 1 is allowed" in image.alerts[0].text
        image.take(NOON + 2 * SECOND, [soc(0.88)])
        assert image.alerts == ()

    @given(
        st.dictionaries(
            st.sampled_from(["inverter/pv_kw", "inverter/load_kw", "x/y"]),
            st.builds(
                read,
                st.one_of(st.floats(), st.booleans(), st.text()),
                st.sampled_from(["share", "kW", "°C", "", "s"]),
                st.integers(-500, 500).map(lambda seconds: NOON + seconds * SECOND),
                st.sampled_from(Quality),
            ),
        )
    )
    @settings(deadline=None)
    def test_whatever_is_read_no_good_number_is_impossible(self, source: Mapping[str, Reading]) -> None:
        for point, reading in ProcessImage().take(NOON, [source]).points.items():
            if reading.quality is Quality.GOOD and isinstance(reading.value, float):
                assert math.isfinite(reading.value), point
                assert reading.unit != "share" or 0 <= reading.value <= 1


BALANCED = {"pv_kw": 3.0, "import_kw": 0.0, "discharge_kw": 0.0, "charge_kw": 1.5, "export_kw": 0.5, "load_kw": 1.0}
LOST_METER = {**BALANCED, "import_kw": 0.0, "export_kw": 0.0, "load_kw": 0.0}
REVERSED = {**BALANCED, "import_kw": 0.5, "export_kw": 0.0}


def powers(kw: Mapping[str, float], at: datetime) -> Mapping[str, Reading]:
    return {f"inverter/{flow}": read(value, "kW", at, received=at) for flow, value in kw.items()}


def suspects(readings: Readings) -> set[str]:
    return {point for point, reading in readings.points.items() if reading.quality is Quality.SUSPECT}


class TestPowerBalance:
    @staticmethod
    def watch(image: ProcessImage, kw: Mapping[str, float], start: datetime, minutes: int = 2) -> Readings:
        """What the image is after some minutes of these powers, read every 10 s."""
        for n in range(6 * minutes + 1):
            at = start + 10 * n * SECOND
            readings = image.take(at, [powers(kw, at), soc(0.5, at)])
        return readings

    def test_powers_that_balance_are_believed(self) -> None:
        image = ProcessImage()
        assert suspects(self.watch(image, BALANCED, NOON)) == set()
        assert image.alerts == ()

    @pytest.mark.parametrize("kw", [LOST_METER, REVERSED])
    def test_a_meter_that_is_lost_or_reversed_makes_all_powers_suspect(self, kw: Mapping[str, float]) -> None:
        image = ProcessImage()
        readings = self.watch(image, kw, NOON)
        flows = {f"inverter/{flow}" for flow in BALANCED}
        assert suspects(readings) == flows | {"site/import_kw", "site/export_kw", "site/pv_kw", "site/load_kw"}
        assert [alert.place for alert in image.alerts] == ["inverter"]
        assert "is a meter lost or clamped on the wrong way?" in image.alerts[0].text
        assert readings.points["inverter/soc"].quality is Quality.GOOD

    def test_powers_are_believed_again_when_they_balance_for_a_minute(self) -> None:
        image = ProcessImage()
        self.watch(image, LOST_METER, NOON)
        readings = self.watch(image, BALANCED, NOON + TWO_MINUTES)
        assert suspects(readings) == set()
        assert image.alerts == ()

    def test_a_jump_within_one_reading_proves_nothing(self) -> None:
        image = ProcessImage()
        self.watch(image, BALANCED, NOON)
        at = NOON + TWO_MINUTES + 10 * SECOND
        assert suspects(image.take(at, [powers({**BALANCED, "load_kw": 2.0}, at)])) == set()

    def test_losses_of_a_tenth_are_believed(self) -> None:
        assert suspects(self.watch(ProcessImage(), {**BALANCED, "pv_kw": 3.25}, NOON)) == set()
        ten_times = {flow: 10 * kw for flow, kw in BALANCED.items()}
        assert suspects(self.watch(ProcessImage(), {**ten_times, "pv_kw": 33.0}, NOON)) == set()
        assert suspects(self.watch(ProcessImage(), {**ten_times, "pv_kw": 34.0}, NOON)) != set()

    def test_without_all_six_powers_nothing_can_be_told(self) -> None:
        some = {flow: kw for flow, kw in LOST_METER.items() if flow != "load_kw"}
        assert suspects(self.watch(ProcessImage(), some, NOON)) == set()

    def test_the_same_reading_seen_again_is_no_second_one(self) -> None:
        image = ProcessImage()
        for n in range(7):
            readings = image.take(NOON + 10 * n * SECOND, [powers(LOST_METER, NOON)])
        assert suspects(readings) == set()
