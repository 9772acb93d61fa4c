"""HiGHS in a process of its own, ended from outside when it does not keep its time."""

import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from time import perf_counter
from typing import cast

from pems_core.planning.standard_form import Floats, StandardForm

from .base import READY, Solution, SolverFailure, Status

START_ALLOWANCE_S = 30.0
"""A fresh process has to import the solver first, maybe on a busy machine."""
OVERRUN_ALLOWANCE_S = 1.0
"""HiGHS looks at its clock between iterations only."""


class GuardedHighs:
    """Solves in a child process; an overrun or a crash costs one answer, never the caller."""

    name = "highs"

    def __init__(self) -> None:
        """Start the child, which gets ready while the first model is built."""
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._ready = False
        self._start()

    def ready(self) -> None:
        self._running()

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
            self._process.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None
        self._ready = False

    def _start(self) -> Connection:
        # A program of its own rather than multiprocessing: that would import the caller's main module again.
        self._pipe, theirs = Pipe()
        run = [sys.executable, "-m", "pems_core.planning.solvers.worker", str(theirs.fileno())]
        self._process = subprocess.Popen(run, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        return self._pipe

    def _running(self) -> Connection:
        """The pipe to a child that is ready."""
        if self._process is None or self._process.poll() is not None or self._pipe is None:
            self.close()
            self._start()
        pipe = cast("Connection", self._pipe)
        if not self._ready:
            try:
                self._ready = pipe.poll(START_ALLOWANCE_S) and pipe.recv() == READY
            except (EOFError, ConnectionResetError):
                self._ready = False
            if not self._ready:
                self.close()
                raise SolverFailure(f"the HiGHS process did not start within {START_ALLOWANCE_S:g} s")
        return pipe
