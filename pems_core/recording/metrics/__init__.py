"""From readings, cycles and commands to points: one module for each part of a house."""

from .collect import Metrics
from .moment import Household, Moment

__all__ = ["Household", "Metrics", "Moment"]
