"""Logs that people already have, taken into the store: pure parsers, a format a file, and what stores them."""

from router.imports.importing import FORMATS, Report, detect, import_log

__all__ = ["FORMATS", "Report", "detect", "import_log"]
