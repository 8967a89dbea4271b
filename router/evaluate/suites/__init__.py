"""Suites as files: reading, checking and writing them."""

from router.evaluate.suites.loading import load_suite, parse_suite
from router.evaluate.suites.schema import suite_schema
from router.evaluate.suites.writing import save_suite, suite_text

__all__ = ["load_suite", "parse_suite", "save_suite", "suite_schema", "suite_text"]
