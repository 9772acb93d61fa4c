"""HiGHS in a process of its own, ended from outside when it does not keep its time."""

import multiprocessing
from multiprocessing.connection import Connection
from time import perf_counter
from typing import cast

from pems_core.planning.standard_form import Floats, StandardForm

from .base import Solution, SolverFailure, Status
from .highs import Highs

START_ALLOWANCE_S = 20.0
"""A fresh process has to import the solver first."""
OVERRUN_ALLOWANCE_S = 1.0
"""HiGHS looks at its clock between iterations only."""


def _serve(pipe: Connection) -> None:
    """Answer problems until the other side is gone."""
    highs = Highs()
    pipe.send("ready")
    while True:
        try:
            form, time_limit_s, gap, start = pipe.recv()
            pipe.send(highs.solve(form, time_limit_s, gap, start))
        except (EOFError, BrokenPipeError, KeyboardInterrupt):
            return


class GuardedHighs:
    """Solves in a child process; an overrun or a crash costs one answer, never the caller."""

    name = "highs"

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        pipe = self._running()
        began = perf_counter()
        try:
            pipe.send((form, time_limit_s, gap, start))
            if not pipe.poll(time_limit_s + OVERRUN_ALLOWANCE_S):
                self.close()
                return Solution(Status.NONE, float("inf"), float("-inf"), None, None, perf_counter() - began)
            return cast("Solution", pipe.recv())
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            raise SolverFailure("the HiGHS process died while solving; the next plan starts a new one") from error

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None

    def _running(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self.close()
        # Fork would copy threads and locks of the caller; spawn starts clean.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="pems-highs")
        self._process.start()
        theirs.close()
        if not self._pipe.poll(START_ALLOWANCE_S) or self._pipe.recv() != "ready":
            self.close()
            raise SolverFailure(f"the HiGHS process did not start within {START_ALLOWANCE_S:g} s")
        return self._pipe
