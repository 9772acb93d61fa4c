"""CBC as a program of its own: the problem goes out as an MPS file, the solution comes back as text."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from pems_core.planning.standard_form import Floats, StandardForm

from .base import Solution, SolverFailure, Status
from .highs import Highs

OVERRUN_ALLOWANCE_S = 3.0


class Cbc:
    """The `cbc` program (Debian `coinor-cbc`, or the `cbcbox` package)."""

    name = "cbc"

    def __init__(self, program: str | None = None) -> None:
        self._program = program or shutil.which("cbc") or _packaged()

    def ready(self) -> None:
        """It starts anew for each problem."""

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        began = perf_counter()
        with tempfile.TemporaryDirectory(prefix="pems-cbc-") as folder:
            problem, answer = Path(folder, "plan.mps"), Path(folder, "plan.sol")
            Highs().write(form, problem)
            is_mip = bool(form.whole.any())
            run = [self._program, str(problem), "-seconds", f"{max(0.1, time_limit_s):.2f}"]
            # Names give way to numbers, and primal values are printed for all columns, zeros too.
            run += ["-allowableGap", f"{gap:g}", "-ratioGap", "0", "-threads", "0", "-printingOptions", "all"]
            run += ["-solve" if is_mip else "-initialSolve", "-solution", str(answer)]
            try:
                done = subprocess.run(
                    run, capture_output=True, text=True, timeout=time_limit_s + OVERRUN_ALLOWANCE_S, check=False
                )
            except subprocess.TimeoutExpired:
                return Solution(Status.NONE, float("inf"), float("-inf"), None, None, perf_counter() - began)
            if done.returncode or not answer.exists():
                raise SolverFailure(f"{self._program} ended with {done.returncode}: {done.stderr.strip()[-200:]}")
            return _read_solution(form, answer.read_text(), done.stdout, perf_counter() - began)

    def close(self) -> None:
        """Nothing is kept between calls."""


def _packaged() -> str:
    try:
        import cbcbox  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise SolverFailure(
            "the program cbc was not found; install Debian's coinor-cbc or the Python package cbcbox, "
            'or set [solver] name = "highs"'
        ) from None
    return str(cbcbox.cbc_bin_path())


def _read_solution(form: StandardForm, text: str, log: str, wall_s: float) -> Solution:
    """First line: status and objective; then a line a row and a line a column: index, name, value, dual."""
    head, *lines = text.splitlines()
    rows, columns = form.shape
    if head.startswith("Infeasible"):
        return Solution(Status.INFEASIBLE, float("inf"), float("inf"), None, None, wall_s)
    fields = [line.replace("**", "").split() for line in lines]
    if len(fields) != rows + columns:
        return Solution(Status.NONE, float("inf"), float("-inf"), None, None, wall_s)
    x = np.array([float(field[2]) for field in fields[rows:]])
    duals = np.array([float(field[3]) for field in fields[:rows]])
    stopped = not head.startswith("Optimal")
    is_mip = bool(form.whole.any())
    if stopped and not is_mip:
        return Solution(Status.NONE, float("inf"), float("-inf"), None, None, wall_s)
    if is_mip and np.abs(x[form.whole] - np.round(x[form.whole])).max(initial=0.0) > 1e-5:
        return Solution(Status.NONE, float("inf"), float("-inf"), None, None, wall_s)
    objective = float(form.cost @ x) + form.offset
    bound = objective
    if is_mip:
        # A bound below the optimum is only printed when the search stops early.
        bounds = [line.split(":")[1] for line in log.splitlines() if line.startswith("Lower bound:")]
        bound = float(bounds[-1]) + form.offset if bounds else objective
    return Solution(
        Status.FEASIBLE if stopped else Status.OPTIMAL, objective, bound, x, None if is_mip else duals, wall_s
    )
