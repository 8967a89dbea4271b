"""promptfoo's prompts: templates of a text, or of chat messages in JSON or YAML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from router.config.values import shortened
from router.core.errors import ConfigError
from router.core.messages import Message
from router.core.strict_yaml import parse
from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.json_text import decode
from router.evaluate.importers.promptfoo.files import is_path, named_files
from router.evaluate.importers.promptfoo.templates import Vars, render
from router.evaluate.importers.reading import asked
from router.evaluate.importers.source import Source
from router.evaluate.suites.loading import EXPECTED

_ELSEWHERE = ("langfuse://", "portkey://", "helicone://", "package:")
_SEPARATOR = "\n---\n"
_ITEM = EXPECTED._replace(a_list=True)


class Prompt(NamedTuple):
    """A template.

    Attributes:
        names: what tests may call it.
        content: a text, or chat messages.
    """

    names: tuple[str, ...]
    content: Any

    def filled(self, given: Vars, prefix: str = "", suffix: str = "") -> tuple[Message, ...]:
        """What is asked with these variables.

        Raises:
            NotTaken: a variable has no value, or the template does more than name variables.
        """
        if not isinstance(self.content, str):
            if prefix or suffix:
                raise NotTaken("It puts a `prefix` or `suffix` around chat messages.", "Write them into the messages.")
            return asked(render(self.content, given))
        text = render(f"{prefix}{self.content}{suffix}", given)
        return asked(_chat(text))


def _chat(text: str) -> Any:
    """The chat messages that a text is, in JSON or YAML; any other text as it is."""
    begun = text.lstrip()
    if begun.startswith("- role:"):
        try:
            return parse(text, Path("prompt"), _ITEM).data
        except ConfigError as error:
            raise NotTaken(f"Its chat messages cannot be read: {error}", "Write them as JSON.") from None
    try:
        found = decode(text) if begun.startswith("[") else None
    except ValueError:
        return text
    return found if isinstance(found, list) and found and all(map(_is_message, found)) else text


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and "role" in item


def prompts_of(source: Source, given: Any) -> Iterator[Prompt]:
    """The prompts that one entry of a configuration stands for.

    Raises:
        NotTaken: it runs code, or cannot be read.
    """
    if isinstance(given, dict):
        content = given.get("raw", given.get("id"))
        label = [str(given[key]) for key in ("label", "id") if isinstance(given.get(key), str)]
        if not isinstance(content, str) or given.get("function") is not None:
            raise NotTaken("A prompt has no text in `raw` or `id`.", "Write its text there.")
        yield from (prompt._replace(names=(*label, *prompt.names)) for prompt in prompts_of(source, content))
    elif not isinstance(given, str):
        raise NotTaken("A prompt is not text.", "Write it as text.")
    elif given.startswith("exec:"):
        raise NotTaken(f"The prompt `{shortened(given)}` runs code, which is not done here.", "Write what it makes.")
    elif given.startswith(_ELSEWHERE):
        raise NotTaken(f"The prompt `{shortened(given)}` is kept elsewhere.", "Write its text there.")
    elif is_path(given):
        for file in named_files(source, given):
            yield from _of_file(file, given)
    else:
        yield Prompt((given,), _template(given))


def _of_file(file: Source, name: str) -> Iterator[Prompt]:
    texts = file.text.split(_SEPARATOR) if file.ending == ".txt" else [file.text]
    if file.ending == ".jsonl":
        texts = [line for line in file.text.split("\n") if line.strip()]
    if file.ending in (".csv", ".tsv"):
        raise NotTaken(f"The prompts in `{shortened(name)}` are a table.", "Write them as text.")
    for text in filter(str.strip, texts):
        yield Prompt((name, name.removeprefix("file://")), _template(text.strip()))


def _template(text: str) -> Any:
    """Chat messages, if the template itself is JSON: then variables cannot spoil it. Any other text as it is."""
    try:
        found = decode(text) if text.lstrip().startswith("[") else None
    except ValueError:
        return text
    return found if isinstance(found, list) and found and all(map(_is_message, found)) else text


def names(prompt: Prompt, wanted: Any) -> bool:
    """Whether a test that names prompts means this one; one that names none means all."""
    if not isinstance(wanted, list):
        return True
    return any(name == each or (str(each).endswith("*") and name.startswith(str(each)[:-1]))
               for name in prompt.names for each in wanted)  # fmt: skip
