"""What a person sees: tables for the terminal, pictures, and a self-contained HTML report."""

from .html import html_report
from .pictures import Picture, overview, pictures, plan_picture
from .result import Report, RunResult
from .tables import plan_json, plan_table, results_table

__all__ = [
    "Picture",
    "Report",
    "RunResult",
    "html_report",
    "overview",
    "pictures",
    "plan_json",
    "plan_picture",
    "plan_table",
    "results_table",
]
