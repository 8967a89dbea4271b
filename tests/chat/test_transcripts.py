"""A conversation's path through its branches, its messages, and the file that it becomes and comes from."""

from __future__ import annotations

import base64
import codecs
import contextlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.chat.attachments import read_attachment
from router.chat.transcripts import (
    FORMAT,
    MAX_IMPORT_BYTES,
    MAX_TURNS,
    export_json,
    export_markdown,
    import_file,
    messages_of,
    path,
)
from router.core.attempts import Attempt
from router.core.conversations import Settings, ToolResult, Turn
from router.core.errors import InvalidRequest
from router.core.messages import Answer, ToolCall, Usage
from router.core.tools import Tool

CALLS = (ToolCall(id="1", name="clock", arguments=""), ToolCall(id="2", name="calculator", arguments='{"a": 1}'))
RESULTS = (ToolResult(call="1", content="noon"), ToolResult(call="2", content="2"))
DETAILS = ({"type": "reasoning.text", "text": "Hm", "signature": "s"},)
ATTEMPT = Attempt(
    model="p:m", provider="p", place=0, number=1, outcome="answered", started=1, offset=0, latency=2, cost=0.5,
    usage=Usage(prompt_tokens=3),
)  # fmt: skip
FILES = {read_attachment(name, data).id: data for name, data in (("a.txt", b"abc"), ("b.pdf", b"%PDF-1"))}
TEXT, PDF = read_attachment("a.txt", b"abc"), read_attachment("b.pdf", b"%PDF-1")
SETTINGS = Settings(
    category="chat", system="Be brief.", temperature=0.5, max_tokens=9, tools=(Tool(name="a", reply="mock", mock="m"),),
    schema={"type": "object"}, params={"top_p": 0.5},
)  # fmt: skip

_created = itertools.count()


def turn(id_: str, parent: str | None = None, text: str = "", **fields: Any) -> Turn:
    fields = {"prompt": f"prompt {id_}", "settings": Settings(), "state": "answered", **fields}
    return Turn(
        id=id_,
        conversation="c",
        parent=parent,
        **{"created": float(next(_created)), "answer": Answer(text=text), **fields},
    )


def by_id(*turns: Turn) -> dict[str, Turn]:
    return {each.id: each for each in turns}


def sent(*turns: Turn, system: str = "") -> list[Any]:
    """The messages as they go on the wire."""
    return msgspec.json.decode(msgspec.json.encode(list(messages_of(turns, system, FILES.__getitem__))))


def roles(*turns: Turn) -> list[str]:
    return [message["role"] for message in sent(*turns)]


# --- The path through the branches -----------------------------------------------------------------

#   a ── b ── d
#    ╲    ╲── e ── g
#     ╲── c ── f
#   h
TREE = by_id(
    turn("a"), turn("b", "a"), turn("c", "a"), turn("d", "b"), turn("e", "b"), turn("f", "c"), turn("g", "e"), turn("h")
)


@pytest.mark.parametrize(
    ("through", "found"),
    [
        (None, "h"), ("nobody", "h"), ("h", "h"), ("a", "acf"), ("b", "abeg"), ("c", "acf"), ("d", "abd"),
        ("e", "abeg"), ("f", "acf"), ("g", "abeg"),
    ],
)  # fmt: skip
def test_a_path_goes_through_a_turn_and_on_along_the_newest(through: str | None, found: str) -> None:
    assert "".join(each.id for each in path(TREE, through)) == found


def test_of_two_turns_made_at_once_the_later_saved_is_the_newest() -> None:
    assert [each.id for each in path(by_id(turn("a", created=1.0), turn("b", created=1.0)))] == ["b"]


def test_the_order_in_which_turns_are_held_does_not_change_the_path() -> None:
    shuffled = dict(reversed(TREE.items()))
    assert path(shuffled, "b") == path(TREE, "b")


def test_a_turn_whose_parent_is_lost_is_on_no_path() -> None:
    assert [each.id for each in path(by_id(turn("a"), turn("b", "lost")), "b")] == ["a"]


