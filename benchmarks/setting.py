"""What a benchmark is asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .rows import Row
from .runs import Runs, RunSpec


@dataclass(frozen=True)
class Setting:
    full: bool
    """False: the short selection, a few days with hourly plans."""
    runs: Runs
    every_min: int = 15
    """Minutes between plans in closed loops."""
    asked_days: float | None = None

    @property
    def days(self) -> float:
        """Of a closed loop, unless it is of a calendar month."""
        return self.asked_days or (7.0 if self.full else 3.0)


@dataclass(frozen=True)
class Benchmark:
    """A question with its answer in rows."""

    name: str
    title: str
    about: str
    """How it is measured, for docs/benchmarks.md."""
    rows: Callable[[Setting], Iterator[Row]]
    runs: Callable[[Setting], Sequence[RunSpec]] = lambda _: ()
    """The closed loops it needs, made before it starts."""
    in_short: bool = True
