"""Every metric of PEMS, declared once: what its points are called, their units, and how each is worked out.

The points are made by these declarations (a field that is not declared cannot be written), and the table in
docs/monitoring.md and the checks of the Grafana panels are made from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .points import Point, Value

TEXT, SWITCH, SHARE, CURRENCY, PER_KWH = "text", "0 or 1", "share", "currency", "currency/kWh"
EACH_SAMPLE, EACH_CYCLE, AS_IT_HAPPENS = "each sample", "each cycle", "as it happens"


@dataclass(frozen=True, slots=True)
class Metric:
    """One field of a measurement."""

    name: str
    unit: str
    meaning: str
    """How it is worked out, in words or as a formula."""


@dataclass(frozen=True)
class Measurement:
    """Points of one kind."""

    name: str
    about: str
    when: str
    """When a point is made, and what its time says."""
    metrics: tuple[Metric, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    """What each tag beside `site` names."""

    def point(self, at: datetime, site: str, tags: Mapping[str, str], fields: Mapping[str, Value | None]) -> Point:
        """One point; what is not known now (None) is left out.

        :raises ValueError: if a tag or a field is not declared, or a tag is missing.
        """
        known = {metric.name for metric in self.metrics}
        if set(tags) != set(self.tags) or not set(fields) <= known:
            found = f"tags {', '.join(sorted(tags))}, fields {', '.join(sorted(set(fields) - known))}"
            allowed = f"tags {', '.join(sorted(self.tags))}, fields {', '.join(sorted(known))}"
            raise ValueError(f"{self.name}: found {found}; allowed: {allowed}")
        return Point(
            self.name, at, {"site": site, **tags}, {name: value for name, value in fields.items() if value is not None}
        )


DEVICE = {"device": "name of the device"}
ROOM = DEVICE | {"room": "name of the room"}

FLOWS = Measurement(
    "flows",
    "What flows through the house",
    EACH_SAMPLE,
    (
        Metric("import_kw", "kW", "drawn from the grid"),
        Metric("export_kw", "kW", "fed into the grid"),
        Metric("pv_kw", "kW", "given by PV"),
        Metric("load_kw", "kW", "drawn by the whole house, without battery"),
        Metric("heating_kw", "kW", "of this by heaters: measured, or the powers of the relays that are on"),
        Metric("charge_kw", "kW", "into the batteries, at their terminals"),
        Metric("discharge_kw", "kW", "out of the batteries, at their terminals"),
        Metric("pv_to_load_kw", "kW", "min(pv_kw, load_kw): PV goes to the house first"),
        Metric("pv_to_battery_kw", "kW", "min(pv_kw - pv_to_load_kw, charge_kw)"),
        Metric("pv_to_grid_kw", "kW", "min(pv_kw - pv_to_load_kw - pv_to_battery_kw, export_kw)"),
        Metric("grid_to_battery_kw", "kW", "min(charge_kw - pv_to_battery_kw, import_kw)"),
        Metric("battery_to_load_kw", "kW", "min(discharge_kw, load_kw - pv_to_load_kw)"),
        Metric("battery_to_grid_kw", "kW", "min(discharge_kw - battery_to_load_kw, export_kw - pv_to_grid_kw)"),
        Metric("grid_to_load_kw", "kW", "import_kw - grid_to_battery_kw"),
        Metric("import_kwh", "kWh", "import_kw · time since the last sample"),
        Metric("export_kwh", "kWh", "export_kw · time since the last sample"),
        Metric("pv_kwh", "kWh", "pv_kw · time since the last sample"),
        Metric("load_kwh", "kWh", "load_kw · time since the last sample"),
        Metric("heating_kwh", "kWh", "heating_kw · time since the last sample"),
        Metric("import_cost", CURRENCY, "import_kwh · import price"),
        Metric("export_revenue", CURRENCY, "export_kwh · feed-in price"),
        Metric("outdoor_temperature_c", "°C", "outside"),
        Metric("ghi_w_m2", "W/m2", "global horizontal irradiance"),
    ),
)

BATTERY = Measurement(
    "battery",
    "Battery and inverter",
    EACH_SAMPLE,
    (
        Metric("soc", SHARE, "state of charge"),
        Metric("charge_kw", "kW", "charging power at the terminals"),
        Metric("discharge_kw", "kW", "discharging power at the terminals"),
        Metric("charge_kwh", "kWh", "charge_kw · time since the last sample"),
        Metric("discharge_kwh", "kWh", "discharge_kw · time since the last sample"),
        Metric("cycles", "cycles", "discharge_kwh / capacity: full cycles since the last sample; a sum counts them"),
        Metric("temperature_c", "°C", "of the cells"),
        Metric("mode", TEXT, "load_first, battery_first or grid_first, as read from the inverter"),
        Metric("mode_code", "0 to 2", "the mode as a number, in this order"),
        Metric("status", TEXT, "charging, charging from the grid, discharging or resting (below 50 W)"),
        Metric("status_code", "-1 to 2", "-1 discharging, 0 resting, 1 charging, 2 charging from the grid"),
        Metric("grid_charging", SWITCH, "1 while more than 50 W come from the grid"),
        Metric("grid_charge_kw", "kW", "of the charge beyond what PV gives and within the import, this one's share"),
        Metric("grid_charge_kwh", "kWh", "grid_charge_kw · time since the last sample"),
        Metric("grid_charge_cost", CURRENCY, "grid_charge_kwh · import price"),
        Metric("planned_soc", SHARE, "state of charge that the plan in force has for now"),
    ),
    DEVICE,
)

HEATING = Measurement(
    "heating",
    "One heated room",
    EACH_SAMPLE,
    (
        Metric("temperature_c", "°C", "measured"),
        Metric("setpoint_c", "°C", "what the room is held at now: set by hand, else as planned, else as scheduled"),
        Metric("scheduled_c", "°C", "what the comfort schedule asks for now"),
        Metric("low_c", "°C", "lower end of the comfort band now"),
        Metric("high_c", "°C", "upper end of the comfort band now"),
        Metric("occupied", SWITCH, "1 when the schedule says that somebody is there"),
        Metric("relay", SWITCH, "1 while the heater is on"),
        Metric("heater_kw", "kW", "measured, or the power of the relay that is on"),
        Metric("heater_kwh", "kWh", "heater_kw · time since the last sample"),
        Metric("heater_cost", CURRENCY, "heater_kwh · import price: what it would cost from the grid"),
        Metric("deviation_k", "K", "temperature_c - scheduled_c"),
        Metric("violation_kh", "K·h", "K outside the band · time since the last sample, while occupied"),
        Metric("preheating", SWITCH, "1 while the heater is on though the room is at or above its schedule"),
    ),
    ROOM,
)

EXPORT = Measurement(
    "export",
    "Feeding in",
    EACH_SAMPLE,
    (
        Metric("enabled", SWITCH, "1 while the inverter may feed in, as read from it"),
        Metric("state", TEXT, "feeding in, allowed or forbidden"),
        Metric("state_code", "0 to 2", "0 forbidden, 1 allowed, 2 feeding in (more than 50 W)"),
        Metric("export_kw", "kW", "fed into the grid"),
        Metric("export_kwh", "kWh", "export_kw · time since the last sample"),
        Metric("revenue", CURRENCY, "export_kwh · feed-in price"),
        Metric("price_per_kwh", PER_KWH, "feed-in price now"),
        Metric(
            "threshold_per_kwh",
            PER_KWH,
            "from which price on feeding in is worth it: export_above_price_per_kwh where the house file has it, "
            "otherwise what one more kWh in the house is worth in the plan",
        ),
        Metric("reason", TEXT, "why, as the plan has it"),
    ),
    DEVICE,
)

PRICES = Measurement(
    "prices",
    "Prices now",
    EACH_SAMPLE,
    (
        Metric("import_price_per_kwh", PER_KWH, "paid, with fees and tax"),
        Metric("feed_in_price_per_kwh", PER_KWH, "earned"),
        Metric("marginal_value_per_kwh", PER_KWH, "what one more kWh in the house would cost, as the plan has it"),
    ),
)

OPTIMIZER = Measurement(
    "optimizer",
    "One plan",
    EACH_CYCLE,
    (
        Metric("solve_s", "s", "the search for the plan"),
        Metric("cycle_s", "s", "the whole cycle: measuring, forecasting, planning, explaining"),
        Metric("measure_s", "s", "of this for measuring"),
        Metric("forecast_s", "s", "of this for forecasts"),
        Metric("plan_s", "s", "of this for the plan"),
        Metric("explain_s", "s", "of this for reasons"),
        Metric("cost", CURRENCY, "of the plan over its horizon, less what is stored at its end"),
        Metric("bound", CURRENCY, "below which no plan can be, as the solver proved"),
        Metric("gap", CURRENCY, "cost - bound, at least 0"),
        Metric("executed_cost", CURRENCY, "as the devices would carry the plan out, found without the solver"),
        Metric("rung", TEXT, "solver, incumbent, shifted, rules or release"),
        Metric("rung_code", "0 to 4", "the rung as a number, in this order: 0 is best"),
        Metric("faults", "count", "what was wrong in the cycle"),
        Metric("overrides", "count", "controls that people have set"),
    ),
)

PLAN_REALITY = Measurement(
    "plan_reality",
    "A quarter hour as planned and as it was",
    "each quarter hour; time is its start",
    (
        Metric("expected_cost", CURRENCY, "import less feed-in at their prices, as in the plan that held at its start"),
        Metric("actual_cost", CURRENCY, "the same of what was metered"),
        Metric("cost_error", CURRENCY, "actual_cost - expected_cost"),
        Metric("import_error_kw", "kW", "metered import less feed-in, minus planned"),
        Metric("soc_error", SHARE, "state of charge at the end of the quarter hour, minus planned"),
    ),
)

COMMANDS = Measurement(
    "commands",
    "One command, from being wished to its end",
    "as it ends; time is when it was queued, a millisecond later for each before it of the same control",
    (
        Metric("action", TEXT, "what the device was told, in the words of its transport"),
        Metric("success", SWITCH, "1 if it was acked or read back, or its effect was seen; 0 if it failed or expired"),
        Metric("response_s", "s", "from being queued to being acked or read back, or to its effect"),
        Metric("stage", TEXT, "the stage that it reached"),
        Metric("stage_code", "0 to 4", "0 failed or expired, 1 sent, 2 acked, 3 read back, 4 effect seen"),
        Metric("reason", TEXT, "why it was told"),
    ),
    DEVICE | {"control": "what was told", "kind": "heating, battery, export or other"},
)

DECISIONS = Measurement(
    "decisions",
    "A control whose planned value changed",
    "as it changes; time is since when the value holds",
    (
        Metric("value", TEXT, "as the device is told"),
        Metric("number", "of the control", "the same as a number, switches as 1 and 0; none for modes"),
        Metric("reason", TEXT, "why"),
        Metric("saves", CURRENCY, "against the next best choice"),
        Metric("import_price_per_kwh", PER_KWH, "then"),
        Metric("feed_in_price_per_kwh", PER_KWH, "then"),
    ),
    DEVICE | {"control": "what is decided"},
)

FORECAST_ERRORS = Measurement(
    "forecast_errors",
    "A forecast held against what was measured",
    "each quarter hour; time is its start",
    (
        Metric("expected", "of the series", "mean of the quarter hour, as forecast `ahead_h` before it"),
        Metric("measured", "of the series", "mean of the quarter hour"),
        Metric("error", "of the series", "expected - measured"),
        Metric("absolute_error", "of the series", "|error|"),
    ),
    {"series": "name of the series, with its unit", "ahead_h": "how long before [h]: 1, 6 or 24"},
)

SYSTEM = Measurement(
    "system",
    "PEMS itself",
    EACH_SAMPLE,
    (
        Metric("uptime_s", "s", "since the engine began"),
        Metric("memory_mb", "MB", "resident memory of the engine"),
        Metric("cpu_share", SHARE, "of one core since the last sample"),
        Metric("disk_free_mb", "MB", "free where the state is kept"),
        Metric("healthy", SWITCH, "1 while the whole loop is well"),
        Metric("faults", "count", "parts of the loop that are not"),
        Metric("alerts_warning", "count", "warnings in force"),
        Metric("alerts_critical", "count", "critical alerts in force"),
        Metric("plan_age_s", "s", "age of the plan in force"),
        Metric("loop_delay_s", "s", "longest time since the last sample that the engine's loop was late"),
        Metric("points_waiting", "count", "points that the database has not taken yet"),
    ),
)

DATA_AGE = Measurement(
    "data_age",
    "How old the readings of one device are",
    EACH_SAMPLE,
    (
        Metric("newest_s", "s", "age of its newest reading"),
        Metric("oldest_s", "s", "age of its oldest reading that is a quantity"),
        Metric("doubtful", "count", "readings that are stale, suspect or missing"),
        Metric("lost", SWITCH, "1 while it cannot be planned with"),
    ),
    DEVICE,
)

EVENTS = Measurement(
    "events",
    "Alerts and overrides, as annotations",
    AS_IT_HAPPENS,
    (
        Metric("title", TEXT, "what it is"),
        Metric("text", TEXT, "what is said of it"),
        Metric("over", SWITCH, "1 if it ended, 0 if it began"),
        Metric("since_s", "s", "how long it had held when it ended"),
    ),
    {
        "kind": "alert or override",
        "severity": "info, warning or critical",
        "place": "device, room or part; for overrides `<device>.<control>`",
        "phase": "begun or over",
    },
)

MONEY = Measurement(
    "money",
    "What was paid and saved in a day, week or month",
    "every 15 min; time is the start of the local day, week or month, so that newer figures replace older ones",
    (
        Metric("bill", CURRENCY, "Σ import · import price - feed-in · feed-in price, metered, as known that day"),
        Metric(
            "arbitrage",
            CURRENCY,
            "Σ (discharge - charge from the grid) · import price - charge of PV · feed-in price, at least 0",
        ),
        Metric("heating_shift", CURRENCY, "Σ heating · (mean import price of the local day - import price)"),
        Metric("export_revenue", CURRENCY, "Σ feed-in · feed-in price"),
        Metric("self_consumption_share", SHARE, "1 - feed-in / PV"),
        Metric("self_sufficiency_share", SHARE, "1 - import / load"),
        Metric("peak_kw", "kW", "highest import mean of a quarter hour"),
        Metric("regret", CURRENCY, "bill beyond that of the best possible plan; the sum of its four parts"),
        Metric("regret_forecast", CURRENCY, "of this because forecasts were wrong"),
        Metric("regret_model", CURRENCY, "because the house is another than its model"),
        Metric("regret_execution", CURRENCY, "because devices did something else than they were told"),
        Metric("regret_override", CURRENCY, "because people decided otherwise"),
    ),
    {"period": "day, week or month"},
)

SAVINGS = Measurement(
    "savings",
    "What was saved against one baseline",
    "as money",
    (
        Metric("baseline_bill", CURRENCY, "bill of the baseline, a simulated twin from the same start"),
        Metric("saved", CURRENCY, "baseline_bill - bill, stored energy valued alike"),
        Metric("saved_error", CURRENCY, "standard error of saved"),
    ),
    {"period": "day, week or month", "baseline": "name of the baseline"},
)

CATALOGUE = (
    FLOWS,
    BATTERY,
    HEATING,
    EXPORT,
    PRICES,
    OPTIMIZER,
    PLAN_REALITY,
    COMMANDS,
    DECISIONS,
    FORECAST_ERRORS,
    SYSTEM,
    DATA_AGE,
    EVENTS,
    MONEY,
    SAVINGS,
)
BY_NAME = {measurement.name: measurement for measurement in CATALOGUE}
