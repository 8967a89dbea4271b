"""What an export is, and what several formats have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from router.config.chains import Chain
from router.config.values import shortened

Loss: TypeAlias = tuple[Chain, str]
"""A chain, and one sentence on what of it cannot be expressed."""


class Lost(NamedTuple):
    """Something that cannot be expressed in a format.

    Attributes:
        chains: the names of those that it is about.
        about: the same for people; empty where it is about all.
    """

    sentence: str
    chains: tuple[str, ...]
    about: str

    def __str__(self) -> str:
        return f"{self.about}: {self.sentence}" if self.about else self.sentence


class Exported(NamedTuple):
    """Chains in a gateway's own format.

    Attributes:
        text: the file.
        lost: what of the chains it does not say.
        language: of its text, as editors name it.
    """

    text: str
    lost: tuple[Lost, ...]
    file_name: str
    language: Literal["yaml", "json", "typescript", "python"]


def merged(losses: Iterable[Loss], chains: Iterable[Chain]) -> tuple[Lost, ...]:
    """Each sentence once, with the chains that it is about."""
    names: dict[str, dict[str, None]] = {}
    for chain, sentence in losses:
        names.setdefault(sentence, {})[str(chain.name)] = None
    count = len(list(chains))
    return tuple(
        Lost(sentence, tuple(about), "" if len(about) == count else ", ".join(map(shortened, about)))
        for sentence, about in names.items()
    )


def comments(mark: str, title: str, lost: Iterable[Lost]) -> str:
    """A title and what is lost, a comment a line."""
    lines = [title, *(["What cannot be expressed here:"] if lost else []), *(f"- {each}" for each in lost)]
    return "".join(f"{mark} {line}\n" for line in lines)
