"""From a closed dispatch model to arrays, and from a solution back to its variables."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from .exchange import Exchanges, Indices
from .model import DispatchModel, Values
from .standard_form import Floats, StandardForm


@dataclass(frozen=True)
class Compiled:
    """A standard form with the way back to the Pyomo variables it came from."""

    form: StandardForm
    columns: Mapping[int, int]
    """Column by id of the Pyomo variable."""
    variables: Sequence[Any]
    """The Pyomo variable of each column."""
    balance_rows: tuple[int, ...]
    """Rows of the power balance, one per step."""
    model: DispatchModel
    exchanges: Exchanges | None = None
    """What rooms give each other; None if there is nothing of the kind."""

    def load(self, x: Floats) -> None:
        """Give the solution to the Pyomo variables, so that whole expressions can be evaluated."""
        for variable, value in zip(self.variables, x, strict=True):
            variable.set_value(float(value), skip_validation=True)

    def values(self, x: Floats) -> Values:
        """Evaluates variables and expressions of the model in a solution."""
        columns = self.columns

        def value(expression: Any) -> float:
            if isinstance(expression, int | float):
                return float(expression)
            column = columns.get(id(expression))
            if column is not None:
                return float(x[column])
            return float(pyo.value(expression))

        return value


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Building a model makes hundreds of thousands of small objects and no garbage; collecting costs half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def compile_model(model: DispatchModel) -> Compiled:
    """Bring a closed model into standard form."""
    if not model.closed:
        raise ValueError("close the model before it is compiled")
    info = LinearStandardFormCompiler().write(model.pyomo, mixed_form=True)
    count = len(info.columns)
    row_low = np.full(len(info.rows), -np.inf)
    row_high = np.full(len(info.rows), np.inf)
    for i, (row, rhs) in enumerate(zip(info.rows, info.rhs, strict=True)):
        if row.bound_type <= 0:
            row_low[i] = rhs
        if row.bound_type >= 0:
            row_high[i] = rhs
    low, high = np.empty(count), np.empty(count)
    whole = np.zeros(count, dtype=np.bool_)
    for j, variable in enumerate(info.columns):
        lb, ub = variable.bounds
        low[j] = -np.inf if lb is None else lb
        high[j] = np.inf if ub is None else ub
        whole[j] = not variable.is_continuous()
    matrix = info.A.tocsc()
    balance = {id(c): t for t, c in model.pyomo.power_balance.items()}
    balance_rows = [0] * model.horizon.steps
    for i, row in enumerate(info.rows):
        t = balance.get(id(row.constraint))
        if t is not None:
            balance_rows[t] = i
    return Compiled(
        form=StandardForm(
            starts=matrix.indptr.astype(np.int32),
            rows=matrix.indices.astype(np.int32),
            values=matrix.data.astype(np.float64),
            row_low=row_low,
            row_high=row_high,
            low=low,
            high=high,
            whole=whole,
            cost=np.asarray(info.c.todense(), dtype=np.float64).ravel(),
            offset=float(np.asarray(info.c_offset).ravel()[0]),
        ),
        columns={id(v): j for j, v in enumerate(info.columns)},
        variables=info.columns,
        balance_rows=tuple(balance_rows),
        model=model,
        exchanges=_exchanges(model, info) if model.exchanges else None,
    )


def _exchanges(model: DispatchModel, info: Any) -> Exchanges:
    rows = {id(row.constraint): i for i, row in enumerate(info.rows)}
    columns = {id(variable): j for j, variable in enumerate(info.columns)}

    def indices(found: Iterable[int]) -> Indices:
        return np.fromiter(found, dtype=np.int64)

    return Exchanges(
        equations=indices(rows[id(equation)] for equation, _, _ in model.equations),
        states=indices(columns[id(state)] for _, state, _ in model.equations),
        now=np.array([now for _, _, now in model.equations], dtype=np.float64),
        rows=indices(rows[id(equation)] for equation, _, _ in model.exchanges),
        own=indices(columns[id(own)] for _, own, _ in model.exchanges),
        other=indices(columns[id(other)] for _, _, other in model.exchanges),
    )