# --- The messages of a request ---------------------------------------------------------------------


def test_the_system_prompt_goes_first() -> None:
    assert sent(turn("a"), system="Be brief.")[0] == {"role": "system", "content": "Be brief."}


def test_a_blank_system_prompt_is_not_sent() -> None:
    assert [message["role"] for message in sent(turn("a"), system=" \n")] == ["user"]


def test_what_the_last_turn_answered_is_not_sent() -> None:
    assert roles(turn("a", text="one"), turn("b", "a", text="two")) == ["user", "assistant", "user"]


def test_files_go_before_the_prompt_in_their_order() -> None:
    [message] = sent(turn("a", attachments=(PDF, TEXT)))
    assert [part["type"] for part in message["content"]] == ["file", "text", "text"]
    assert message["content"][1:] == [
        {"type": "text", "text": "a.txt:\n\nabc"},
        {"type": "text", "text": "prompt a"},
    ]


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_files_go_alone_where_there_is_no_prompt(prompt: str) -> None:
    [message] = sent(turn("a", attachments=(TEXT,), prompt=prompt))
    assert message["content"] == [{"type": "text", "text": "a.txt:\n\nabc"}]


def test_files_of_earlier_turns_go_out_again() -> None:
    first, *_ = sent(turn("a", attachments=(TEXT,), text="one"), turn("b", "a"))
    assert len(first["content"]) == 2


