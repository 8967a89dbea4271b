"""promptfoo's configurations and tests, also those that OpenAI's hosted evals export."""

from router.evaluate.importers.promptfoo.importing import import_promptfoo

__all__ = ["import_promptfoo"]
