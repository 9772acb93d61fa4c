"""Closed loops that benchmarks share: each is run once, in one of several processes, and kept."""

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

import pandas as pd

from pems_core.cycle import measure
from pems_core.domain import HeatingSpec
from pems_core.forecasting.chain import ranked
from pems_core.learning.rooms import measured_rooms
from pems_core.learning.rooms_guard import guarded_rooms
from pems_core.plugins import create_forecasters, load_plugins
from pems_core.protocols import RuleBased, Strategy
from pems_core.reporting.result import RunResult
from pems_core.simulation.asked import AskedOutlook
from pems_core.simulation.billing import Billing
from pems_core.simulation.bound import Bound, perfect_foresight
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.loop import Controller, PlanningController, RuleController, run_closed_loop
from pems_core.simulation.outlook import ForecastQuality, Foresight, Outlook
from pems_core.simulation.scenario import Scenario
from pems_core.simulation.twins.rooms import seeded_thermal_error
from pems_core.simulation.valuation import Valuation
from pems_core.site import HouseFile

from .clocked import ClockedPlanner, PlanNumbers
from .houses import EXAMPLE, ROOT, recorded, rooms_of, scenario_for, variant, with_heating, with_wrong_parameters
from .lived_in import lived_in

BOUND = "bound"
LEARNED_DAYS = 150
"""Before a week, from which its forecasts are learned: the recorded load of the reference house repeats after 182."""
SOURCES = ("pems_core", "plugins")
RULES = ("thermostat_only", "self_use", "rules")
KEPT = (
    "grid_import_kw",
    "grid_export_kw",
    "pv_kw",
    "battery_charge_kw",
    "battery_discharge_kw",
    "heating_kw",
    "cost",
)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One closed loop over recorded or generated days, or the bound of the same days."""

    strategy: str
    """Of the house, or `bound`."""
    period: str
    """One of `houses.PERIODS`."""
    days: float
    house: str = "reference"
    """One of `houses.VARIANTS`."""
    forecast: str = "realistic"
    every_min: int = 15
    thermal_spread: float = 0.0
    """The plan's thermal parameters are wrong by up to this share."""
    learned_days: int = 0
    """So many days under thermostats before the first have corrected them, by the guard that a running house has."""
    seed: int = 1

    @property
    def planned(self) -> bool:
        return self.strategy not in (*RULES, BOUND)

    @property
    def key(self) -> str:
        """Name of its file: what does not matter for the kind of run is left out."""
        parts = [self.strategy, self.house, self.period, f"{self.days:g}d", "recorded" if recorded() else "generated"]
        if self.planned:
            parts += [self.forecast, f"{self.every_min}min"]
        if self.thermal_spread:
            parts.append(f"wrong{self.thermal_spread:g}")
        if self.learned_days:
            parts.append(f"learned{self.learned_days}d")
        return "-".join([*parts, f"seed{self.seed}"])


@dataclass(frozen=True)
class RunRecord:
    """What is kept of a run. Money in the house's currency, times in seconds."""

    spec: RunSpec
    source: str
    """Digest of the code that it ran with."""
    provenance: str
    bill: float
    wear: float
    stored_value: float
    comfort_share: float
    cold_share: float
    wall_s: float
    cpu_s: float
    plans: Sequence[PlanNumbers]
    flows: pd.DataFrame = field(compare=False, repr=False)
    """Columns of `SimulatedHouse.flows`; `planned_import_kw` and `planned_export_kw` if there were plans."""

    @property
    def net_cost(self) -> float:
        """Bill and battery wear, less the value of what is stored at the end."""
        return self.bill + self.wear - self.stored_value


