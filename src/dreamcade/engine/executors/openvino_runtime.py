"""OpenVINO, imported so that it tells nobody.

Where the package `openvino_telemetry` is found, and it is installed along, importing OpenVINO writes an identity into
the home folder and reports the import to its makers. Where it is not found, OpenVINO uses a stand-in that does nothing:
so it is not found.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_REPORTER = "openvino_telemetry"


def _import_silently() -> ModuleType:
    modules: dict[str, Any] = sys.modules  # None: this name cannot be imported
    absent = object()
    before = modules.get(_REPORTER, absent)
    modules[_REPORTER] = None
    try:
        return importlib.import_module("openvino")
    finally:
        if before is absent:
            del modules[_REPORTER]
        else:
            modules[_REPORTER] = before


openvino: Any = _import_silently()
opset: Any = importlib.import_module("openvino.opset14")
frontend: Any = importlib.import_module("openvino.frontend")
TorchScriptPythonDecoder: Any = importlib.import_module("openvino.frontend.pytorch.ts_decoder").TorchScriptPythonDecoder
