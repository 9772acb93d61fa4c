"""How time grows with the house, and how long simulations take on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from statistics import median

from pems_core.commands.inputs import local_midnight
from pems_core.config import PvSection
from pems_core.planning.planner import PlanOptions
from pems_core.simulation.experiment import Experiment
from pems_core.simulation.generate import generated_days
from pems_core.site import HouseFile

from .arithmetic import growth_exponent
from .clocked import ClockedPlanner
from .cycles import sampled
from .houses import reference_house, with_rooms
from .loops import pems
from .rows import Bar, Row
from .runs import RunSpec
from .setting import Benchmark, Setting

ROOMS = (5, 17, 40)
STEP_MIN = {96: 30, 192: 15, 576: 5}
"""Length of equal steps [min] by how many of them make 48 h."""
SHORT_STEPS = 192
"""The short selection stops at so many."""
GROWTH_TIME_LIMIT_S = 120.0
"""Growth is only seen if the limit does not cut it off."""
YEAR_BEGIN = date(2025, 1, 1)
MINUTE_S = 60.0


def growth(setting: Setting) -> Iterator[Row]:
    """The same winter cycles with fewer and more rooms, and with more and shorter steps."""
    built = reference_house()
    limits = replace(built.options.limits, time_limit_s=GROWTH_TIME_LIMIT_S)
    options = replace(built.options, limits=limits)
    count = 5 if setting.full else 1
    # The first plans of all import what they need; they do not count.
    typical_s(with_rooms(built, ROOMS[0]), options, 1)
    seconds: dict[int, float] = {}
    for rooms in ROOMS:
        wall, cpu = typical_s(with_rooms(built, rooms), options, count)
        seconds[rooms] = wall
        yield Row(f"{rooms} rooms: wall time, median", wall, "s", along="rooms", at=rooms)
        yield Row(f"{rooms} rooms: CPU time, median", cpu, "s")
    for small, large in ((5, 40), (17, 40)):
        exponent = growth_exponent((small, large), (seconds[small], seconds[large]))
        yield Row(f"growth from {small} to {large} rooms, exponent (1 is linear)", exponent, "", Bar("<=", 1.0))
    for steps, minutes in STEP_MIN.items():
        if steps > SHORT_STEPS and not setting.full:
            continue
        step = timedelta(minutes=minutes)
        uniform = replace(options, near=options.length, near_step=step, far_step=step)
        wall, cpu = typical_s(built, uniform, count)
        yield Row(f"{steps} steps of {minutes} min: wall time, median", wall, "s", along="steps", at=steps)
        yield Row(f"{steps} steps of {minutes} min: CPU time, median", cpu, "s")


def typical_s(built: HouseFile, options: PlanOptions, count: int) -> tuple[float, float]:
    """Median wall and CPU time of a plan over sampled winter cycles."""
    planner = ClockedPlanner.of(built.house, options)
    try:
        planner.solver.ready()
        for cycle in sampled(built, "winter", count):
            planner.plan(cycle.state, cycle.forecasts(options))
    finally:
        planner.close()
    return median(n.wall_s for n in planner.numbers), median(n.cpu_s for n in planner.numbers)


def week_specs(setting: Setting) -> Sequence[RunSpec]:
    """A winter week with plans as often as asked for, and one with hourly plans."""
    specs = (pems(setting, "winter"), replace(pems(setting, "winter"), every_min=60))
    return list(dict.fromkeys(specs))


def run_time(setting: Setting) -> Iterator[Row]:
    for spec in week_specs(setting):
        run = setting.runs[spec]
        share = 7 / spec.days
        name = f"a week with plans every {spec.every_min} min" + ("" if share == 1 else f", from {spec.days:g} days")
        bar = Bar("<", {15: 25.0, 60: 7.0}[spec.every_min]) if spec.every_min in (15, 60) else None
        yield Row(f"{name}: wall time", run.wall_s * share / MINUTE_S, "min", bar)
        yield Row(f"{name}: CPU time", run.cpu_s * share / MINUTE_S, "min")
    if setting.full:
        wall, cpu = rules_s(days=365)
        yield Row("a year with the rule-based strategies: wall time", wall / MINUTE_S, "min", Bar("<", 2.0))
        yield Row("a year with the rule-based strategies: CPU time", cpu / MINUTE_S, "min")


def rules_s(days: int) -> tuple[float, float]:
    """Wall and CPU time of a simulation with the rules, on generated series."""
    built = reference_house()
    site = built.site
    scenario = generated_days(
        YEAR_BEGIN,
        days,
        tariff=built.tariff,
        arrays=[section.array() for section in built.config.all(PvSection)],
        latitude=site.latitude,
        longitude=site.longitude,
        timezone=site.timezone,
        price_rate=built.eur_rate,
    )
    start = local_midnight(YEAR_BEGIN, built)
    year = Experiment(built, scenario, start, days, strategy="rules", baselines=(), with_bound=False)
    result = year.run().subject
    return result.wall_s, result.cpu_s


MACHINE = (
    Benchmark(
        "growth",
        "Growth with the house",
        "Median time of a plan over sampled winter cycles on the reduced path, time limit "
        f"{GROWTH_TIME_LIMIT_S:g} s. Rooms beyond 17 are copies beside their originals, with a grid connection that "
        "grows alike. Steps are equal over 48 h, on or off in the first 6 h.",
        growth,
    ),
    Benchmark(
        "run_time",
        "Time of simulations",
        "Closed loop of the reference house in winter, and a generated year with the rules, without reports.",
        run_time,
        week_specs,
    ),
)
