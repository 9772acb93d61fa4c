"""A thermal network from what was measured: the most probable one, with how sure each number is.

The model runs free over the whole history (a simulation, not a prediction of the next step), so that what it learns is
what a plan of days needs. What it gets wrong is a slow disturbance that it cannot know: an autoregression of first
order, whose memory is estimated for each room. Weighted so, the errors are as good as independent, and the covariance
says how sure the numbers are.

    minimise  sum((e[t] - memory * e[t-1])^2 / sigma^2) + sum((log(value / prior) / spread)^2)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from .network import Array, Network, Place, multiplied, places, value_at

SPREAD: Mapping[str, float] = {
    "air_kwh_per_k": 0.3,
    "mass_kwh_per_k": 0.3,
    "mass_to_air_kw_per_k": 0.3,
    "surroundings_kw_per_k": 0.3,
    "links_kw_per_k": 0.4,
    "sun_m2": 0.5,
    "gain_kw": 0.5,
    "into_air": 0.3,
}
"""How far a number of the house file is thought to be off, as a standard deviation of its logarithm."""
FARTHEST = 2.5
"""No logarithm goes farther from its prior than this: a factor of 12."""
START_SPREAD_K = (0.1, 2.0)
"""How well air and mass are known when a stretch begins."""
DAILY_SPREAD = 0.6
HARMONICS = 3
"""Of the daily course of people's heat, which the rooms share."""
MOST_MEMORY = 0.998
LEAST_SIGMA_K = 0.003
SHORTEST = 48
"""A stretch of fewer steps without a gap says little and costs a start of its own."""
ROUNDS = 3
STEPS_A_ROUND = 12
ENOUGH = 1e-4
"""A step that gains less than this share of the cost is the last of its round."""
NUDGE = 1e-4
SYSTEMATIC = 0.015
"""Of every logarithm, beyond what noise explains: within a step heat is taken as constant, and people's day as waves.
On the simulated house numbers were found to be off by 1 to 2 % so, however long the history."""


def step_of_h(index: pd.DatetimeIndex) -> float:
    """The usual distance of rows [h]."""
    return float(np.median(np.diff(np.asarray((index - index[0]) / pd.Timedelta(hours=1), dtype=np.float64))))


@dataclass(frozen=True)
class Measured:
    """What a network is identified from; rows are steps of one length, labelled by their start.

    A row in which heat, surroundings or sun is missing ends a stretch; a room that is missing is only not looked at.
    """

    air_c: pd.DataFrame
    """Mean of each room over each step."""
    heater_kw: pd.DataFrame
    surroundings_c: pd.DataFrame
    sun_kw_m2: pd.DataFrame
    timezone: str = "UTC"

    @property
    def step_h(self) -> float:
        return step_of_h(pd.DatetimeIndex(self.air_c.index))

    def stretches(self) -> Iterator[slice]:
        """The longest runs of rows without a gap."""
        known = (
            self.heater_kw.notna().all(axis=1)
            & self.surroundings_c.notna().all(axis=1)
            & self.sun_kw_m2.notna().all(axis=1)
        ).to_numpy()
        hours = np.asarray((self.air_c.index - self.air_c.index[0]) / pd.Timedelta(hours=1), dtype=np.float64)
        broken = np.append(True, ~np.isclose(np.diff(hours), self.step_h)) | ~known
        begins = np.flatnonzero(known & (broken | np.append(True, ~known[:-1])))
        for begin in begins:
            later = np.flatnonzero(broken[begin + 1 :])
            end = begin + 1 + int(later[0]) if len(later) else len(known)
            if end - begin >= SHORTEST:
                yield slice(int(begin), end)

    def cut(self, rows: slice) -> "Measured":
        return replace(
            self,
            air_c=self.air_c.iloc[rows],
            heater_kw=self.heater_kw.iloc[rows],
            surroundings_c=self.surroundings_c.iloc[rows],
            sun_kw_m2=self.sun_kw_m2.iloc[rows],
        )

    def followed_by(self, ahead: "Measured") -> "Measured":
        """This history and what is known of the time after it, whose rooms nobody has measured yet."""
        return replace(
            self,
            air_c=pd.concat([self.air_c, ahead.air_c * np.nan]),
            heater_kw=pd.concat([self.heater_kw, ahead.heater_kw]),
            surroundings_c=pd.concat([self.surroundings_c, ahead.surroundings_c]),
            sun_kw_m2=pd.concat([self.sun_kw_m2, ahead.sun_kw_m2]),
        )

    def daily(self) -> Array:
        """Waves of the local day, shape (T, 2 * HARMONICS)."""
        local = pd.DatetimeIndex(self.air_c.index).tz_convert(self.timezone)
        phase = 2 * np.pi * (np.asarray(local.hour + local.minute / 60, dtype=np.float64) / 24 + self.step_h / 48)
        waves = [wave(k * phase) for k in range(1, HARMONICS + 1) for wave in (np.cos, np.sin)]
        return np.stack(waves, axis=1)


