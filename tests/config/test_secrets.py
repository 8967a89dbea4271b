"""The canary: a key that a server repeats wherever it can is found nowhere afterwards.

The upstream says the key that it got back in every place that it can fill. What is looked through then: all that the
command line prints, all log records, every file under `.lab`, and every error with what led to it.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from router.config.keys import Keys, Secret, scrubbed
from router.core.conversations import Settings
from router.core.errors import (
    DECISIONS,
    AllModelsFailed,
    AnswerTimeout,
    AnswerTooLarge,
    AuthenticationFailed,
    BadRequest,
    ConnectionFailed,
    ConnectionReset,
    ConnectTimeout,
    ContentFiltered,
    ContextLengthExceeded,
    EmbeddedUnavailable,
    FirstTokenTimeout,
    InvalidAnswer,
    InvalidJson,
    InvalidToolCall,
    KeyRefused,
    ModelNotFound,
    PaymentRequired,
    PermissionDenied,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    RequestTooLarge,
    ServerFailed,
    StreamCut,
    StreamStalled,
    StreamTooSlow,
    Unavailable,
)
from router.core.events import Noted, ProviderEvent
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from router.providers.reader import AnswerReader
from tests.command import Run
from tests.conftest import MakeLab
from tests.upstream import (
    DONE,
    SILENCE,
    Cut,
    Event,
    Exchange,
    Received,
    Step,
    Upstream,
    chain_yaml,
    reset_before_headers,
)

CANARY = "sk-canary-7f3a9c0e5b1d"
URL = "http://127.0.0.1:1/v1/chat/completions"
QUESTION = Request(messages=({"role": "user", "content": "Hello?"},))


# --- An upstream that repeats its key --------------------------------------------------------------

Say = Callable[[str], Any]
"""What is sent, made of the key."""


def key_of(exchange: Exchange | Received) -> str:
    headers = exchange.headers
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")


def refuse(http: int, message: str = "You sent {key}.", **error: Any) -> Step:
    """An error that repeats the key in its body, in its code and in its headers."""

    async def step(exchange: Exchange) -> None:
        key = key_of(exchange)
        said = {"message": message.format(key=key), "param": key, "user_id": key, "code": f"code-{key}", **error}
        named = {"x-generation-id": key, "request-id": key, "x-request-id": key, "Location": f"http://h/{key}"}
        exchange.reply(http, {"type": "error", "error": said, "request_id": key}, named)

    return step


def page(kind: str = "text/html") -> Step:
    async def step(exchange: Exchange) -> None:
        exchange.reply(200, f"<p>{key_of(exchange)}</p>".encode(), {"Content-Type": kind})

    return step


async def no_http(exchange: Exchange) -> None:
    """A header that is none: the transport quotes it in its error."""
    exchange.write(f"HTTP/1.1 200 OK\r\nno header {key_of(exchange)}\r\n\r\n".encode())
    exchange.drop(reset=False)


def upstream_attempts(key: str) -> Mapping[str, Any]:
    return {"openrouter_metadata": {"attempts": [{"provider": f"of-{key}", "model": key, "status": 200}]}}


def begun(exchange: Exchange) -> list[Event]:
    """A stream's first events, in the words of whichever protocol was asked in."""
    key = key_of(exchange)
    if "x-api-key" in exchange.headers:
        message = {"id": f"msg-{key}", "model": f"model-{key}", "usage": {"input_tokens": 5}}
        text = {"type": "text_delta", "text": f"Your key is {key}. "}
        thought = {"type": "thinking_delta", "thinking": f"Hm, {key}."}
        return [
            {"type": "message_start", "message": message},
            {"type": "content_block_delta", "index": 0, "delta": thought},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": key}},
            {"type": "content_block_delta", "index": 1, "delta": text},
        ]
    base = {"id": f"gen-{key}", "model": f"model-{key}", "provider": key, **upstream_attempts(key)}
    detail = {"type": "reasoning.text", "text": key, "index": 0, "signature": key, key: [{key: key}]}
    deltas = [{"reasoning": f"Hm, {key}.", "reasoning_details": [detail]}, {"content": f"Your key is {key}. "}]
    return [{**base, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]


def ended(exchange: Exchange, *, calls: bool = False, bad_calls: bool = False) -> list[Event]:
    key = key_of(exchange)
    arguments = f'{{"key": "{key}"' + ("" if bad_calls else "}")
    if "x-api-key" in exchange.headers:
        tool = {"type": "tool_use", "id": key, "name": f"tool-{key}", "input": {}}
        delta = {"type": "input_json_delta", "partial_json": arguments}
        events: list[Event] = [
            {"type": "content_block_start", "index": 2, "content_block": tool},
            {"type": "content_block_delta", "index": 2, "delta": delta},
        ]
        stop = {"type": "message_delta", "delta": {"stop_reason": f"stop-{key}"}, "usage": {"output_tokens": 5}}
        return [*(events if calls else []), stop, {"type": "message_stop"}]
    call = {"index": 0, "id": key, "function": {"name": f"tool-{key}", "arguments": arguments}}
    finish: Event = {"choices": [{"index": 0, "delta": {}, "finish_reason": f"stop-{key}"}], "usage": {}}
    return [*([{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}] if calls else []), finish, DONE]


def stream(*rest: Callable[[Exchange], Sequence[Event]] | Event, first: bool = True) -> Step:
    """A stream that begins with the key, and goes on with what is given."""

    async def step(exchange: Exchange) -> None:
        events = begun(exchange) if first else []
        for part in rest:
            events += part(exchange) if callable(part) else [part]
        await exchange.play(events)

    return step


def error_event(**error: Any) -> Callable[[Exchange], Sequence[Event]]:
    def events(exchange: Exchange) -> Sequence[Event]:
        key = key_of(exchange)
        return [{"type": "error", "error": {"message": f"{key} failed.", "type": key, "code": key, **error}}]

    return events


def whole() -> Step:
    """The same answer in one body."""

    async def step(exchange: Exchange) -> None:
        key = key_of(exchange)
        named = {"x-generation-id": key, "request-id": key}
        if "x-api-key" in exchange.headers:
            blocks = [
                {"type": "thinking", "thinking": key, "signature": key},
                {"type": "redacted_thinking", "data": key},
                {"type": "text", "text": f"Your key is {key}."},
                {"type": "tool_use", "id": key, "name": key, "input": {key: key}},
            ]
            body: Mapping[str, Any] = {"id": key, "model": key, "content": blocks, "stop_reason": key, "usage": {}}
        else:
            call = {"id": key, "function": {"name": key, "arguments": json.dumps({key: key})}}
            message = {"content": f"Your key is {key}.", "reasoning": key, "tool_calls": [call]}
            choice = {"message": message, "finish_reason": key}
            base = {"id": key, "model": key, "provider": key, **upstream_attempts(key)}
            body = {**base, "choices": [choice], "usage": {}}
        exchange.reply(200, body, named)

    return step


def waiting(exchange: Exchange) -> Sequence[Event]:
    return [f": {key_of(exchange)}", SILENCE]


def crawling(exchange: Exchange) -> Sequence[Event]:
    return [0.2, begun(exchange)[-1]] * 40


def large(exchange: Exchange) -> Sequence[Event]:
    return [f": {key_of(exchange)}" + "." * 20_000]


# --- What is looked through ------------------------------------------------------------------------


class Protocol(NamedTuple):
    settings: Mapping[str, Any]
    is_openrouter: bool = False


PROTOCOLS = {
    "openai": Protocol({"protocol": "openai"}),
    "openrouter": Protocol({"protocol": "openai"}, is_openrouter=True),
    "anthropic": Protocol({"protocol": "anthropic"}),
}

LIMITS: Mapping[str, Any] = {"retries": 0, "first_token": 0.3, "stall": 0.3}


def canary_yaml(upstream: Upstream, protocol: Protocol, params: Mapping[str, Any] = {}, **policy: Any) -> str:
    provider = {**protocol.settings, "api_key": "${CANARY_KEY}"}
    whole = json.loads(chain_yaml(upstream, "m", provider=provider, **{**LIMITS, **policy}))
    return json.dumps({**whole, "chains": {"chat": {"models": ["m"], "params": params}}})


class Mine(NamedTuple):
    """A folder, and the log records, that are looked through for the canary."""

    folder: Path
    protocol: Protocol
    caplog: pytest.LogCaptureFixture

    @contextlib.contextmanager
    def lab(self, upstream: Upstream, **policy: Any) -> Iterator[Lab]:
        path = self.folder / "models.yaml"
        path.write_text(canary_yaml(upstream, self.protocol, **policy), encoding="utf-8")
        with contextlib.closing(Lab(path, environ={"CANARY_KEY": CANARY, "FALLBACK_LAB_KEYS": "CANARY_KEY"})) as lab:
            yield lab

    def holding(self, *said: str) -> list[str]:
        """What holds the key: of what was said, the log, and all files."""
        return holding([*said, self.caplog.text, *of_files(self.folder / ".lab")])


@pytest.fixture(params=list(PROTOCOLS.values()), ids=list(PROTOCOLS))
def mine(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Mine:
    """All protocols; every log record counts."""
    protocol: Protocol = request.param
    if protocol.is_openrouter:
        monkeypatch.setattr("router.config.schema.ProviderConfig.is_openrouter", True)
    monkeypatch.setattr("router.store.writer.LINGER", 0)
    monkeypatch.setattr("router.providers.body.MAX_BODY_BYTES", 10_000)
    caplog.set_level(logging.DEBUG)
    return Mine(tmp_path, protocol, caplog)


def of_error(error: BaseException | None) -> Iterator[str]:
    """Everything that an error can be asked for, and the same of its causes."""
    if error is None:
        return
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield "".join(traceback.format_exception(error))
    yield from of_error(error.__cause__)
    yield from of_error(error.__context__)
    if isinstance(error, AllModelsFailed):
        yield from of_error(error.last_error)


def of_files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield f"{path.name}: {path.read_bytes().decode('latin-1')}"


def holding(places: Iterable[str]) -> list[str]:
    """What holds the key, shortened."""
    return [text[max(text.index(CANARY) - 100, 0) :][:200] for text in places if CANARY in text]


def ask(lab: Lab, *, streamed: bool = True) -> Iterator[str]:
    """Ask once, and once in a conversation; yields what came of it."""
    handle = lab.start(QUESTION, category="chat", options=Options(stream=streamed, cache="refresh"))
    try:
        completion = handle.result(timeout=20)
        yield repr(completion)
        yield msgspec.json.encode(completion).decode()
    except AllModelsFailed as error:
        yield from of_error(error)
        yield from (repr(attempt) for attempt in error.attempts)
    yield repr(handle.snapshot())
    turn = lab.chat.ask(lab.chat.new(), "Hello?", Settings(category="chat"))
    if (in_progress := lab.chat.handle(turn)) is not None:
        try:
            in_progress.result(timeout=20)
        except AllModelsFailed as error:
            yield from of_error(error)
    lab.read_lists(["local"])
    yield repr(lab.models("local"))
    assert lab.store.writer.flush()


def lists_the_key() -> Step:
    async def step(exchange: Exchange) -> None:
        key = key_of(exchange)
        known = {"supported_parameters": [key, "tools"], "pricing": {key: "1"}, "name": key}
        exchange.reply(200, {"data": [{"id": "m"}, {"id": f"m-{key}", **known}]})

    return step


# --- Every error -----------------------------------------------------------------------------------


class Trouble(NamedTuple):
    kind: type[ProviderError]
    step: Step
    settings: Mapping[str, Any] = {}


JSON = {"response_format": {"type": "json_object"}}

TROUBLE = {
    "a body that is no HTTP": Trouble(InvalidAnswer, no_http),
    "a reset": Trouble(ConnectionReset, reset_before_headers, {"retries": 0}),
    "silence": Trouble(FirstTokenTimeout, stream(waiting, first=False)),
    "a stall": Trouble(StreamStalled, stream(SILENCE)),
    "a crawl": Trouble(StreamTooSlow, stream(crawling), {"min_tokens_per_s": 1e6, "stall": 2, "first_token": 5}),
    "a cut": Trouble(StreamCut, stream(Cut())),
    "an endless answer": Trouble(AnswerTimeout, stream(SILENCE), {"max_answer": 0.2, "stall": 5}),
    "a large answer": Trouble(AnswerTooLarge, stream(large)),
    "500": Trouble(ServerFailed, refuse(500)),
    "a redirect": Trouble(BadRequest, refuse(302)),
    "an error in a stream": Trouble(StreamCut, stream(error_event())),
    "an error before a stream": Trouble(ServerFailed, stream(error_event(), first=False)),
    "told not to retry": Trouble(Unavailable, refuse(503, availability={"retryable": False})),
    "429": Trouble(RateLimited, refuse(429)),
    "a quota": Trouble(QuotaExhausted, refuse(429, code="insufficient_quota")),
    "401": Trouble(AuthenticationFailed, refuse(401, "Incorrect API key provided: {key}.")),
    "402": Trouble(PaymentRequired, refuse(402)),
    "403": Trouble(PermissionDenied, refuse(403)),
    "404": Trouble(ModelNotFound, refuse(404)),
    "400": Trouble(BadRequest, refuse(400)),
    "a context": Trouble(ContextLengthExceeded, refuse(400, code="context_length_exceeded")),
    "413": Trouble(RequestTooLarge, refuse(413)),
    "a content policy": Trouble(ContentFiltered, refuse(400, code="content_filter")),
    "a web page": Trouble(InvalidAnswer, page()),
    "a type of content": Trouble(InvalidAnswer, page(CANARY)),
    "an unknown tool": Trouble(
        InvalidToolCall, stream(lambda e: ended(e, calls=True)), {"on_invalid_tool_call": "next"}
    ),
    "no JSON": Trouble(InvalidJson, stream(ended), {"on_invalid_json": "next", "params": JSON}),
    "bad arguments of a tool": Trouble(InvalidAnswer, stream(lambda e: ended(e, calls=True, bad_calls=True))),
}

SAYS_NOTHING = {ConnectionFailed, ConnectTimeout, EmbeddedUnavailable, KeyRefused}
"""No server has said a word where these are raised."""


def test_every_error_that_a_server_can_cause_is_provoked() -> None:
    assert {trouble.kind for trouble in TROUBLE.values()} == set(DECISIONS) - SAYS_NOTHING


@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_no_error_repeats_a_key(upstream: Upstream, mine: Mine, trouble: Trouble) -> None:
    upstream.script("m", then=trouble.step)
    upstream.script_models(refuse(401))
    with mine.lab(upstream, **trouble.settings) as lab:
        said = list(ask(lab))
        assert {row["reason"] for row in lab.store.observations.last(9)} == {trouble.kind.kind}
        assert mine.holding(*said) == []
    assert mine.holding() == []


# --- Answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "streamed"),
    [
        pytest.param(stream(ended), True, id="streamed"),
        pytest.param(stream(lambda e: ended(e, calls=True)), True, id="with a call"),
        pytest.param(whole(), False, id="whole"),
        pytest.param(whole(), True, id="whole where a stream was asked for"),
    ],
)
def test_no_answer_repeats_a_key(upstream: Upstream, mine: Mine, step: Step, streamed: bool) -> None:
    upstream.script("m", then=step)
    upstream.script_models(lists_the_key())
    with mine.lab(upstream) as lab:
        said = list(ask(lab, streamed=streamed))
        assert any("Your key is ***." in text for text in said)
        assert mine.holding(*said) == []
    assert mine.holding() == []


def test_no_note_repeats_a_key(upstream: Upstream, mine: Mine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note may be in the server's own words."""
    real = AnswerReader.end

    def end(reader: AnswerReader) -> Iterator[ProviderEvent]:
        yield Noted((f"The server said {CANARY}.",))
        yield from real(reader)

    monkeypatch.setattr(AnswerReader, "end", end)
    upstream.script("m", then=stream(ended))
    with mine.lab(upstream) as lab:
        said = list(ask(lab))
        assert any("The server said ***." in text for text in said)
        assert mine.holding(*said) == []
    assert mine.holding() == []


# --- The command line, with keys from everywhere ---------------------------------------------------


def in_environment(folder: Path) -> Mapping[str, str]:
    return {"CANARY_KEY": CANARY}


def in_dotenv(folder: Path) -> Mapping[str, str]:
    (folder / ".env").write_text(f"CANARY_KEY={CANARY}\n", encoding="utf-8")
    return {}


def in_secrets(folder: Path) -> Mapping[str, str]:
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(f'CANARY_KEY = "{CANARY}"\n', encoding="utf-8")
    return {}


COMMANDS = (
    ("ask", "Hello?"),
    ("ask", "--json", "Hello?"),
    ("ask", "--no-cache", "Hello?"),
    ("check",),
    ("check", "--ping"),
    ("log",),
    ("log", "--json"),
)


@pytest.mark.parametrize("plant", [in_environment, in_dotenv, in_secrets])
@pytest.mark.parametrize("step", [refuse(401), stream(ended), page(CANARY)], ids=["refused", "answered", "a web page"])
def test_no_command_prints_a_key(
    upstream: Upstream, run: Run, mine: Mine, plant: Callable[[Path], Mapping[str, str]], step: Step
) -> None:
    (mine.folder / "models.yaml").write_text(canary_yaml(upstream, mine.protocol), encoding="utf-8")
    upstream.script("m", then=step)
    upstream.script_models(lists_the_key())
    env = plant(mine.folder)
    printed = [run(*command, env=env).output for command in COMMANDS]
    assert {key_of(call) for call in upstream.requests} == {CANARY}
    assert mine.holding(*printed) == []


def test_a_key_that_was_typed_is_not_repeated(upstream: Upstream, make_lab: MakeLab, tmp_path: Path) -> None:
    upstream.script("m", then=refuse(401))
    lab = make_lab(canary_yaml(upstream, PROTOCOLS["openai"]))
    lab.keys.hold("CANARY_KEY", CANARY)
    assert holding([*ask(lab), *of_files(tmp_path / ".lab")]) == []


def test_a_key_that_is_replaced_while_its_call_is_in_progress_is_not_repeated(
    upstream: Upstream, make_lab: MakeLab
) -> None:
    lab = make_lab(canary_yaml(upstream, PROTOCOLS["openai"]))
    lab.keys.hold("CANARY_KEY", CANARY)

    async def replaced(exchange: Exchange) -> None:
        lab.keys.hold("CANARY_KEY", "sk-another-0123456789")
        await refuse(401)(exchange)

    upstream.script("m", then=replaced)
    with pytest.raises(AllModelsFailed) as caught:
        lab.start(QUESTION, category="chat").result(timeout=20)
    assert "You sent ***." in str(caught.value) and holding(of_error(caught.value)) == []


# --- A key in the hand -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        lambda s: f"{s}",
        lambda s: f"{s!r}",
        "{}".format,
        "%s".__mod__,
        lambda s: str([s]),
        lambda s: str({"k": s}),
    ],
    ids=["str", "repr", "f-string", "f-string of repr", "format", "percent", "in a list", "in a dictionary"],
)
def test_a_secret_shows_as_stars(show: Callable[[Secret], str]) -> None:
    assert "***" in show(Secret(CANARY)) and CANARY not in show(Secret(CANARY))


