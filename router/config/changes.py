"""What changed between two models.yaml, in a few words: the reason that the Chains page proposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from router.config.chains import Chain, Link
from router.config.schema import Config, Experiment

Named = TypeVar("Named")


def in_words(before: Config, after: Config) -> str:
    """The change, as in `tools: aurora-alpha below kimi-k2.5`; empty where only comments and layout differ."""
    return "; ".join([*_chains(before, after), *_experiments(before, after), *_elsewhere(before, after)])


def _chains(before: Config, after: Config) -> Iterator[str]:
    limits = before.policy == after.policy
    return _each("chain", before.chains, after.chains, lambda name, old, new: _changed(name, old, new, limits=limits))


def _experiments(before: Config, after: Config) -> Iterator[str]:
    limits = before.policy == after.policy

    def changed(name: str, old: Experiment, new: Experiment) -> str:
        if old.model_dump(exclude={"chain"}) != new.model_dump(exclude={"chain"}):
            return f"experiment {name}"
        return _changed(f"experiment {name}", old.chain, new.chain, limits=limits)

    return _each("experiment", before.experiments, after.experiments, changed)


def _each(
    noun: str, before: Mapping[str, Named], after: Mapping[str, Named], changed: Callable[[str, Named, Named], str]
) -> Iterator[str]:
    """What changed in each of several that have names; `changed` is empty for what stays."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None:
            yield f"new {noun} {name}"
        elif new is None:
            yield f"{noun} {name} removed"
        elif told := changed(name, old, new):
            yield told


def _changed(name: str, old: Chain, new: Chain, *, limits: bool) -> str:
    changes = ", ".join(_chain(old, new, limits=limits))
    return f"{name}: {changes}" if changes else ""


def _elsewhere(before: Config, after: Config) -> Iterator[str]:
    words = {
        "policy": "limits of all chains",
        "providers": "providers",
        "default_provider": "default provider",
        "offline": "offline model",
        "models": "what is known of models",
        "alerts": "alerts",
        "shadow": "shadows",
        "server": "the endpoint",
        "otel": "where spans go",
    }
    return (text for name, text in words.items() if getattr(before, name) != getattr(after, name))


def _chain(old: Chain, new: Chain, *, limits: bool) -> Iterator[str]:
    """What changed in a chain.

    Args:
        limits: whether those of all chains stay, so that only its own can make a difference.
    """
    was, now = ({link.ref.text: link for link in chain.links} for chain in (old, new))
    yield from (f"without {_short(link)}" for name, link in was.items() if name not in now)
    yield from (f"with {_short(link)}" for name, link in now.items() if name not in was)
    yield from _order([link for name, link in was.items() if name in now], [now[name] for name in now if name in was])
    yield from (
        f"settings of {_short(link)}" for name, link in now.items() if name in was and _own(link) != _own(was[name])
    )
    if old.params != new.params:
        yield "parameters"
    if limits and old.policy != new.policy:
        yield "limits"


def _order(was: list[Link], now: list[Link]) -> Iterator[str]:
    """How the models that stay stand in another order: by the one that moved, or all of them."""
    old, new = ([link.ref.text for link in links] for links in (was, now))
    if old == new:
        return
    for link in was:
        name = link.ref.text
        if [other for other in old if other != name] == [other for other in new if other != name]:
            at = new.index(name)
            is_below = at > old.index(name)
            yield f"{_short(link)} {'below' if is_below else 'above'} {_short(now[at - 1 if is_below else at + 1])}"
            return
    yield f"in the order {', '.join(map(_short, now))}"


def _own(link: Link) -> tuple[object, ...]:
    return link.params, link.system, link.first_token


def _short(link: Link) -> str:
    return link.ref.model.rpartition("/")[2] or link.ref.text
