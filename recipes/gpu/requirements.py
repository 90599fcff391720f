"""Prints what a package needs, a requirement a line: requirements.py PYPROJECT EXTRA,EXTRA.

Extras that name the package itself are followed. What a CUDA machine does without is left out: OpenVINO runs networks
on CPUs, and its wheel is as large as all that can be carried to a machine without a network.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

LEFT_OUT = ("openvino",)


def requirements(project: dict[str, object], extras: list[str]) -> list[str]:
    """Of the table `[project]` and some of its extras, in order, each once."""
    needed = list(project["dependencies"])  # type: ignore[call-overload]
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:  # type: ignore[index]
            own = re.fullmatch(rf"{project['name']}\[(.+)\]", requirement)
            needed += requirements({**project, "dependencies": []}, own[1].split(",")) if own else [requirement]
    names = {requirement: re.split(r"[^\w.-]", requirement)[0] for requirement in needed}
    return [requirement for requirement, name in names.items() if name not in LEFT_OUT]


if __name__ == "__main__":
    file, wanted = sys.argv[1:]
    print("\n".join(requirements(tomllib.loads(Path(file).read_text(encoding="utf-8"))["project"], wanted.split(","))))
