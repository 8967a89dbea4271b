"""A models.yaml while it is edited: its changes by name, its diff, and a merge with what others saved."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from router.config.source import parse_yaml
from router.config.splice import (
    name_value,
    remove_value,
    set_items,
    set_value,
    unname_value,
)
from router.core.errors import InvalidEdit
from router.core.messages import Frozen

CONTEXT = 2
"""Lines of context around a change in a diff."""

COMPARED = 250_000
"""The most pairs of lines compared; a larger change counts as one change of all its lines."""


class Draft(Frozen, frozen=True, kw_only=True):
    """A models.yaml as it was read, with its edited text.

    Attributes:
        before: the text that was read; saving is refused if the file has changed since.
        text: the edited text.
    """

    before: str
    text: str

    def diff(self) -> str:
        """The change as a unified diff without its header."""
        before, after = self.before.splitlines(), self.text.splitlines()
        groups: list[list[_Lines]] = []
        for change in _changes(before, after):
            if groups and change.first - groups[-1][-1].end <= 2 * CONTEXT:
                groups[-1].append(change)
            else:
                groups.append([change])
        found, grown = list[str](), 0
        for group in groups:
            at, end = max(group[0].first - CONTEXT, 0), min(group[-1].end + CONTEXT, len(before))
            grows = sum(len(change.lines) - (change.end - change.first) for change in group)
            found.append(f"@@ -{at + 1},{end - at} +{at + 1 + grown},{end - at + grows} @@")
            for change in group:
                found += [f" {line}" for line in before[at : change.first]]
                found += [f"-{line}" for line in before[change.first : change.end]]
                found += [f"+{line}" for line in change.lines]
                at = change.end
            found += [f" {line}" for line in before[at:end]]
            grown += grows
        return "\n".join(found)

    def onto(self, theirs: str) -> tuple[Draft, bool]:
        """The same change, applied to the text that others have saved meanwhile.

        Returns:
            The draft, and whether both changed the same lines; if so, the draft keeps its own whole text.
        """
        base, ours, others = (text.splitlines(keepends=True) for text in (self.before, self.text, theirs))
        changes = _changes(base, others)
        for change in _changes(base, ours):
            if any(change.meets(other) for other in changes if change != other):
                return Draft(before=theirs, text=self.text), True
            if change not in changes:
                changes.append(change)
        for change in sorted(changes, reverse=True):
            base[change.first : change.end] = change.lines
        return Draft(before=theirs, text="".join(base)), False

    def with_text(self, text: str) -> Draft:
        """The draft with a new text and the file's own line endings, which a browser's field does not keep."""
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n")
        return self._with(lines.replace("\n", "\r\n") if "\r\n" in self.before else lines)

    def with_models(self, category: str, models: Sequence[str]) -> Draft:
        """The chain with these models in this order; those that stay keep their settings, lines and comments.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        return self._with(set_items(self.text, self._links(category), models))

    def with_moved(self, category: str, model: str, by: int) -> Draft:
        """A model moved by some places, at most to the chain's beginning or end.

        Args:
            by: negative is towards the primary.

        Raises:
            InvalidEdit: the text cannot be changed in place, or the model is not in the chain.
        """
        models, number = self._found(category, model)
        models.insert(max(number + by, 0), models.pop(number))
        return self.with_models(category, models)

    def without(self, category: str, model: str) -> Draft:
        """The chain less one of its models.

        Raises:
            InvalidEdit: the text cannot be changed in place, or the model is not in the chain.
        """
        models, number = self._found(category, model)
        return self.with_models(category, models[:number] + models[number + 1 :])

    def with_added(self, category: str, model: str) -> Draft:
        """The chain with one more model at its end.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        return self.with_models(category, [*self._models(category), model])

    def with_link(self, category: str, model: str, own: Mapping[str, Any]) -> Draft:
        """Change what a chain sets for one of its models alone; a link that sets nothing is written as a string.

        Args:
            own: new values by key (`params`, `system`, `first_token`); an empty one removes its key.

        Raises:
            InvalidEdit: the text cannot be changed in place, or the model is not in the chain.
        """
        _, number = self._found(category, model)
        at: tuple[str | int, ...] = (*self._links(category), number)
        link = _value(self.text, at)
        text = name_value(self.text, at, "model") if isinstance(link, str) else self.text
        for key, value in own.items():
            if value:
                text = set_value(text, (*at, key), value)
            elif isinstance(link, Mapping) and key in link:
                text = remove_value(text, (*at, key))
        is_bare = _value(text, at).keys() == {"model"}
        return self._with(unname_value(text, at, "model") if is_bare else text)

    def with_policy(self, category: str, at: Sequence[str], value: Any) -> Draft:
        """A chain's own limit, by its path under `policy`; None restores the limit of all chains.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        own = ("chains", category, "policy")
        path = (*own, *at)
        if value is not None:
            return self._with(set_value(self._named(category), path, value))
        # The last limit removes its mapping too: an empty one has no effect.
        while len(path) > len(own) and list(_value(self.text, path[:-1])) == [path[-1]]:
            path = path[:-1]
        return self._with(remove_value(self.text, path))

    def with_limit(self, at: Sequence[str], value: Any) -> Draft:
        """A limit of all chains, by its path under `policy`.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        return self._with(set_value(self.text, ("policy", *at), value))

    def with_params(self, category: str, params: Mapping[str, Any]) -> Draft:
        """Replace all of a chain's parameters.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        at = ("chains", category, "params")
        if params:
            return self._with(set_value(self._named(category), at, dict(params)))
        chain = _value(self.text, at[:-1])
        has_some = isinstance(chain, Mapping) and "params" in chain
        return self._with(remove_value(self.text, at)) if has_some else self

    def as_experiment(self, name: str, category: str, settings: Mapping[str, Any]) -> Draft:
        """The edited chain as the candidate of an experiment; the file's own chain stays as it was read.

        Args:
            settings: what the experiment says besides its category and candidate.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        chain = _value(self.text, ("chains", category))
        experiment = {"category": category, "candidate": chain, **settings}
        return self._with(set_value(self.before, ("experiments", name), experiment))

    def with_shadow(self, category: str, settings: Mapping[str, Any]) -> Draft:
        """A category's shadow, in place of the one that it has.

        Raises:
            InvalidEdit: the text cannot be changed in place.
        """
        return self._with(set_value(self.text, ("shadow", category), dict(settings)))

    def with_stop(self, experiment: str, reason: str) -> Draft:
        """An experiment that gets no more requests, and why.

        Raises:
            InvalidEdit: the text cannot be changed in place, or there is no such experiment.
        """
        at = ("experiments", experiment)
        _value(self.text, at)
        text = set_value(self.text, (*at, "share"), 0)
        return self._with(set_value(text, (*at, "stopped"), reason))

    def _named(self, category: str) -> str:
        """The text with the chain as a mapping, even if it was a list."""
        chain = ("chains", category)
        if isinstance(_value(self.text, chain), Mapping):
            return self.text
        return name_value(self.text, chain, "models")

    def _links(self, category: str) -> tuple[str, ...]:
        """The path of a chain's list."""
        chain = ("chains", category)
        return (*chain, "models") if isinstance(_value(self.text, chain), Mapping) else chain

    def _models(self, category: str) -> list[str]:
        links = _value(self.text, self._links(category))
        return [str(link["model"] if isinstance(link, Mapping) else link).strip() for link in links]

    def _found(self, category: str, model: str) -> tuple[list[str], int]:
        """The chain's models, and where one of them is."""
        models = self._models(category)
        if model not in models:
            raise InvalidEdit(f"`{model}` is no longer in the chain `{category}`. Add it first.")
        return models, models.index(model)

    def _with(self, text: str) -> Draft:
        return msgspec.structs.replace(self, text=text)


class _Lines(NamedTuple):
    """Lines of a text, from `first` up to `end`, and their replacement."""

    first: int
    end: int
    lines: list[str]

    def meets(self, other: _Lines) -> bool:
        return self.first == other.first or (self.first < other.end and other.first < self.end)


def _changes(before: list[str], after: list[str]) -> list[_Lines]:
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) * len(new) > COMPARED:
        return [_Lines(head, head + len(old), new)]
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [_Lines(head + i, head + j, new[m:n]) for step, i, j, m, n in steps if step != "equal"]


def _common(one: list[str], other: list[str]) -> int:
    """The number of lines at the start that are the same."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _value(text: str, at: tuple[str | int, ...]) -> Any:
    value: Any = parse_yaml(text).data
    try:
        for key in at:
            value = value[key]
    except (LookupError, TypeError):
        raise InvalidEdit(f"`{'.'.join(map(str, at))}` is not in the file.") from None
    return value
