"""Who is let in, and how much of it: keys, this machine, web pages, rates, budgets, sizes and times."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from router.config.keys import Keys
from router.config.server import Caller, ServerConfig
from router.core.attempts import Attempt
from router.core.records import Observation, Origin, RequestSummary
from router.server.callers import DAY, FRESH, Allowances, authenticated, check_is_program
from router.server.dialects.base import Refusal
from router.server.http import ClientLeft, body_of
from router.server.tags import MOST, MOST_VALUES, OTHER, Tags
from router.store import Store
from tests.server.conftest import Serve
from tests.server.serving import Served, data_of
from tests.server.test_endpoint import rows
from tests.upstream import USAGE, Exchange, Upstream, answer, chain_yaml, status

KEY, OTHER_KEY = "lab-key-of-team-a", "lab-key-of-team-b"
KEYS = {"keys": {"team-a": "${LAB_KEY_TEAM_A}", "team-b": "${LAB_KEY_TEAM_B}"}}
ENVIRON = {"LAB_KEY_TEAM_A": KEY, "LAB_KEY_TEAM_B": OTHER_KEY}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(serve: Serve, upstream: Upstream) -> Served:
    return serve(chain_yaml(upstream, "primary"), ENVIRON, server=KEYS)


# --- Keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [bearer(KEY), {"authorization": f"bearer  {KEY}"}, {"x-api-key": KEY}])
def test_a_caller_with_a_key_is_answered_and_stored_by_name(guarded: Served, headers: dict[str, str]) -> None:
    assert guarded.ask(headers=headers).status_code == 200
    assert rows(guarded)[0]["caller"] == "team-a"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"authorization": "Bearer"}, "missing_api_key"),
        ({"authorization": f"Basic {KEY}"}, "missing_api_key"),
        (bearer(KEY[:-1]), "invalid_api_key"),
        (bearer(KEY + "x"), "invalid_api_key"),
        ({"x-api-key": KEY.upper()}, "invalid_api_key"),
        (bearer("LAB_KEY_TEAM_A"), "invalid_api_key"),
    ],
)
def test_without_a_right_key_nobody_is_let_in(
    guarded: Served, upstream: Upstream, headers: dict[str, str], code: str
) -> None:
    response = guarded.ask(headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, code)
    assert response.headers["www-authenticate"] == "Bearer"
    assert KEY not in response.text
    for path in ("/v1/models", "/metrics"):
        assert guarded.get(path, headers).status_code == 401
    assert guarded.get("/healthz").status_code == 200
    assert upstream.requests == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_the_refusal_of_one_without_a_key_has_an_id(guarded: Served, path: str) -> None:
    assert len(guarded.post(path, {}).headers["x-request-id"]) == 32


def test_every_key_is_compared_whatever_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    server, keys = ServerConfig.model_validate(KEYS), Keys(tmp_path, ENVIRON)
    assert authenticated(Headers({"x-api-key": KEY}), server, keys, is_local=False) == "team-a"
    assert len(compared) == 2
    assert {len(side) for pair in compared for side in pair} == {32}


@pytest.mark.parametrize("key", ["schlüssel-für-alle", "密钥密钥密钥密钥"])
def test_a_key_beyond_ascii_is_the_bytes_that_the_client_sends(tmp_path: Path, key: str) -> None:
    server = ServerConfig.model_validate({"keys": {"team-a": "${LAB_KEY_TEAM_A}"}})
    keys = Keys(tmp_path, {"LAB_KEY_TEAM_A": key})
    sent = Headers(raw=[(b"authorization", b"Bearer " + key.encode())])
    assert authenticated(sent, server, keys, is_local=False) == "team-a"


def test_a_key_of_bytes_that_are_no_text_locks_nobody_else_out(tmp_path: Path) -> None:
    keys = Keys(tmp_path, {**ENVIRON, "LAB_KEY_TEAM_B": "\udcff-no-utf-8"})
    assert authenticated(Headers(bearer(KEY)), ServerConfig.model_validate(KEYS), keys, is_local=False) == "team-a"


def test_a_variable_that_is_not_set_lets_nobody_in(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"), {}, server=KEYS)
    for headers in ({}, {"x-api-key": ""}, bearer("None")):
        assert served.ask(headers=headers).status_code == 401


def test_a_key_is_rotated_by_editing_dotenv(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"), {}, server=KEYS)
    for key in ("first-key-of-team-a", "a-second-key-of-team-a"):
        (served.path.parent / ".env").write_text(f"LAB_KEY_TEAM_A={key}\n", encoding="utf-8")
        assert served.ask(headers=bearer(key)).status_code == 200
    assert served.ask(headers=bearer("first-key-of-team-a")).status_code == 401


def test_keys_put_into_models_yaml_hold_at_once(serve: Serve, upstream: Upstream) -> None:
    text = chain_yaml(upstream, "primary")
    served = serve(text, ENVIRON)
    assert served.ask().status_code == 200
    served.path.write_text(json.dumps({**json.loads(text), "server": KEYS}), encoding="utf-8")
    assert served.ask().status_code == 401


# --- This machine alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8502", "[::1]:8502", "[::ffff:127.0.0.1]"])
def test_without_keys_this_machine_is_let_in_under_its_own_names(tmp_path: Path, host: str) -> None:
    assert authenticated(Headers({"host": host}), ServerConfig(), Keys(tmp_path, {}), is_local=True) is None


@pytest.mark.parametrize(
    ("headers", "is_local"),
    [
        ({"host": "localhost"}, False),
        ({}, True),
        ({"host": "rebound.example"}, True),
        ({"host": "localhost.example:8502"}, True),
        ({"host": "192.168.1.7"}, True),
        ({"host": "[::1"}, True),
        ({"host": "localhost", "x-forwarded-for": "127.0.0.1"}, True),
        ({"host": "localhost", "forwarded": "for=127.0.0.1"}, True),
        ({"host": "localhost", "x-real-ip": "127.0.0.1"}, True),
    ],
)
def test_without_keys_nobody_else_is(tmp_path: Path, headers: dict[str, str], is_local: bool) -> None:
    with pytest.raises(Refusal, match="names keys for callers") as refused:
        authenticated(Headers(headers), ServerConfig(), Keys(tmp_path, {}), is_local=is_local)
    assert refused.value.status == 403


def test_a_proxy_on_this_machine_is_not_this_machine(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    for address in ("203.0.113.9", "127.0.0.1"):
        assert served.ask(headers={"x-forwarded-for": address}).status_code == 403
    assert served.ask(headers={"host": "rebound.example"}).status_code == 403
    assert upstream.requests == []


# --- Web pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://page.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8501"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_a_web_page_is_refused_also_with_a_key(guarded: Served, upstream: Upstream, headers: dict[str, str]) -> None:
    response = guarded.ask(headers={**bearer(KEY), **headers})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "no_cors")
    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert upstream.requests == []


def test_an_address_typed_into_a_browser_is_no_page() -> None:
    check_is_program(Headers({"sec-fetch-site": "none"}))


def test_a_preflight_is_not_granted(guarded: Served) -> None:
    asks = {"origin": "https://page.example", "access-control-request-method": "POST"}
    with guarded.client as client:
        response = client.options("/v1/chat/completions", headers=asks)
    assert response.status_code in (403, 405)
    assert not [name for name in response.headers if name.startswith("access-control-")]


# --- Requests per minute ---------------------------------------------------------------------------


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "lab.sqlite")
    yield found
    found.close()


NOON = 20_000 * DAY + DAY / 2


def caller(**limits: Any) -> Caller:
    return Caller.model_validate({"key": "${LAB_KEY_TEAM_A}", **limits})


async def test_the_rate_is_of_any_sixty_seconds(store: Store) -> None:
    clock = Clock(NOON)
    allowances, limited = Allowances(store, clock), caller(requests_per_minute=2)
    for second in (0, 30):
        clock.now = NOON + second
        await allowances.admit("team-a", limited)
    clock.now = NOON + 59
    with pytest.raises(Refusal, match="team-a may send 2 requests a minute") as refused:
        await allowances.admit("team-a", limited)
    assert (refused.value.status, refused.value.retry_after) == (429, 1)
    await allowances.admit("team-b", limited)
    clock.now = NOON + 60
    await allowances.admit("team-a", limited)


def test_past_the_rate_the_answer_says_when_to_come_again(serve: Serve, upstream: Upstream) -> None:
    keys = {"keys": {"team-a": {"key": "${LAB_KEY_TEAM_A}", "requests_per_minute": 1}}}
    served = serve(chain_yaml(upstream, "primary"), ENVIRON, server=keys)
    first, second = (served.ask(headers=bearer(KEY)) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(second.headers["retry-after"]) <= 61


# --- Dollars per day -------------------------------------------------------------------------------


def summary(cost: float | None, started: float) -> RequestSummary:
    return RequestSummary(
        request_id=f"r{started}-{cost}",
        started=started,
        category="chat",
        chain="c",
        source="endpoint",
        outcome="answered",
        path=(),
        model="primary",
        place=0,
        latency=1,
        ttft=None,
        cost=cost,
        cached=False,
        shared=False,
        injected=False,
        stand_in=False,
        keyless=False,
        origin=Origin(caller="team-a"),
    )


def call(cost: float | None, started: float) -> Observation:
    attempt = Attempt(
        model="primary", provider="mock", place=0, number=1, outcome="answered", started=started, offset=0, cost=cost
    )  # fmt: skip
    return Observation(
        request_id=f"r{started}-{cost}",
        prompt_hash="h",
        category="chat",
        chain="c",
        source="endpoint",
        sample=0,
        attempt=attempt,
        origin=Origin(caller="team-a"),
    )


async def test_a_budget_begins_again_at_midnight(store: Store) -> None:
    clock = Clock(NOON)
    allowances, limited = Allowances(store, clock), caller(dollars_per_day=1)
    await allowances.admit("team-a", limited)
    allowances.observe(call(1.25, NOON))
    with pytest.raises(Refusal, match=r"team-a has spent \$1\.25 of \$1") as refused:
        await allowances.admit("team-a", limited)
    assert (refused.value.status, refused.value.retry_after) == (429, DAY / 2)
    clock.now = NOON + DAY / 2
    await allowances.admit("team-a", limited)


@pytest.mark.parametrize("unpriced", ["allow", "refuse"])
async def test_unknown_costs_are_allowed_or_refused(store: Store, unpriced: str) -> None:
    allowances, limited = Allowances(store, Clock(NOON)), caller(dollars_per_day=1, unpriced=unpriced)
    await allowances.admit("team-a", limited)
    allowances.conclude(summary(None, NOON))
    if unpriced == "allow":
        await allowances.admit("team-a", limited)
    else:
        with pytest.raises(Refusal, match="have an unknown cost"):
            await allowances.admit("team-a", limited)


async def test_what_another_process_spent_counts_within_seconds(tmp_path: Path, store: Store) -> None:
    other = Store(tmp_path / "lab.sqlite")
    clock = Clock(NOON)
    allowances, limited = Allowances(store, clock), caller(dollars_per_day=1)
    await allowances.admit("team-a", limited)
    other.observations.add(call(2.0, NOON))
    other.observations.add(call(2.0, NOON - DAY))  # yesterday's is yesterday's
    other.close()  # all is written
    clock.now += FRESH
    with pytest.raises(Refusal, match=r"\$2\.00 of"):
        await allowances.admit("team-a", limited)


def test_real_costs_exhaust_a_budget_and_cached_answers_cost_nothing(serve: Serve, upstream: Upstream) -> None:
    keys = {"keys": {"team-a": {"key": "${LAB_KEY_TEAM_A}", "dollars_per_day": 0.0008}}}
    served = serve(chain_yaml(upstream, "primary"), ENVIRON, server=keys)
    cached = {**bearer(KEY), "x-fallback-lab-cache": "use"}
    assert [served.ask(headers=cached).status_code for _ in range(4)] == [200] * 4
    assert [served.ask(headers=bearer(KEY)).status_code for _ in range(2)] == [200, 429]
    refused = served.ask(headers=bearer(KEY))
    assert refused.json()["error"]["code"] == "budget_exceeded"
    assert int(refused.headers["retry-after"]) <= DAY + 1
    assert len(upstream.requests) == 2


def test_what_is_known_of_a_request_counts_where_a_part_is_unknown(serve: Serve, upstream: Upstream) -> None:
    """A model that broke off may have billed; the fallback's answer has cost what it says all the same."""
    keys = {"keys": {"team-a": {"key": "${LAB_KEY_TEAM_A}", "dollars_per_day": 0.0008}}}
    served = serve(chain_yaml(upstream, "primary", "fallback", retries=0), ENVIRON, server=keys)
    upstream.script("primary", *[status(500)] * 5)
    assert [served.ask(headers=bearer(KEY)).status_code for _ in range(3)] == [200, 200, 429]
    measures = served.get("/metrics", headers=bearer(KEY)).text
    assert f'cost_dollars_total{{caller="team-a",category="chat",source="endpoint"}} {2 * USAGE["cost"]:g}' in measures


