"""From a network to a certified ONNX file. The package itself is callable: `netspec.export(net_or_run, path)`.

A function could not bear this name: importing any module of the package would put the package in its place.
"""

import sys
from types import ModuleType
from typing import Any


class Exporter(ModuleType):
    """The package as the function `netspec.export.export.export`."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        from netspec.export.export import export

        return export(*arguments, **keywords)


sys.modules[__name__].__class__ = Exporter
