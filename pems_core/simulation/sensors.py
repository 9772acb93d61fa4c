"""What instruments make of the truth: noise and quantisation."""

from datetime import datetime

import numpy as np

from pems_core.domain import Reading, Value

TEMPERATURE_NOISE_K = 0.05
TEMPERATURE_STEP_DIGITS = 1
SOC_DIGITS = 2
POWER_NOISE = 0.01
"""Standard deviation, as a share of the power."""


class Sensors:
    """Seeded noise. Without noise the true values come out, unrounded."""

    def __init__(self, seed: int, noise: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._noise = noise

    def temperature_c(self, true_c: float) -> float:
        """With `TEMPERATURE_NOISE_K` of noise, in steps of 0.1 K."""
        if not self._noise:
            return float(true_c)
        return round(float(true_c) + self._rng.normal(0.0, TEMPERATURE_NOISE_K), TEMPERATURE_STEP_DIGITS)

    def soc(self, true_soc: float) -> float:
        """In whole percent."""
        return round(true_soc, SOC_DIGITS) if self._noise else true_soc

    def power(self, true_value: float) -> float:
        """A power or an irradiance with `POWER_NOISE`; never negative."""
        if not self._noise:
            return float(true_value)
        return max(0.0, float(true_value) * (1.0 + self._rng.normal(0.0, POWER_NOISE)))


def good_reading(value: Value, unit: str, now: datetime) -> Reading:
    return Reading(value, unit, measured_at=now, received_at=now)
