"""Reads models.yaml's text, so that every value keeps its line number and is safe for JSON and pages."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from router.core.errors import ConfigError
from router.core.strict_yaml import Expected, Lines, parse, too_large

MAX_BYTES = 250_000
"""Largest file, as UTF-8 without a byte order mark; the parser takes up to ten seconds per megabyte."""

MAX_NODES = 25_000
"""The most values after expanding aliases."""

_EXPECTED = Expected(
    max_bytes=MAX_BYTES,
    max_values=MAX_NODES,
    refused=re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"),
    if_empty="Add your chains to it; see docs/models-yaml.md.",
    if_too_large="Keep only providers, policy, models and chains in it.",
    if_no_mapping="the file must be a mapping with the key `chains`, not a list or a single value.",
)


class Document(NamedTuple):
    """A mapping read from a YAML text; `node` has the position of every value."""

    data: dict[str, Any]
    lines: Lines
    node: yaml.MappingNode


def parse_yaml(text: str, path: Path = Path("models.yaml")) -> Document:
    """Read a mapping from a YAML text; `path` is what errors call it.

    Raises:
        ConfigError: not YAML, or not a mapping.
    """
    data, lines, node = parse(text, path, _EXPECTED)
    assert isinstance(node, yaml.MappingNode)  # noqa: S101  # nothing else is expected
    return Document(data, lines, node)


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark.

    Raises:
        ConfigError: the file is missing, unreadable or too large.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES + len(codecs.BOM_UTF8):
            raise too_large(path, size, _EXPECTED)
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist. Run this in the folder with models.yaml, or set its path with --config or"
            " FALLBACK_LAB_CONFIG."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
