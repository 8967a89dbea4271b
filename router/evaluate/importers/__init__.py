"""Suites from other formats. Each importer says what it takes and names what it leaves, with file and line."""

from router.evaluate.importers.bfcl import import_bfcl
from router.evaluate.importers.detect import read_suite
from router.evaluate.importers.gsm8k import import_gsm8k
from router.evaluate.importers.history import import_comparison, import_conversation, import_replay
from router.evaluate.importers.human_eval import import_human_eval
from router.evaluate.importers.ifeval import import_ifeval
from router.evaluate.importers.imported import Imported, Left
from router.evaluate.importers.inspect_samples import import_inspect
from router.evaluate.importers.openai_evals import import_openai_evals
from router.evaluate.importers.promptfoo import import_promptfoo
from router.evaluate.importers.source import Source, read_as
from router.evaluate.importers.tables import import_table

__all__ = [
    "Imported",
    "Left",
    "Source",
    "import_bfcl",
    "import_comparison",
    "import_conversation",
    "import_gsm8k",
    "import_human_eval",
    "import_ifeval",
    "import_inspect",
    "import_openai_evals",
    "import_promptfoo",
    "import_replay",
    "import_table",
    "read_as",
    "read_suite",
]