@pytest.mark.parametrize(
    "take",
    [pickle.dumps, lambda s: pickle.dumps(s, 0), json.dumps, msgspec.json.encode, msgspec.to_builtins, copy.copy, vars],
    ids=["pickle", "pickle 0", "json", "msgspec", "builtins", "copy", "vars"],
)
def test_a_secret_is_not_to_be_taken_along(take: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        take(Secret(CANARY))
    assert CANARY not in str(caught.value)


# --- Scrubbing -------------------------------------------------------------------------------------


def test_a_key_that_was_given_out_is_scrubbed_after_it_is_gone(tmp_path: Path) -> None:
    environ = {"A": CANARY, "FALLBACK_LAB_KEYS": "A"}
    keys = Keys(tmp_path, environ)
    keys.get(URL, "A")
    environ.clear()
    assert (keys.scrub(CANARY), keys.scrub_sent(CANARY)) == ("***", "***")


def test_of_every_answer_only_keys_that_were_given_out_are_scrubbed(tmp_path: Path) -> None:
    """The others cannot be in it, and looking for them takes longer."""
    keys = Keys(tmp_path, {"A_KEY": CANARY, "B_KEY": "sk-other-0123456789", "FALLBACK_LAB_KEYS": "A_KEY"})
    keys.get(URL, "A_KEY")
    assert keys.scrub_sent(f"{CANARY} sk-other-0123456789") == "*** sk-other-0123456789"


def test_a_key_that_begins_with_another_that_was_given_out_is_scrubbed_whole(tmp_path: Path) -> None:
    keys = Keys(tmp_path, {"A": CANARY, "B": f"{CANARY}-and-more", "FALLBACK_LAB_KEYS": "A,B"})
    keys.get(URL, "A")
    keys.get(URL, "B")
    assert keys.scrub_sent(f"{CANARY}-and-more") == "***"


def test_all_texts_in_data_are_scrubbed() -> None:
    data = {"key": ["key", {"a": "a key", "b key": None, "c": 5}], "d": {"e": [["key"]]}}
    clean = {"***": ["***", {"a": "a ***", "b ***": None, "c": 5}], "d": {"e": [["***"]]}}
    assert scrubbed(data, dict, lambda text: text.replace("key", "***")) == clean