@dataclass(frozen=True)
class Identified:
    """The most probable network and how sure it is."""

    network: Network
    where: tuple[Place, ...]
    """The numbers that were free."""
    sd: Array
    """Standard deviation of the logarithm of each."""
    spread: Array
    """What it was before anything was measured."""
    daily: Array
    """Waves of people's heat, as shares of its mean."""
    memory: Array
    """By room: the share of the model's error that is still there a step later."""
    sigma_k: Array
    rounds: int
    covariance: Array = field(repr=False)

    def interval(self, place: Place, z: float = 1.2816) -> tuple[float, float]:
        """Where the true value lies; by default with a probability of 80 %."""
        value, sd = value_at(self.network, place), float(self.sd[self.where.index(place)])
        return value * float(np.exp(-z * sd)), value * float(np.exp(z * sd))


@dataclass(frozen=True)
class Stretch:
    """One run of rows as arrays, and where its starts stand among the parameters."""

    air_c: Array
    heater_kw: Array
    surroundings_c: Array
    sun_kw_m2: Array
    daily: Array
    step_h: float

    @classmethod
    def of(cls, measured: Measured) -> "Stretch":
        return cls(
            measured.air_c.to_numpy(np.float64),
            measured.heater_kw.to_numpy(np.float64),
            measured.surroundings_c.to_numpy(np.float64),
            measured.sun_kw_m2.to_numpy(np.float64),
            measured.daily(),
            measured.step_h,
        )

    def heat_kw(self, network: Network, daily: Array) -> Array:
        people = np.outer(1 + self.daily @ daily, network.gain_kw)
        outside = self.surroundings_c @ network.surroundings_kw_per_k.T + self.sun_kw_m2 @ network.sun_m2.T + people
        air = outside + self.heater_kw * network.into_air
        return np.hstack([air, self.heater_kw * (1 - network.into_air)])

    def error_k(self, network: Network, daily: Array, start: Array) -> Array:
        """Simulated less measured air, shape (T, N); NaN where nothing was measured."""
        return np.asarray(self.simulated_c(network, daily, start) - self.air_c, dtype=np.float64)

    def simulated_c(self, network: Network, daily: Array, start: Array) -> Array:
        """Air of a model that runs free from the first hours on, shape (T, N).

        :param start: what air and mass were above that first guess, shape (2N,).
        """
        heat = self.heat_kw(network, daily)
        # The first hours tell the heat that the masses have; their mean is a fair first guess.
        first = np.nanmean(self.air_c[:4], axis=0)
        first = np.where(np.isnan(first), np.nanmean(first), first)
        masses = network.settled(first, heat[:48, : network.rooms].mean(axis=0))
        simulated, _ = network.course(heat, np.concatenate([first, masses]) + start, self.step_h)
        return np.asarray(simulated, dtype=np.float64)


