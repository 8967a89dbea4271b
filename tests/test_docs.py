"""What the documents say of the tests is so."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
_NAMED = re.compile(r"`((?:\w+/)*test_\w+\.py)?(?:::(test_\w+))?`")


def test_every_test_that_the_security_page_names_exists() -> None:
    page = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
    missing = []
    file = ""
    for named, test in _NAMED.findall(page):
        file = named or file
        if test and f"def {test}(" not in (TESTS / file).read_text(encoding="utf-8"):
            missing.append(f"{file}::{test}")
    assert file, "the page names no test"
    assert not missing
