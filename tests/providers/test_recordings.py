"""A stream means the same in whatever pieces it arrives."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core.errors import ProviderError
from router.core.events import ProviderEvent
from tests.recordings import READERS, RECORDINGS, Recording, built, read
from tests.scripted import Body

each_recording = pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS)


async def events(recording: Recording, *cuts: int) -> list[ProviderEvent]:
    """The recording's events where it arrives in pieces cut at these places."""
    data = recording.data
    parts = [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]
    return await read(Body(*parts).response(), READERS[recording.protocol]())


@each_recording
async def test_a_stream_gives_its_answer(recording: Recording) -> None:
    assert built(await events(recording)).answer() == recording.answer


@each_recording
async def test_a_stream_gives_its_usage(recording: Recording) -> None:
    assert built(await events(recording)).usage == recording.usage


@each_recording
async def test_a_stream_may_be_cut_in_two_anywhere(recording: Recording) -> None:
    whole = await events(recording)
    assert [at for at in range(len(recording.data)) if await events(recording, at) != whole] == []


@each_recording
async def test_a_stream_may_come_byte_by_byte(recording: Recording) -> None:
    assert await events(recording, *range(len(recording.data))) == await events(recording)


@given(st.data())
@each_recording
async def test_a_stream_may_come_in_any_pieces(recording: Recording, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(recording.data)), max_size=20))
    assert await events(recording, *cuts) == await events(recording)


@given(st.data())
@each_recording
async def test_a_stream_with_any_bytes_in_it_is_no_accident(recording: Recording, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(recording.data)))
    end = start + data.draw(st.integers(0, 20))
    parts = (recording.data[:start], data.draw(st.binary(max_size=20)), recording.data[end:])
    try:
        found = await read(Body(*parts).response(), READERS[recording.protocol]())
    except ProviderError as error:
        assert str(error)
    else:
        assert built(found).answer()