def test_calls_and_their_results_go_out_in_order() -> None:
    calling = turn("a", answer=Answer(text="Wait.", tool_calls=CALLS))
    assert sent(calling, turn("b", "a", prompt="", results=RESULTS))[1:] == [
        {
            "role": "assistant",
            "content": "Wait.",
            "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
                {"id": "2", "type": "function", "function": {"name": "calculator", "arguments": '{"a": 1}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "1", "content": "noon"},
        {"role": "tool", "tool_call_id": "2", "content": "2"},
    ]


def test_a_call_without_text_goes_out_without_text() -> None:
    messages = sent(turn("a", answer=Answer(tool_calls=CALLS)), turn("b", "a", prompt="", results=RESULTS))
    assert messages[1]["content"] is None


def test_calls_that_nobody_answered_are_left_out() -> None:
    messages = sent(turn("a", answer=Answer(text="Wait.", tool_calls=CALLS)), turn("b", "a"))
    assert messages[1] == {"role": "assistant", "content": "Wait."}


def test_an_answer_of_unanswered_calls_alone_is_left_out() -> None:
    assert roles(turn("a", answer=Answer(tool_calls=CALLS)), turn("b", "a")) == ["user", "user"]


def test_reasoning_goes_back_as_its_provider_wants_it() -> None:
    messages = sent(turn("a", answer=Answer(text="one", reasoning="Hm", reasoning_details=DETAILS)), turn("b", "a"))
    assert messages[1] == {"role": "assistant", "content": "one", "reasoning_details": list(DETAILS)}


@pytest.mark.parametrize("state", ["cut", "failed", "running"])
def test_of_an_answer_that_is_not_whole_only_the_text_goes_out(state: str) -> None:
    broken = Answer(text="on", reasoning="H", reasoning_details=DETAILS, tool_calls=CALLS)
    assert sent(turn("a", answer=broken, state=state), turn("b", "a"))[1] == {"role": "assistant", "content": "on"}


@pytest.mark.parametrize("state", ["cut", "failed", "answered"])
def test_an_answer_without_text_is_left_out(state: str) -> None:
    assert roles(turn("a", state=state), turn("b", "a")) == ["user", "user"]


def test_an_answer_that_stands_without_a_prompt_goes_out_alone() -> None:
    assert roles(turn("a", prompt="", text="Welcome!"), turn("b", "a")) == ["assistant", "user"]


# --- Export and import -----------------------------------------------------------------------------


FULL = (
    turn("a", text="one", attachments=(TEXT, PDF), settings=SETTINGS, attempts=(ATTEMPT,)),
    turn("b", "a", answer=Answer(text="t", reasoning="r", reasoning_details=DETAILS, tool_calls=CALLS)),
    turn("c", "b", "four", prompt="", results=RESULTS),
    turn("d", "b", "cu", state="cut"),
    turn("e", "b", state="failed", error="All models failed.", attachments=(TEXT,)),
    turn("f", None, "another beginning </script> \u202e\0 𝄞"),
)


def round_trip(turns: Sequence[Turn], title: str = "Title") -> tuple[str, list[Turn], dict[str, bytes]]:
    return import_file(export_json(title, turns, FILES.__getitem__), "new")


def shape(turns: Sequence[Turn]) -> dict[str, tuple[Any, ...]]:
    """The turns less their ids, by their moments; a parent is told by its own."""
    at = {each.id: each.created for each in turns}
    bare = {"id": "", "parent": None, "conversation": ""}
    return {
        str(each.created): (each.parent and at[each.parent], msgspec.structs.replace(each, **bare)) for each in turns
    }


def test_an_export_comes_back_with_all_branches_and_files() -> None:
    title, turns, files = round_trip(FULL)
    assert (title, shape(turns), files) == ("Title", shape(FULL), FILES)


def test_imported_turns_have_new_ids_and_their_conversation_s() -> None:
    _, turns, _ = round_trip(FULL)
    assert {each.conversation for each in turns} == {"new"}
    assert not {each.id for each in turns} & {each.id for each in FULL}


def test_two_imports_of_one_file_share_no_turn() -> None:
    assert not {each.id for each in round_trip(FULL)[1]} & {each.id for each in round_trip(FULL)[1]}


def test_turns_stored_in_any_order_come_back() -> None:
    assert shape(round_trip(FULL[::-1])[1]) == shape(FULL)


def test_an_answer_that_was_in_progress_comes_back_as_cut() -> None:
    assert round_trip([turn("a", text="on", state="running")])[1][0].state == "cut"


def test_a_file_that_is_attached_twice_is_exported_once() -> None:
    assert export_json("", FULL, FILES.__getitem__).count(base64.b64encode(b"abc")) == 1


def test_a_file_is_what_its_bytes_say_and_not_what_the_export_says() -> None:
    liar = msgspec.structs.replace(PDF, media_type="text/plain", size=10**9, name="a\nb")
    [imported] = round_trip([turn("a", attachments=(liar,))])[1]
    assert imported.attachments == (msgspec.structs.replace(PDF, name="a_b"),)


def test_a_long_conversation_comes_back() -> None:
    long = [turn("0"), *(turn(str(number), str(number - 1)) for number in range(1, 3000))]
    assert len(round_trip(long)[1]) == 3000


# --- Messages from elsewhere -----------------------------------------------------------------------


def imported(given: Any) -> list[tuple[str, str, str]]:
    title, turns, files = import_file(json.dumps(given).encode(), "new")
    assert (title, files) == ("", {})
    assert path(by_id(*turns)) == turns  # one branch
    return [(each.prompt, each.answer.text, each.state) for each in turns]


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([], []),
        ([said("user", "a")], [("a", "", "cut")]),
        ([said("user", "a"), said("assistant", "b")], [("a", "b", "answered")]),
        ([said("user", "a"), said("user", "b")], [("a", "", "cut"), ("b", "", "cut")]),
        ([said("user", " "), said("user", "b")], [("b", "", "cut")]),
        ([said("assistant", "a"), said("user", "b")], [("", "a", "answered"), ("b", "", "cut")]),
        (
            [said("user", "a"), said("assistant", "b"), said("user", "c"), said("assistant", "d")],
            [("a", "b", "answered"), ("c", "d", "answered")],
        ),
        (
            [said("user", "a"), said("assistant", None), said("tool", "x"), said("assistant", "b")],
            [("a", "b", "answered")],
        ),
        ([said("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], [("a\n\nb", "", "cut")]),
        ([said("user", [{"type": "text", "text": None}, 7, {"type": "image_url"}, {"text": 7}])], []),
        ([said("user", {"text": "a"}), said("user", 7), said("user", None), {"role": "user"}], []),
        ([{}, {"role": None}, {"role": ["user"], "content": "a"}, said("oracle", "a")], []),
    ],
)  # fmt: skip
def test_chat_completions_messages_become_turns(messages: list[Any], turns: list[Any]) -> None:
    assert imported(messages) == turns


def test_the_body_of_a_request_is_taken_for_its_messages() -> None:
    assert imported({"model": "m", "messages": [said("user", "a")]}) == [("a", "", "cut")]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_is_the_turns_system_prompt(role: str) -> None:
    _, [turn_], _ = import_file(json.dumps([said(role, "Be brief."), said("user", "a")]).encode(), "new")
    assert turn_.settings.system == "Be brief."


# --- Files that are damaged, or something else -----------------------------------------------------

NO_CONVERSATION = "The file is not a conversation. Import a Fallback Lab export, or JSON with a `messages` list."
NO_JSON = "The file is not a conversation. Import one that was exported as JSON or Markdown."
ASTRAY = "The export is damaged: its turns are not connected."
UNUSABLE = "The export is damaged: its parameters cannot be used."
LOST = "The export is damaged: the file a.txt is missing or has changed."


def export(*turns: Turn, **changes: Any) -> bytes:
    given = {"format": FORMAT, "title": "T", "turns": turns, "files": {}, **changes}
    return msgspec.json.encode({name: value for name, value in given.items() if value is not ...})


WITH_TEXT = turn("a", attachments=(TEXT,))
HUGE = b'{"format": "%s", "title": "", "turns": [{"created": 1%s}]}' % (FORMAT.encode(), b"0" * 400)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", NO_JSON),
        (b"\0", NO_JSON),
        (b"\xff\xfe{\0}\0", NO_JSON),
        (b'{"format"', NO_JSON),
        (b"[" * 1_000_000, NO_JSON),
        (b"1" * 100_000, NO_JSON),
        (b"\x89PNG\r\n\x1a\n", NO_JSON),
        (b"# Title\n\n## Prompt", NO_JSON),
        (b"null", NO_CONVERSATION),
        (b"7", NO_CONVERSATION),
        (b'"text"', NO_CONVERSATION),
        (b"{}", NO_CONVERSATION),
        (b"[1]", NO_CONVERSATION),
        (b'[{}, "a"]', NO_CONVERSATION),
        (b'{"messages": {}}', NO_CONVERSATION),
        (b'{"messages": ["a"]}', NO_CONVERSATION),
        (export(format="fallback-lab conversation 2"), NO_CONVERSATION),
        (export(format=["a"]), NO_CONVERSATION),
        (export(turns=...), "The export is damaged: Object missing required field `turns`."),
        (export(title=None), "The export is damaged: Expected `str`, got `null` - at `$.title`."),
        (export(turns=[{}]), "The export is damaged: Object missing required field `id` - at `$.turns[0]`."),
        (export(files=[]), "The export is damaged: Expected `object`, got `array` - at `$.files`."),
        (export(turn("a", state="lost")), "The export is damaged: Invalid enum value 'lost' - at `$.turns[0].state`."),
        (export(files={"a": "ä"}), "The export is damaged: "),
        (export(files={"a": "a"}), "The export is damaged: "),
        (export(files={"a": "a!=="}), "The export is damaged: "),
        (HUGE, "The export is damaged: "),
        (export(turn("a", "a")), ASTRAY),
        (export(turn("a", "nobody")), ASTRAY),
        (export(turn("a"), turn("a")), ASTRAY),
        (export(turn("a"), turn("b", "a"), turn("b", "a")), ASTRAY),
        (export(turn("a"), turn("b", "c"), turn("c", "b")), ASTRAY),
        (export(*[turn("a"), *[turn("a", "a")] * 50]), ASTRAY),
        (export(turn("a", settings=Settings(temperature=5))), UNUSABLE),
        (export(turn("a", settings=Settings(max_tokens=-3))), UNUSABLE),
        (export(turn("a", settings=Settings(max_tokens=10**18))), "The export is damaged: `max_tokens` is 10000"),
        (export(turn("a", settings=Settings(max_tokens=10**8))), UNUSABLE),
        (export(turn("a", created=1e300)), "The export is damaged: `created` is 1e+300."),
        (
            export(turn("a", attempts=(msgspec.structs.replace(ATTEMPT, latency=1e12),))),
            "The export is damaged: `latency` is 1000000000000.0.",
        ),
        (
            export(turn("a", attempts=(msgspec.structs.replace(ATTEMPT, usage=Usage(prompt_tokens=2**60)),))),
            "The export is damaged: `prompt_tok",
        ),
        (
            export(turn("a", settings=Settings(schema={"a": "x" * 200_000}))),
            "The schema of a turn: 200 kB; the limit is",
        ),
        (b"x" * (MAX_IMPORT_BYTES + 1), "The file is 50 MB; the limit is 50 MB. Import a part of it."),
        (
            msgspec.json.encode([said("user", "a"), said("assistant", "b")] * (MAX_TURNS + 1)),
            "The conversation has 10,001 turns; the limit is 10,000. Import a part of it.",
        ),
        (export(turn("a", settings=Settings(tools=(Tool(name="unknown", reply="built-in"),)))), UNUSABLE),
        (export(WITH_TEXT), LOST),
        (export(WITH_TEXT, files={TEXT.id: base64.b64encode(b"abd").decode()}), LOST),
        (export(WITH_TEXT, files={TEXT.id: ""}), "a.txt is empty."),
    ],
    ids=lambda value: repr(value[:60]),
)
def test_a_damaged_or_foreign_file_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        import_file(data, "new")
    said = str(caught.value)
    assert said.startswith(sentence)
    assert said.endswith(".")
    assert "\n" not in said


def import_or_refuse(data: bytes) -> None:
    """What is imported can be sent, exported and read again."""
    with contextlib.suppress(InvalidRequest):
        title, turns, files = import_file(data, "new")
        for each in turns:
            list(messages_of(path(by_id(*turns), each.id), each.settings.system, files.__getitem__))
        assert msgspec.json.decode(msgspec.json.encode(turns), type=list[Turn]) == turns
        assert len(import_file(export_json(title, turns, files.__getitem__), "newer")[1]) == len(turns)
        export_markdown(title, turns)


NAMES = st.sampled_from(
    [*Turn.__struct_fields__, *Settings.__struct_fields__, *Answer.__struct_fields__, "format", "title", "turns",
     "files", "messages", "role", "content", "text", "user", "assistant", "system", "answered", "running", FORMAT]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | NAMES
)
JSON = st.recursive(LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(NAMES | st.text(), v, max_size=6))


@given(JSON)
def test_any_json_is_imported_or_refused(value: Any) -> None:
    import_or_refuse(json.dumps(value).encode())


@given(st.binary())
def test_any_bytes_are_imported_or_refused(data: bytes) -> None:
    import_or_refuse(data)


@given(
    st.lists(st.dictionaries(st.sampled_from(["role", "content"]), JSON))
    | st.lists(
        st.builds(
            lambda role, content: {"role": role, "content": content},
            st.sampled_from(["user", "assistant", "system"]),
            JSON,
        )
    )
)
def test_any_messages_are_imported_or_refused(messages: list[Mapping[str, Any]]) -> None:
    import_or_refuse(json.dumps({"messages": messages}).encode())


WHOLE: Any = msgspec.json.decode(export_json("T", FULL, FILES.__getitem__))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """An export with one value in it replaced."""
    whole = json.loads(json.dumps(WHOLE))
    holder: Any = whole
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw(st.sampled_from(keys))
        if isinstance(holder[key], dict | list) and holder[key] and draw(st.integers(0, 3)):
            holder = holder[key]
            continue
        holder[key] = draw(JSON)
        return whole


@given(spoilt())
def test_any_damaged_export_is_imported_or_refused(value: Any) -> None:
    import_or_refuse(json.dumps(value).encode())


@given(st.data())
def test_an_export_that_breaks_off_is_refused(data: st.DataObject) -> None:
    whole = export_json("T", FULL, FILES.__getitem__)
    with pytest.raises(InvalidRequest):
        import_file(whole[: data.draw(st.integers(0, len(whole.rstrip()) - 1))], "new")


# --- Markdown --------------------------------------------------------------------------------------


def test_a_branch_becomes_markdown() -> None:
    calling = turn("a", answer=Answer(text="Wait.", tool_calls=CALLS[1:]), attachments=(TEXT,), attempts=(ATTEMPT,))
    failed = turn("b", "a", prompt="", results=RESULTS[1:], state="failed", error="All models failed.")
    assert export_markdown("Title", [calling, failed]) == (
        "# Title\n\n"
        "<!-- prompt -->\n## Prompt\n\nprompt a\n\n*Attached: a.txt*\n\n"
        '<!-- answer -->\n## p:m, 2.00 s, $0.50\n\nWait.\n\n*Calls `calculator`:* `{"a": 1}`\n\n'
        "<!-- prompt -->\n## Prompt\n\n\n\n*Result of `2`:* 2\n\n"
        "<!-- answer -->\n## No answer\n\n\n\n*All models failed.*\n"
    )


def test_an_answer_s_images_are_kept_in_json_and_said_in_markdown() -> None:
    drawn = turn("a", answer=Answer(images=("data:image/png;base64," + "A" * 4000,)))
    _, [kept], _ = import_file(export_json("", [drawn], FILES.__getitem__), "new")
    assert kept.answer == drawn.answer
    assert export_markdown("", [drawn]).endswith("*Image: image/png, 3.0 kB*\n")


@pytest.mark.parametrize(("liked", "said"), [(True, ", liked"), (False, ", not liked"), (None, "")])
def test_an_export_says_whether_the_answer_was_liked(liked: bool | None, said: str) -> None:
    rated = turn("a", attempts=(ATTEMPT,), liked=liked)
    _, [kept], _ = import_file(export_json("", [rated], FILES.__getitem__), "new")
    assert kept.liked is liked
    assert f"## p:m, 2.00 s, $0.50{said}\n" in export_markdown("", [rated])


@pytest.mark.parametrize(
    ("state", "byline"),
    [("cut", "Answer, incomplete"), ("failed", "No answer"), ("running", "Answer"), ("answered", "Answer")],
)
def test_an_answer_that_nobody_signs_says_what_it_is(state: str, byline: str) -> None:
    assert f"## {byline}\n" in export_markdown("", [turn("a", text="one", state=state)])


def test_a_byte_order_mark_hides_nothing() -> None:
    _, [turn_], _ = import_file(codecs.BOM_UTF8 + json.dumps([said("user", "a")]).encode(), "new")
    assert turn_.prompt == "a"


def test_the_texts_of_a_markdown_export_are_read_again() -> None:
    exported = export_markdown("A title", [turn("a", text="one"), turn("b", "a", text="# two\n\n## Prompt\n\nno")])
    title, turns, files = import_file(exported.replace("\n", "\r\n").encode(), "new")
    assert (title, files) == ("A title", {})
    assert [(each.prompt, each.answer.text) for each in turns] == [
        ("prompt a", "one"),
        ("prompt b", "# two\n\n## Prompt\n\nno"),
    ]


def test_why_an_answer_ended_stands_apart_from_it() -> None:
    assert "one\n\n*It broke.*\n" in export_markdown("", [turn("a", text="one", state="failed", error="It broke.")])
