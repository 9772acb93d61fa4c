"""From state and forecasts to a checked plan: model, solve, verify, fall back, explain."""

from pyomo.common import dependencies

if isinstance(dependencies.scipy_available, dependencies.DeferredImportIndicator):
    # With scipy Pyomo loads all its statistics, which nobody here needs: a fifth of the time in which a command starts.
    dependencies.scipy_available._callback = None  # noqa: SLF001