@dataclass(frozen=True)
class Runs:
    """The folder of runs. Runs of other code do not count, unless `keep` says so."""

    folder: Path
    jobs: int = 1
    keep: bool = False

    def fetch(self, specs: Iterable[RunSpec]) -> None:
        """Make all runs that are missing, `jobs` at a time; each is kept as soon as it ends."""
        source = source_digest()
        missing = [spec for spec in dict.fromkeys(specs) if not self._has(spec, source)]
        # The longest first, so that no process idles at the end.
        missing.sort(key=lambda spec: (spec.planned, spec.days / spec.every_min), reverse=True)
        if not missing:
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=self.jobs, mp_context=context) as pool:
            began = perf_counter()
            waiting: dict[Future[None], RunSpec] = {
                pool.submit(run_and_keep, spec, self.folder, source): spec for spec in missing
            }
            for done, future in enumerate(as_completed(waiting), 1):
                future.result()
                minutes = (perf_counter() - began) / 60
                print(f"  run {done} of {len(missing)}, {minutes:.1f} min: {waiting[future].key}", file=sys.stderr)

    def __getitem__(self, spec: RunSpec) -> RunRecord:
        return load_run(spec, self.folder)

    def _has(self, spec: RunSpec, source: str) -> bool:
        path = self.folder / f"{spec.key}.json"
        return path.exists() and (self.keep or json.loads(path.read_text(encoding="utf-8"))["source"] == source)


