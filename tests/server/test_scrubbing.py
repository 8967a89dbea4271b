"""Keys stay out of streamed answers, however a text is split; all other texts come through as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.keys import Keys
from router.core.events import ImageDelta, ProviderEvent, ReasoningDelta, TextDelta, ToolCallDelta
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
        if not [secret for secret in SECRETS if secret in joined]:
            assert text_of(before) == joined


def test_a_call_whose_end_was_held_repeats_nothing_of_its_head(keys: Keys) -> None:
    call = ToolCallDelta(0, id="c", name="f", arguments='{"a": "sk-', extra={"google": {"thought_signature": "x"}})
    assert through(keys, [call]) == [
        ToolCallDelta(0, id="c", name="f", arguments='{"a": "', extra={"google": {"thought_signature": "x"}}),
        ToolCallDelta(0, arguments="sk-"),
    ]


def test_names_ids_and_addresses_are_scrubbed_too(keys: Keys) -> None:
    secret = SECRETS[0]
    call = ToolCallDelta(0, id=secret, name=secret, extra={"a": [secret]})
    image = ImageDelta(f"https://images.example/?key={secret}")
    assert secret not in repr(through(keys, [call, image]))


def test_without_a_key_that_was_sent_events_pass_as_they_are(tmp_path: Path) -> None:
    events = [TextDelta("sk-"), TextDelta("a")]
    assert Scrubbing(Keys(tmp_path, {})).of(events) is events
