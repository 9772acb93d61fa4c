"""The mathematics of each part, as the solver gets it.

After a change that is meant, write the texts anew with `python -m tests.refresh_lp` and read the difference.
"""

import re
from dataclasses import replace
from pathlib import Path

import pyomo.environ as pyo
import pytest
from hypothesis import HealthCheck, given, settings

from pems_core.planning.model import DispatchModel
from pems_core.planning.planner import build_model

from .generated_houses import generated_houses
from .houses import BATTERY, INVERTER, SmallHouse, with_battery
from .lp_cases import CASES, FOLDER, expected, hybrid, lp_text

ROOT = Path(__file__).parents[1]
PARTS = (*(ROOT / "pems_core/planning").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"))
NAMED_COMPONENT = re.compile(r"\.(\w+) = pyo\.(?:Var|Constraint|Objective)\(")
LABELLED_COMPONENT = re.compile(r'^ *\("(\w+)", inverter\.\w+_kw,', re.MULTILINE)
NAMED_COST = re.compile(r'add_cost\(\s*f?"(?:\{[\w.]+\}|\w+)\.(\w+)"')


@pytest.mark.parametrize("name", CASES)
def test_the_model_reads_as_expected(name: str) -> None:
    assert lp_text(CASES[name]().model()) == expected(name).read_text()


def test_every_expected_text_belongs_to_a_model() -> None:
    assert {path.stem for path in FOLDER.glob("*.lp")} == set(CASES)


def all_texts() -> str:
    return "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.lp")))


def components(model: DispatchModel) -> set[str]:
    """Names of variables, constraints and costs, without the device's name."""
    kinds = (pyo.Var, pyo.Constraint, pyo.Objective)
    built = {c.local_name for c in model.pyomo.component_objects(kinds) if len(c)}
    return built | {name.split(" x ")[0].rpartition(".")[2] for name in model.costs}


def absent(names: set[str]) -> list[str]:
    """Which names stand in no expected text."""
    words = {word.strip("_") for word in re.findall(r"[a-z]\w+", all_texts())}
    known = "\n".join(words)
    return sorted(name for name in names if not re.search(rf"(^|_){name}$", known, re.MULTILINE))


def test_everything_written_in_the_code_of_parts_and_aims_occurs_in_a_text() -> None:
    written: set[str] = set()
    for path in PARTS:
        code = path.read_text()
        for pattern in (NAMED_COMPONENT, LABELLED_COMPONENT, NAMED_COST):
            written |= set(pattern.findall(code))
    assert {"power_balance", "dc_bus", "charge_taper", "wear", "highest_import"} <= written
    assert absent(written) == []


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(generated_houses())
def test_everything_in_the_models_of_generated_houses_occurs_in_a_text(case: SmallHouse) -> None:
    near = case.forecasts.horizon.steps_before(case.state.now + case.options.binary)
    assert absent(components(build_model(case.house, case.state, case.forecasts, near))) == []


def test_a_name_that_no_text_knows_is_found_out() -> None:
    assert absent({"dc_bus", "ac_bus"}) == ["ac_bus"]


@pytest.mark.parametrize(
    "slipped",
    [
        pytest.param(replace(INVERTER, inverting_efficiency=0.81), id="inverting"),
        pytest.param(replace(INVERTER, rectifying_efficiency=0.51), id="rectifying"),
        pytest.param(with_battery(charge_efficiency=BATTERY.charge_efficiency + 0.01), id="charging"),
        pytest.param(with_battery(discharge_efficiency=BATTERY.discharge_efficiency - 0.01), id="discharging"),
    ],
)
def test_a_slip_in_an_efficiency_shows_in_the_text(slipped: object) -> None:
    assert isinstance(slipped, type(INVERTER))
    assert lp_text(hybrid(slipped).model()) != expected("hybrid_inverter").read_text()


def test_every_constraint_is_explained_in_the_documentation() -> None:
    explained = (ROOT / "docs/math.md").read_text()
    constraints = {
        constraint.local_name
        for case in CASES.values()
        for constraint in case().model().pyomo.component_objects(pyo.Constraint)
    }
    assert sorted(name for name in constraints if f"`{name}`" not in explained) == []
