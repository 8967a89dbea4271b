"""Keys stay out of streamed answers, however a text is split; all other texts come through as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.keys import Keys
from router.core.events import (
    Finished,
    ImageDelta,
    Noted,
    ProviderEvent,
    ReasoningDelta,
    ReasoningDetail,
    Served,
    TextDelta,
    ToolCallDelta,
)
from router.core.messages import Usage
from router.server.scrubbing import Scrubbing

SECRETS = ("sk-aaaaaaab", "sk-aaaaaaabcdef", "abababababac")
"""One begins another, and one begins like its own end."""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    names = [f"KEY_{number}" for number in range(len(SECRETS))]
    environ = {"FALLBACK_LAB_KEYS": ",".join(names), **dict(zip(names, SECRETS, strict=True))}
    found = Keys(tmp_path_factory.mktemp("keys"), environ)
    for name in names:
        assert found.get("http://127.0.0.1:1/v1", name) is not None
    assert set(found.sent) == set(SECRETS)
    return found


def through(keys: Keys, events: Sequence[ProviderEvent]) -> list[ProviderEvent]:
    scrubbing = Scrubbing(keys)
    return [*(clean for event in events for clean in scrubbing.of([event])), *scrubbing.rest()]


def text_of(events: Sequence[ProviderEvent]) -> str:
    texts = [getattr(event, "text", "") or getattr(event, "arguments", "") for event in events]
    return "".join(texts)


pieces = st.lists(
    st.one_of(st.sampled_from([*SECRETS, "sk-", "ab", "a"]), st.text("abks-cdef ", max_size=5)), max_size=8
)
cuts = st.lists(st.integers(1, 6), min_size=1, max_size=20)


@given(pieces, cuts, st.sampled_from([TextDelta, ReasoningDelta, lambda text: ToolCallDelta(0, arguments=text)]))
def test_no_split_of_a_text_lets_a_key_through(
    keys: Keys, pieces: list[str], cuts: list[int], kind: type[TextDelta]
) -> None:
    text, at = "".join(pieces), 0
    events: list[ProviderEvent] = []
    while at < len(text):
        size = cuts[len(events) % len(cuts)]
        events.append(kind(text[at : at + size]))
        at += size
    said = text_of(through(keys, events))
    assert not [secret for secret in SECRETS if secret in said]
    if not [secret for secret in SECRETS if secret in text]:
        assert said == text


def thought(text: str) -> ReasoningDetail:
    return ReasoningDetail({"type": "reasoning.text", "index": 0, "text": text})


TEXTS: Mapping[str, Callable[[str], ProviderEvent]] = {
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "detail": thought,
    "first call": lambda text: ToolCallDelta(0, arguments=text),
    "second call": lambda text: ToolCallDelta(1, arguments=text),
}
BETWEEN = [Usage(prompt_tokens=1), Served("m"), Noted(("n",)), Finished("stop"), ImageDelta("https://images.example/")]


def added_up(events: Sequence[ProviderEvent]) -> dict[str, str]:
    """Each text as a client adds it up."""
    found = dict.fromkeys(TEXTS, "")
    for event in events:
        if isinstance(event, ToolCallDelta):
            found["second call" if event.index else "first call"] += event.arguments
        elif isinstance(event, ReasoningDetail):
            found["detail"] += event.detail["text"]
        elif isinstance(event, TextDelta | ReasoningDelta):
            found["text" if isinstance(event, TextDelta) else "reasoning"] += event.text
    return found


@given(st.lists(st.tuples(st.sampled_from([*TEXTS]), st.sampled_from(["sk-", "aaa", "aab", "ab", "cdef", "x", "k"])),
                max_size=40), st.lists(st.sampled_from(BETWEEN), max_size=40))  # fmt: skip
def test_no_key_comes_through_between_pieces_of_other_texts(
    keys: Keys, pieces: list[tuple[str, str]], between: list[ProviderEvent]
) -> None:
    events: list[ProviderEvent] = []
    for number, (name, piece) in enumerate(pieces):
        events += [TEXTS[name](piece), *between[number : number + 1]]
    said, given_ = added_up(through(keys, events)), added_up(events)
    for name in TEXTS:
        assert not [secret for secret in SECRETS if secret in said[name]]
        if not [secret for secret in SECRETS if secret in given_[name]]:
            assert said[name] == given_[name]


@pytest.mark.parametrize("other", [*TEXTS, "usage"])
@pytest.mark.parametrize("name", [*TEXTS])
def test_a_key_in_pieces_that_alternate_with_something_else_is_left_out(keys: Keys, name: str, other: str) -> None:
    secret, events = SECRETS[1], list[ProviderEvent]()
    for at in range(0, len(secret), 5):
        events += [TEXTS[name](secret[at : at + 5]), Usage(prompt_tokens=1) if other == "usage" else TEXTS[other](".")]
    if name != other:
        assert secret[:8] not in added_up(through(keys, events))[name]


@given(st.lists(st.text("abks-aaab", max_size=6), max_size=8))
def test_what_comes_between_two_texts_keeps_its_place(keys: Keys, texts: list[str]) -> None:
    events: list[ProviderEvent] = []
    for index, text in enumerate(texts):
        events += [TextDelta(text), ToolCallDelta(index, id=f"c{index}", name="f", arguments="{}")]
    found = through(keys, events)
    for index in range(len(texts)):
        at = next(n for n, event in enumerate(found) if isinstance(event, ToolCallDelta) and event.index == index)
        before = [event for event in found[:at] if isinstance(event, TextDelta)]
        joined = "".join(texts[: index + 1])
        if not [secret for secret in SECRETS if secret[:8] in joined]:
            assert text_of(before) == joined


def test_a_call_whose_end_was_held_repeats_nothing_of_its_head(keys: Keys) -> None:
    call = ToolCallDelta(0, id="c", name="f", arguments='{"a": "sk-', extra={"google": {"thought_signature": "x"}})
    assert through(keys, [call]) == [
        ToolCallDelta(0, id="c", name="f", arguments='{"a": "', extra={"google": {"thought_signature": "x"}}),
        ToolCallDelta(0, arguments="sk-"),
    ]


def test_a_refusal_stays_one_and_apart_from_a_text(keys: Keys) -> None:
    events = [TextDelta("sk-"), TextDelta("I sk-", refused=True)]
    assert through(keys, events) == [
        TextDelta("sk-"), TextDelta("I ", refused=True), TextDelta("sk-", refused=True),
    ]  # fmt: skip


def test_names_ids_and_addresses_are_scrubbed_too(keys: Keys) -> None:
    secret = SECRETS[0]
    call = ToolCallDelta(0, id=secret, name=secret, extra={"a": [secret]})
    image = ImageDelta(f"https://images.example/?key={secret}")
    assert secret not in repr(through(keys, [call, image]))


def test_without_a_key_that_was_sent_events_pass_as_they_are(tmp_path: Path) -> None:
    events = [TextDelta("sk-"), TextDelta("a")]
    assert Scrubbing(Keys(tmp_path, {})).of(events) is events
