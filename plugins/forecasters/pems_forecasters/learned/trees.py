"""Boosted trees for the quantiles of one quantity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from pems_core.domain import OutdatedModel, PemsError

Array = npt.NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
SETTINGS: Mapping[str, object] = {
    "objective": "quantile",
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "verbose": -1,
    "seed": 1,
    # One thread: the same model from the same data, beside an engine that plans.
    "num_threads": 1,
    "force_row_wise": True,
}
LEAST_ROWS = 500


class CannotLearn(PemsError):
    """There is too little to learn from, or LightGBM is missing."""


@dataclass(frozen=True)
class Trees:
    """What was learned, as text, so that it can be kept anywhere."""

    features: tuple[str, ...]
    boosters: Mapping[float, str]
    """By quantile, in LightGBM's own words."""

    def predict(self, table: Array) -> Array:
        """One row a moment, one column a quantile, never crossing.

        :param table: one column a feature; NaN where a feature is not known.
        :raises CannotLearn: if LightGBM is missing.
        """
        if table.shape[1] != len(self.features):
            raise ValueError(f"found {table.shape[1]} features; {len(self.features)} are needed")
        found = [booster.predict(table) for booster in self._boosters]
        return np.sort(np.stack(found, axis=1), axis=1)

    def require_usable(self) -> None:
        """Find out now whether it can be used, rather than when somebody waits for a forecast.

        :raises CannotLearn: if LightGBM is missing, or what was kept is no model of it.
        """
        assert len(self._boosters) == len(self.boosters)

    @cached_property
    def _boosters(self) -> Sequence[Any]:
        lightgbm = lightgbm_or_not()
        try:
            return [lightgbm.Booster(model_str=text) for _, text in sorted(self.boosters.items())]
        except lightgbm.basic.LightGBMError as error:
            raise CannotLearn(f"found no trees in what was kept: {error}") from error

    def as_json(self) -> dict[str, object]:
        return {"features": list(self.features), "boosters": {str(q): text for q, text in self.boosters.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(tuple(data["features"]), {float(q): text for q, text in data["boosters"].items()})


class Model(Protocol):
    """What a forecaster learned, trees and what stands beside them."""

    @property
    def trees(self) -> Trees: ...

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self: ...


M = TypeVar("M", bound=Model)


def usable(kind: type[M], features: Sequence[str], content: Mapping[str, Any] | None) -> M | None:
    """The model that was kept; None if there is none.

    :param features: what it is asked by now.
    :raises OutdatedModel: if it was learned from other features.
    :raises CannotLearn: if it cannot be used.
    """
    if content is None:
        return None
    model = kind.from_json(content)
    other = sorted({*model.trees.features} ^ {*features})
    if model.trees.features != tuple(features):
        found = f"differ in {', '.join(other)}" if other else "come in another order"
        raise OutdatedModel(f"was learned from features that {found}; it is learned anew at night, or by pems train")
    model.trees.require_usable()
    return model


def grow(
    table: Array,
    target: Array,
    features: Sequence[str],
    *,
    rounds: int = 150,
    weights: Array | None = None,
    quantiles: Sequence[float] = QUANTILES,
    leaves: int = 15,
    pace: float = 0.05,
) -> Trees:
    """Learn the quantiles of a target from features; rows without a target are left out.

    A history of a year or less has never seen the days of the year that come: trees take a feature that names them for
    what it is not, and foresee worse with it.

    :param weights: how much each row counts.
    :param pace: how much of what is still wrong each tree takes away.
    :raises CannotLearn: if there are fewer than `LEAST_ROWS` rows, or LightGBM is missing.
    """
    lightgbm = lightgbm_or_not()
    known = np.isfinite(target)
    if known.sum() < LEAST_ROWS:
        raise CannotLearn(f"found {known.sum()} rows to learn from; at least {LEAST_ROWS} are needed")
    boosters = {}
    for quantile in quantiles:
        rows = lightgbm.Dataset(table[known], target[known], weight=None if weights is None else weights[known])
        settings = {**SETTINGS, "alpha": quantile, "num_leaves": leaves, "learning_rate": pace}
        try:
            boosters[quantile] = lightgbm.train(settings, rows, rounds).model_to_string()
        except lightgbm.basic.LightGBMError as error:
            # Memory that is bounded ends here, too: the library says so with an error of its own.
            raise CannotLearn(f"LightGBM could not learn: {error}") from error
    return Trees(tuple(features), boosters)


def lightgbm_or_not() -> Any:
    """LightGBM, which takes a while to load.

    :raises CannotLearn: if it is missing.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise CannotLearn(f"LightGBM cannot be loaded ({error}); get it with: pip install lightgbm") from error
    return lightgbm


def widening(lower: Array, middle: Array, upper: Array, truth: Array, cover: float = 0.8) -> tuple[float, float]:
    """By how much the distances from the middle to both ends have to be stretched to cover what has happened.

    The ends are those of the trees on days that they have not seen: what trees learn by heart is too narrow
    (conformalised quantile regression after Romano, Patterson and Candès, 2019, in shares of the width).
    """
    beside = (1 - cover) / 2
    known = np.isfinite(truth) & np.isfinite(middle)
    error = (truth - middle)[known]
    below, above = np.maximum(middle - lower, 1e-9)[known], np.maximum(upper - middle, 1e-9)[known]
    if len(error) == 0:
        return 1.0, 1.0
    return (
        float(np.clip(np.quantile(-error / below, 1 - beside), 0.5, 5.0)),
        float(np.clip(np.quantile(error / above, 1 - beside), 0.5, 5.0)),
    )
