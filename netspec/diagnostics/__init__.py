"""Findings as data, their codes and pages, and how they are shown.

In: facts with places. Out: text, JSON, SARIF. Must not know: which pass found them, and why.
"""

from netspec.diagnostics.model import (
    Diagnostic,
    Diagnostics,
    Edit,
    Fix,
    Label,
    Severity,
    SpecError,
    fail,
)

__all__ = ["Diagnostic", "Diagnostics", "Edit", "Fix", "Label", "Severity", "SpecError", "fail"]