def source_digest() -> str:
    """Identifies the code and the house that a run was made with."""
    digest = hashlib.sha256()
    files = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    for path in [*sorted(files), EXAMPLE]:
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run_and_keep(spec: RunSpec, folder: Path, source: str) -> None:
    """Make one run and write it; the JSON file comes last and makes it whole."""
    record = make_run(spec, source)
    folder.mkdir(parents=True, exist_ok=True)
    record.flows.to_csv(folder / f"{spec.key}.csv.gz", float_format="%.6f")
    content = {name: value for name, value in vars(record).items() if name not in ("spec", "flows", "plans")}
    content |= {"spec": asdict(spec), "plans": [asdict(numbers) for numbers in record.plans]}
    (folder / f"{spec.key}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def load_run(spec: RunSpec, folder: Path) -> RunRecord:
    """A kept run."""
    content = json.loads((folder / f"{spec.key}.json").read_text(encoding="utf-8"))
    flows = pd.read_csv(folder / f"{spec.key}.csv.gz", index_col="utc_start")
    flows.index = pd.DatetimeIndex(pd.to_datetime(flows.index, utc=True), name="utc_start")
    plans = [PlanNumbers(**numbers) for numbers in content.pop("plans")]
    return RunRecord(**{**content, "spec": RunSpec(**content["spec"])}, plans=plans, flows=flows)


def make_run(spec: RunSpec, source: str) -> RunRecord:
    """One closed loop, or the bound.

    :raises ValueError: if a strategy or a variant of the house is unknown.
    """
    built = variant(spec.house)
    scenario, start = scenario_for(built, spec.period, spec.days, spec.house)
    end = start + timedelta(days=spec.days)
    valuation = Valuation.at(end, built.house, scenario)
    simulated = SimulatedHouse(built.equipment, built.house.grid, scenario, start, seed=spec.seed)
    if spec.strategy == BOUND:
        return _bound(spec, source, built, scenario, simulated, end, valuation)
    seen = built
    if spec.thermal_spread:
        heating = next(s for s in built.equipment.values() if isinstance(s, HeatingSpec))
        seen = with_wrong_parameters(built, seeded_thermal_error(heating, spec.seed, spec.thermal_spread))
    if spec.learned_days:
        seen = _with_learned_rooms(seen, built, spec, start)
    controller = _controller(spec, seen, _foresight(spec, built, scenario, start))
    house = controller.planner.house if isinstance(controller, PlanningController) else seen.house
    billing = Billing(built.site.zone, built.tariff.capacity_charge_per_kw)
    result = run_closed_loop(spec.strategy, controller, house, simulated, end, valuation, billing)
    plans: Sequence[PlanNumbers] = ()
    if isinstance(controller, PlanningController) and isinstance(controller.planner, ClockedPlanner):
        plans = controller.planner.audited(seen)
        controller.planner.close()
    rooms = [f"{room.name}_c" for room in rooms_of(built)]
    return RunRecord(
        spec=spec,
        source=source,
        provenance=scenario.provenance,
        bill=result.bill + result.capacity_cost,
        wear=result.wear,
        stored_value=result.stored_value,
        comfort_share=result.comfort_share,
        cold_share=result.cold_share,
        wall_s=result.wall_s,
        cpu_s=result.cpu_s + sum(numbers.cpu_s - numbers.own_cpu_s for numbers in plans),
        plans=plans,
        flows=_with_planned(result.flows[[*KEPT, *rooms]], result),
    )


def _foresight(spec: RunSpec, built: HouseFile, scenario: Scenario, start: datetime) -> Foresight:
    if spec.forecast != ForecastQuality.LEARNED or not spec.planned:
        return Outlook(scenario, ForecastQuality(spec.forecast), seed=spec.seed)
    longer, _ = scenario_for(built, spec.period, spec.days, spec.house, LEARNED_DAYS)
    told = Outlook(longer, ForecastQuality.REALISTIC, seed=spec.seed)
    asked = AskedOutlook(longer, ranked(create_forecasters(load_plugins(), built.config)), built.tariff, told)
    # One that lacks what it learns from, such as a supplied forecast, is passed over as in a house.
    asked.learn(start, timedelta(days=LEARNED_DAYS))
    return asked


def _with_learned_rooms(seen: HouseFile, built: HouseFile, spec: RunSpec, start: datetime) -> HouseFile:
    """The house as who has watched it under its thermostats sees it."""
    truth, configured = (
        next(e for e in house.equipment.values() if isinstance(e, HeatingSpec)) for house in (built, seen)
    )
    begin = start.astimezone(built.site.zone).date() - timedelta(days=spec.learned_days)
    measured = measured_rooms(
        lived_in(truth, begin, spec.learned_days, seed=spec.seed), "heating", configured, built.site.timezone
    )
    return with_heating(seen, guarded_rooms(configured, measured).spec)


def _controller(spec: RunSpec, built: HouseFile, outlook: Foresight) -> Controller:
    known: dict[str, Strategy | RuleBased] = {**built.strategies, **built.rule_based}
    if spec.strategy not in known:
        raise ValueError(f"strategy {spec.strategy!r} is unknown; allowed: {BOUND}, {', '.join(sorted(known))}")
    found = known[spec.strategy]
    if isinstance(found, RuleBased):
        return RuleController(found, built.house, outlook)
    house = replace(built.house, strategy=found)
    return PlanningController(ClockedPlanner.of(house, built.options), outlook, timedelta(minutes=spec.every_min))


def _bound(
    spec: RunSpec,
    source: str,
    built: HouseFile,
    scenario: Scenario,
    simulated: SimulatedHouse,
    end: datetime,
    valuation: Valuation,
) -> RunRecord:
    began, began_cpu = perf_counter(), process_time()
    house = replace(built.house, strategy=built.strategies["lowest_bill"])
    state = measure(house.devices, simulated.readings())
    bound: Bound = perfect_foresight(house, state, scenario, end, valuation)
    wall_s, cpu_s = perf_counter() - began, process_time() - began_cpu
    return RunRecord(
        spec=spec,
        source=source,
        provenance=scenario.provenance,
        bill=bound.bill,
        wear=bound.wear,
        stored_value=bound.stored_value,
        comfort_share=0.0,
        cold_share=0.0,
        wall_s=wall_s,
        cpu_s=cpu_s,
        plans=(),
        flows=bound.flows,
    )


def _with_planned(flows: pd.DataFrame, result: RunResult) -> pd.DataFrame:
    if result.planned is None:
        return flows
    planned = result.planned.reindex(flows.index)
    return flows.assign(planned_import_kw=planned["grid_import_kw"], planned_export_kw=planned["grid_export_kw"])