@dataclass
class _Problem:
    prior: Network
    where: tuple[Place, ...]
    stretches: Sequence[Stretch]
    memory: Array
    sigma_k: Array

    @property
    def spread(self) -> Array:
        starts = np.repeat(np.array(START_SPREAD_K), self.prior.rooms)
        numbers = np.array([SPREAD[place.kind] for place in self.where])
        return np.concatenate([numbers, np.full(2 * HARMONICS, DAILY_SPREAD), *(starts for _ in self.stretches)])

    def parts(self, x: Array) -> tuple[Network, Array, Array]:
        """Network, daily waves, and starts by stretch."""
        n = len(self.where)
        network = multiplied(self.prior, self.where, np.exp(x[:n]))
        starts = x[n + 2 * HARMONICS :].reshape(len(self.stretches), 2 * self.prior.rooms)
        return network, x[n : n + 2 * HARMONICS], starts

    def errors_k(self, x: Array) -> list[Array]:
        network, daily, starts = self.parts(x)
        return [s.error_k(network, daily, start) for s, start in zip(self.stretches, starts, strict=True)]

    def weighted(self, errors: Sequence[Array]) -> Array:
        """Independent errors in standard deviations, one after the other; zero where nothing was measured."""
        white = [(e[1:] - self.memory * e[:-1]) / self.sigma_k for e in errors]
        return np.asarray(np.nan_to_num(np.concatenate([w.ravel() for w in white])), dtype=np.float64)

    def jacobian(self, x: Array, at: Array) -> Array:
        n = len(self.where) + 2 * HARMONICS
        columns = np.zeros((len(at), len(x)))
        for j in range(n):
            nudged = x.copy()
            nudged[j] += NUDGE
            columns[:, j] = (self.weighted(self.errors_k(nudged)) - at) / NUDGE
        # Starts act on their own stretch only, and linearly.
        network, daily, starts = self.parts(x)
        row = 0
        for k, stretch in enumerate(self.stretches):
            base = stretch.error_k(network, daily, starts[k])
            rows = (len(base) - 1) * base.shape[1]
            for i in range(2 * self.prior.rooms):
                start = starts[k].copy()
                start[i] += 1.0
                moved = stretch.error_k(network, daily, start) - base
                place = n + k * 2 * self.prior.rooms + i
                columns[row : row + rows, place] = self.weighted([moved])
            row += rows
        return columns

    def learn_noise(self, errors: Sequence[Array]) -> None:
        """Memory and size of what the model gets wrong, by room."""
        for i in range(self.prior.rooms):
            earlier = np.concatenate([e[:-1, i] for e in errors])
            later = np.concatenate([e[1:, i] for e in errors])
            seen = ~np.isnan(earlier) & ~np.isnan(later)
            if seen.sum() < SHORTEST:
                continue
            earlier, later = earlier[seen], later[seen]
            memory = float(np.clip(earlier @ later / max(earlier @ earlier, 1e-12), 0.0, MOST_MEMORY))
            self.memory[i] = memory
            self.sigma_k[i] = max(LEAST_SIGMA_K, float(np.std(later - memory * earlier)))


def identify(prior: Network, measured: Measured, fixed: frozenset[Place] = frozenset()) -> Identified:
    """The most probable network, beginning at the prior.

    :param fixed: numbers that stay as they are.
    :raises ValueError: if no stretch of the history is long enough.
    """
    stretches = [Stretch.of(measured.cut(rows)) for rows in measured.stretches()]
    if not stretches:
        raise ValueError(f"history has no {SHORTEST} steps in a row with heat, surroundings and sun; it needs one")
    where = tuple(place for place in places(prior) if place not in fixed)
    problem = _Problem(prior, where, stretches, np.full(prior.rooms, 0.95), np.full(prior.rooms, 0.1))
    spread = problem.spread
    x = np.zeros(len(spread))
    problem.learn_noise(problem.errors_k(x))
    for _ in range(ROUNDS):
        x, hessian = _descend(problem, x, spread)
        problem.learn_noise(problem.errors_k(x))
    covariance = np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    network, daily, _ = problem.parts(x)
    n = len(where)
    sd = np.sqrt(np.diag(covariance)[:n] + SYSTEMATIC**2)
    return Identified(
        network, where, sd, spread[:n], daily, problem.memory, problem.sigma_k, ROUNDS, covariance[:n, :n]
    )


def _descend(problem: _Problem, x: Array, spread: Array) -> tuple[Array, Array]:
    """Levenberg and Marquardt on the normal equations, which stay small however long the history is."""
    limit = np.concatenate(
        [np.full(len(problem.where), FARTHEST), np.full(len(spread) - len(problem.where), 10 * spread.max())]
    )

    def cost(errors: Array, x: Array) -> float:
        return float(errors @ errors + ((x / spread) ** 2).sum())

    errors = problem.weighted(problem.errors_k(x))
    best, damping = cost(errors, x), 1e-3
    hessian = np.diag(1 / spread**2)
    for _ in range(STEPS_A_ROUND):
        jacobian = problem.jacobian(x, errors)
        hessian = jacobian.T @ jacobian + np.diag(1 / spread**2)
        gradient = jacobian.T @ errors + x / spread**2
        before = best
        while damping < 1e6:
            step = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), -gradient)
            tried = np.clip(x + step, -limit, limit)
            errors_tried = problem.weighted(problem.errors_k(tried))
            found = cost(errors_tried, tried)
            if np.isfinite(found) and found < best:
                x, errors, best, damping = tried, errors_tried, found, max(1e-7, damping / 5)
                break
            damping *= 8
        if before - best < ENOUGH * before:
            break
    return x, hessian