# --- Requests in flight ----------------------------------------------------------------------------


def test_past_the_requests_in_flight_the_next_waits(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"), server={"max_in_flight": 1})
    upstream.script("primary", answer(tokens=1_000, token_delay=0.05))
    body = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    with served.client as client, client.stream("POST", "/v1/chat/completions", json=body) as going:
        pieces = going.iter_text()  # dropped, it would end the request
        next(pieces)
        refused = served.ask()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["error"]["code"] == "too_many_requests"
    upstream.wait_closed("primary")
    assert served.ask().status_code == 200


# --- Bodies and headers ----------------------------------------------------------------------------


def exchange(served: Served, data: bytes) -> bytes:
    """What comes back for bytes, until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def test_a_body_over_the_limit_is_refused_in_every_framing(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"), server={"max_body": "2kB"})
    large = BODY + b" " * 2_000
    assert served.post("/v1/chat/completions", large).status_code == 413
    with served.client as client:
        chunked = client.post("/v1/chat/completions", content=iter([large[:1_000], large[1_000:]]))
    assert (chunked.status_code, chunked.json()["error"]["code"]) == (413, "too_large")
    declared = exchange(served, HEAD + b"Content-Length: 999999999999\r\n\r\n")
    assert declared.startswith(b"HTTP/1.1 413 ")
    assert upstream.requests == []


def test_a_chunked_body_is_read(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    with served.client as client:
        headers = {"content-type": "application/json"}
        response = client.post("/v1/chat/completions", content=iter([BODY[:7], BODY[7:]]), headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("length", [b"-1", b"+5", b"0x10", b"5, 6", b"", b"\xb2"])
def test_an_odd_length_is_refused(serve: Serve, upstream: Upstream, length: bytes) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    assert exchange(served, HEAD + b"Content-Length: " + length + b"\r\n\r\n" + BODY).startswith(b"HTTP/1.1 400 ")
    assert upstream.requests == []


def test_a_body_may_be_larger_than_a_head(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    assert served.ask(text="a" * 1_000_000).status_code == 200


def test_headers_over_the_limit_are_refused(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    assert served.ask(headers={"x-long": "a" * 10_000}).status_code == 200
    assert b" 400 " in exchange(served, HEAD + b"X-Long: " + b"a" * 66_000)[:20]


def test_trailers_over_the_limit_are_refused(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        assert b" 100 " in connection.recv(65_536)  # it has read the first piece
        connection.sendall(b"0\r\nX-Long: " + b"a" * 66_000)
        assert b" 400 " in connection.recv(65_536)


async def test_a_body_that_does_not_come_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.server.http.BODY_WITHIN", 0.02)

    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(Refusal) as refused:
        await body_of(Headers({}), never, 100)
    assert refused.value.status == 408


async def test_a_caller_who_leaves_in_the_middle_of_a_body_is_let_go() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    with pytest.raises(ClientLeft):
        await body_of(Headers({}), receive, 100)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "APPLICATION/JSON"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-encoding": "gzip"}, 415),
        ({"x-fallback-lab-cache": "never"}, 400),
    ],
)
def test_the_kind_of_a_body_is_looked_at(
    serve: Serve, upstream: Upstream, headers: dict[str, str], expected: int
) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    assert served.post("/v1/chat/completions", BODY, headers).status_code == expected


def test_long_names_do_not_make_headers_that_clients_refuse(serve: Serve, upstream: Upstream) -> None:
    served = serve(chain_yaml(upstream, "primary"))
    tags = {f"name{number}": "" for number in range(5_000)}
    for response in (served.ask(metadata=tags), served.ask("local:" + "m" * 100_000)):
        assert response.status_code == 200
        assert sum(len(name) + len(value) for name, value in response.headers.items()) < 4_000


# --- Tags ------------------------------------------------------------------------------------------


def test_so_many_tags_are_kept_and_the_rest_is_named() -> None:
    tagged = Tags().read({f"t{number}": "x" for number in range(MOST + 2)})
    assert tagged.tags == tuple(f"t{number}=x" for number in range(MOST))
    assert [note[:12] for note in tagged.notes] == ["The tag `t8`", "The tag `t9`"]


@pytest.mark.parametrize(
    "tag", [("", "x"), ("a" * 33, "x"), ("a=b", "x"), ("a\n", "x"), ("a", ""), ("a", "x" * 65), ("a", "\x00")]
)
def test_a_tag_that_is_no_label_is_left_out_with_a_note(tag: tuple[str, str]) -> None:
    tagged = Tags().read(dict([tag]))
    assert (tagged.tags, len(tagged.notes)) == ((), 1)


def test_values_that_are_ids_become_other() -> None:
    tags = Tags()
    kept = [tags.read({"user": str(number)}).tags[0] for number in range(MOST_VALUES + 1)]
    assert kept[-1] == f"user={OTHER}"
    assert tags.read({"user": "0"}).tags == ("user=0",)


# --- Keys stay out of everything --------------------------------------------------------------------

CANARY = "canary-key-0123456789"


def echoing(http: int = 200) -> Any:
    """A provider that repeats the header with its key in whatever it says."""

    async def step(exchange: Exchange) -> None:
        said = f"You sent {exchange.headers['authorization']}, thanks."
        if http != 200:
            await status(http, said)(exchange)
            return
        call = {"id": said, "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": said})}}
        rest: dict[str, Any] = {"reasoning": said, "model": said, "tool_calls": [call], "finish_reason": "tool_calls"}
        pieces = [said[at : at + 3] for at in range(0, len(said), 3)]
        await answer("", **rest, edit=lambda events: _with_pieces(events, pieces))(exchange)

    return step


def _with_pieces(events: list[Any], pieces: list[str]) -> list[Any]:
    base = events[0]
    texts = [{**base, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return [events[0], *texts, *events[1:]]


def echoed(chunks: list[Any]) -> Mapping[str, str]:
    """What a stream says, its pieces put together."""
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if isinstance(chunk, dict) and chunk.get("choices")]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    return {
        "text": "".join(delta.get("content") or "" for delta in deltas),
        "reasoning": "".join(delta.get("reasoning_content") or "" for delta in deltas),
        "arguments": "".join(call["function"].get("arguments", "") for call in calls),
        "rest": json.dumps(chunks),
    }


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("http", [200, 400, 503])
def test_a_key_that_a_provider_repeats_reaches_nothing(
    serve: Serve, upstream: Upstream, caplog: pytest.LogCaptureFixture, stream: bool, http: int
) -> None:
    caplog.set_level(logging.DEBUG)
    text = chain_yaml(upstream, "primary", provider={"api_key": "${CANARY_KEY}"}, retries=0)
    environ = {**ENVIRON, "CANARY_KEY": CANARY, "FALLBACK_LAB_KEYS": "CANARY_KEY"}
    served = serve(text, environ, server=KEYS)
    upstream.script("primary", then=echoing(http))
    response = served.ask(stream=stream, headers={**bearer(KEY), "x-fallback-lab-trace": "true"})
    assert upstream.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    said = echoed(data_of(response.text)) if stream and http == 200 else {"body": response.text}
    if stream and http == 200:
        for name in ("text", "reasoning", "arguments"):
            assert "You sent Bearer ***, thanks." in said[name]
    everything = [*said.values(), str(response.headers), caplog.text, json.dumps(rows(served, "observations"))]
    everything += [json.dumps(rows(served)), served.get("/metrics", bearer(KEY)).text]
    for secret in (CANARY, KEY):
        assert not [text for text in everything if secret in text]


def test_a_caller_who_waits_is_not_forgotten_while_an_answer_is_held(
    serve: Serve, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.server.answering.KEEP_ALIVE", 0.1)
    served = serve(chain_yaml(upstream, "primary"))
    upstream.script("primary", answer(tokens=20, token_delay=0.03))
    text = served.ask(stream=True, headers={"x-fallback-lab-buffer": "true"}).text
    assert text.count(": waiting\n\n") >= 2
    assert data_of(text)[-1] == "[DONE]"
