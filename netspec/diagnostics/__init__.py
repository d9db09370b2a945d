"""Findings as data, their codes, and how they are shown."""

from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix, Label, Severity, SpecError, fail

__all__ = ["Diagnostic", "Diagnostics", "Edit", "Fix", "Label", "Severity", "SpecError", "fail"]
