"""Suites by name: those of this project, those of this Lab, and files in any format that is known."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec

from router.core.errors import ConfigError, InvalidRequest
from router.core.suites import Case, Check, Suite
from router.evaluate.graders import GRADERS, problem
from router.evaluate.importers import Imported, read_suite

BUNDLED = Path(str(resources.files("router.evaluate"))) / "bundled"


def names(folder: Path) -> dict[str, Path]:
    """All suites that have a name; the Lab's own come first.

    Args:
        folder: of the Lab's suites.
    """
    own = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return own | {path.stem: path for path in sorted(BUNDLED.glob("*.yaml")) if path.stem not in own}


def find(name: str, folder: Path) -> Imported:
    """A suite by its name or its file.

    Raises:
        ConfigError: there is none, or it cannot be read.
        InvalidRequest: a check of it cannot be used.
    """
    path = Path(name)
    if not path.exists():
        known = names(folder)
        if name not in known:
            raise ConfigError(f"There is no suite {name}: neither a file, nor one of {', '.join(known)}.")
        path = known[name]
    return read_suite(path, GRADERS, _read)


def _read(check: Check, case: Case) -> None:
    if (wrong := problem(check, case)) is not None:
        raise InvalidRequest(wrong)


def joined(suites: Sequence[Suite]) -> Suite:
    """Several suites as one, whose cases are told apart by the suites' names."""
    if len(suites) == 1:
        return suites[0]
    cases = [msgspec.structs.replace(case, id=f"{suite.name}/{case.id}") for suite in suites for case in suite.cases]
    return Suite(name="+".join(suite.name for suite in suites), cases=tuple(cases))
