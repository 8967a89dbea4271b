"""A key goes to its own host alone: with models.yaml edited in every way, nothing of it arrives at another."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from router.cli import main
from router.config.editing import Editor
from router.config.keys import Keys
from router.config.loading import parse_config
from router.config.origins import (
    VENDORS,
    Origins,
    host_of,
    origin_of,
)
from router.core.conversations import Settings
from router.core.errors import (
    AllModelsFailed,
    ConfigError,
    InvalidEdit,
    KeyRefused,
)
from router.core.requests import Request
from router.engine.options import Options
from router.lab import Lab
from router.providers.curl import as_curl
from router.providers.http import send
from tests.conftest import MakeLab
from tests.upstream import Exchange, Upstream, running_upstream

CANARY = "sk-canary-7f3a9c0e5b1d"
QUESTION = Request(messages=({"role": "user", "content": "Hello?"},))


@pytest.fixture(scope="module")
def evil_server() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture
def evil(evil_server: Upstream) -> Upstream:
    """Somebody else's server."""
    evil_server.reset()
    return evil_server


def text_of(base_url: str, **provider: Any) -> str:
    settings = {"protocol": "openai", "base_url": base_url, "api_key": "${MY_KEY}", **provider}
    found = {"default_provider": "p", "providers": {"p": settings}, "offline": None, "chains": {"chat": ["m"]}}
    return json.dumps(found, indent=1)


def written(folder: Path, text: str, *, env: str = f"MY_KEY={CANARY}\n") -> Path:
    (folder / ".env").write_text(env, encoding="utf-8")
    path = folder / "models.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@contextlib.contextmanager
def opened(path: Path, **environ: str) -> Iterator[Lab]:
    with contextlib.closing(Lab(path, environ=environ)) as lab:
        yield lab


def ask_everything(lab: Lab) -> str:
    """Call models, read lists, look at the request as curl; returns all that is said."""
    said = []
    handle = lab.start(QUESTION, category="chat", options=Options(cache="off"))
    try:
        said.append(repr(handle.result(timeout=20)))
    except AllModelsFailed as error:
        said.append(str(error))
    said += lab.read_lists(lab.config().providers, force=True).values()
    for chain in lab.config().chains.values():
        for ref in chain.models:
            try:
                said.append(as_curl(lab.sent(QUESTION, ref.text)))
            except ConfigError as error:
                said.append(str(error))
    return "\n".join(said)


def keys_at(upstream: Upstream) -> list[str]:
    """Where the key stands in what arrived there."""
    arrived = [repr((call.headers, call.body)) for call in upstream.requests] + [repr(h) for h in upstream.listings]
    return [text for text in arrived if CANARY in text]


def used(lab: Lab, upstream: Upstream) -> None:
    """Use the key where it belongs."""
    lab.start(QUESTION, category="chat", options=Options(cache="off")).result(timeout=20)
    assert keys_at(upstream)


# --- Every way that models.yaml can come to another host -------------------------------------------


def saved(lab: Lab, text: str) -> None:
    lab.editor.save(lab.editor.draft().with_text(text), "evil")


def by_the_page(lab: Lab, good: str, evil: str) -> None:
    saved(lab, text_of(evil))


def by_a_part_of_the_page(lab: Lab, good: str, evil: str) -> None:
    draft = lab.editor.draft()
    lab.editor.save(draft.with_text(draft.text.replace(good, evil)), "evil")


def by_taking_theirs_in(lab: Lab, good: str, evil: str) -> None:
    draft = lab.editor.draft().with_text(text_of(evil))
    saved(lab, text_of(good) + "\n# theirs\n")
    lab.editor.save(draft.onto(lab.editor.draft().text)[0], "evil")


def by_another_provider(lab: Lab, good: str, evil: str) -> None:
    text = json.loads(text_of(good))
    text["providers"]["q"] = {**text["providers"]["p"], "base_url": evil}
    text["chains"]["chat"] = ["q:m"]
    saved(lab, json.dumps(text))


def by_a_header(lab: Lab, good: str, evil: str) -> None:
    saved(lab, text_of(evil, api_key=None, headers={"X-Team": "team-${MY_KEY}"}))


def by_the_other_protocol(lab: Lab, good: str, evil: str) -> None:
    saved(lab, text_of(evil, protocol="anthropic"))


def by_two_steps(lab: Lab, good: str, evil: str) -> None:
    saved(lab, text_of(evil, api_key=None))
    saved(lab, text_of(evil))


def by_going_back(lab: Lab, good: str, evil: str) -> None:
    saved(lab, text_of(evil))
    saved(lab, text_of(good))
    lab.editor.roll_back()


def by_hand(lab: Lab, good: str, evil: str) -> None:
    lab.path.write_text(text_of(evil), encoding="utf-8")


WAYS = (
    *(by_the_page, by_a_part_of_the_page, by_taking_theirs_in, by_another_provider, by_a_header),
    *(by_the_other_protocol, by_two_steps, by_going_back, by_hand),
)


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_was_used_goes_to_no_other_host(
    tmp_path: Path, upstream: Upstream, evil: Upstream, way: Callable[[Lab, str, str], None]
) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    with opened(path) as lab:
        used(lab, upstream)
        way(lab, upstream.base_url, evil.base_url)
        said = ask_everything(lab)
    with opened(path) as lab:  # nor after a restart
        said += ask_everything(lab)
    assert f"MY_KEY may not be sent to {origin_of(evil.base_url)}" in said and "$MY_KEY" not in said
    assert (keys_at(evil), CANARY in said) == ([], False)


@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_hand])
def test_a_key_that_was_never_used_goes_to_no_host_that_came_by_the_page(
    tmp_path: Path, upstream: Upstream, evil: Upstream, way: Callable[[Lab, str, str], None]
) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    with opened(path) as lab:
        way(lab, upstream.base_url, evil.base_url)
        ask_everything(lab)
    with opened(path) as lab:
        ask_everything(lab)
    assert keys_at(evil) == []


def test_a_variable_of_dotenv_that_the_page_names_first_goes_nowhere(
    tmp_path: Path, upstream: Upstream, evil: Upstream
) -> None:
    path = written(tmp_path, text_of(upstream.base_url), env=f"MY_KEY=sk-other-0123456789\nDB_PASSWORD={CANARY}\n")
    with opened(path) as lab:
        saved(lab, text_of(evil.base_url, api_key="${DB_PASSWORD}"))
        assert "DB_PASSWORD may not be sent to" in ask_everything(lab)
    assert keys_at(evil) == []


@pytest.mark.parametrize("where", ["api_key", "headers"])
def test_a_variable_of_the_environment_that_is_not_on_the_list_goes_nowhere(
    tmp_path: Path, evil: Upstream, where: str
) -> None:
    ways: Mapping[str, Mapping[str, Any]] = {
        "api_key": {"api_key": "${CLOUD_SECRET}"},
        "headers": {"api_key": None, "headers": {"Authorization": "Bearer ${CLOUD_SECRET}"}},
    }
    with opened(written(tmp_path, text_of(evil.base_url, **ways[where]), env=""), CLOUD_SECRET=CANARY) as lab:
        assert "CLOUD_SECRET is not allowed as a key; write it in .env next to models.yaml" in ask_everything(lab)
    assert keys_at(evil) == []


def test_a_variable_that_is_named_for_it_is_used(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url, api_key="${CLOUD_SECRET}"), env="")
    with opened(path, CLOUD_SECRET=CANARY, FALLBACK_LAB_KEYS="OTHER, CLOUD_SECRET") as lab:
        used(lab, upstream)


@pytest.mark.parametrize("name", [name for name, origins in VENDORS.items() if origins])
def test_a_vendor_s_key_goes_to_no_other_host_not_even_at_first(tmp_path: Path, evil: Upstream, name: str) -> None:
    keys = Keys(tmp_path, {name: CANARY})
    with pytest.raises(KeyRefused):
        keys.get(evil.base_url, name)
    secret = keys.get(f"{VENDORS[name][0]}/v1/models", name)
    assert secret is not None and secret.reveal() == CANARY


def test_a_typed_key_is_bound_like_any_other(tmp_path: Path, upstream: Upstream, evil: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url), env="")
    with opened(path) as lab:
        lab.keys.hold("MY_KEY", CANARY)
        used(lab, upstream)
        by_the_page(lab, upstream.base_url, evil.base_url)
        ask_everything(lab)
    assert keys_at(evil) == []


def test_a_redirect_takes_no_key_along(tmp_path: Path, upstream: Upstream, evil: Upstream) -> None:
    async def elsewhere(exchange: Exchange) -> None:
        exchange.reply(307, {}, {"Location": f"{evil.base_url}/chat/completions"})

    upstream.script("m", then=elsewhere)
    upstream.script_models(elsewhere)
    with opened(written(tmp_path, text_of(upstream.base_url))) as lab:
        ask_everything(lab)
    assert keys_at(upstream)
    assert (evil.requests, evil.listings) == ([], [])


def test_an_imported_conversation_sends_no_key_elsewhere(tmp_path: Path, upstream: Upstream, evil: Upstream) -> None:
    models = (f"{evil.base_url}:m", evil.base_url, "p:m@" + host_of(origin_of(evil.base_url)))
    with opened(written(tmp_path, text_of(upstream.base_url))) as lab:
        for model in models:
            given = {"model": model, "base_url": evil.base_url, "messages": [{"role": "user", "content": "Hello?"}]}
            conversation = lab.chat.transfer.import_(json.dumps(given).encode())
            (turn,) = lab.chat.turns(conversation)
            again = lab.chat.ask_again(turn, Settings(model=model))
            handle = lab.chat.handle(again)
            assert handle is not None
            with contextlib.suppress(AllModelsFailed):
                handle.result(timeout=20)
    assert (evil.requests, evil.listings) == ([], [])


@pytest.mark.parametrize("command", [("check", "--ping"), ("ask", "--no-cache", "Hello?"), ("check",), ("keys",)])
def test_no_command_sends_or_prints_a_key_that_is_refused(
    tmp_path: Path, upstream: Upstream, evil: Upstream, command: tuple[str, ...]
) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    with opened(path) as lab:
        used(lab, upstream)
        by_the_page(lab, upstream.base_url, evil.base_url)
    printed = CliRunner().invoke(main, ["--config", str(path), *command], env={"COLUMNS": "400"}).output
    assert f"MY_KEY may not be sent to {origin_of(evil.base_url)}" in printed
    assert (keys_at(evil), CANARY in printed) == ([], False)


async def test_the_wire_itself_refuses_whoever_asks(tmp_path: Path) -> None:
    """Whatever is said before: the last step before the socket looks at the address that is called."""
    keys = Keys(tmp_path, {"OPENAI_API_KEY": CANARY})
    asked: list[httpx.Request] = []
    transport = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(200))
    headers = {"X-Any": "${OPENAI_API_KEY}"}
    for url in ("http://api.openai.com/v1", "https://api.openai.com:444/v1", "https://api.openai.com.evil/v1"):
        with pytest.raises(KeyRefused):
            await send(transport, keys, url, headers=headers, body=None, connect=1)
    assert asked == []
    await send(transport, keys, "https://api.openai.com/v1", headers=headers, body=None, connect=1)
    assert asked[0].headers["x-any"] == CANARY


def test_only_the_last_step_before_the_socket_reveals_a_key() -> None:
    router = Path(__file__).parents[2] / "router"
    revealing = [path.name for path in router.rglob("*.py") if ".reveal()" in path.read_text(encoding="utf-8")]
    filling = [path.name for path in router.rglob("*.py") if "keys.fill(" in path.read_text(encoding="utf-8")]
    # callers.py compares; the others send.
    assert sorted(revealing) == ["callers.py", "http.py", "keys.py"]
    assert sorted(filling) == ["http.py", "telemetry.py"]


def test_the_collector_s_key_is_one_of_the_destinations() -> None:
    text = """
otel: {endpoint: "http://collector.invalid:4318", headers: {authorization: "Bearer ${COLLECTOR_KEY}"}}
chains: {chat: [one]}
"""
    config = parse_config(text, Path("models.yaml"))
    assert ("COLLECTOR_KEY", "http://collector.invalid:4318") in config.destinations


# --- What people do about it -----------------------------------------------------------------------


def test_a_host_that_is_spelled_out_is_allowed_and_stays_so(tmp_path: Path, upstream: Upstream, evil: Upstream) -> None:
    path = written(tmp_path, text_of(evil.base_url))
    with opened(path) as lab:
        used(lab, evil)
        saved(lab, text_of(upstream.base_url))
        (refused,) = lab.destinations.refused()
        lab.destinations.allow("MY_KEY", host_of(refused.origin))
        used(lab, upstream)
    with opened(path) as lab:
        assert lab.destinations.refused() == []


@pytest.mark.parametrize("host", ["", "127.0.0.1", "evil", "http://"])
def test_another_host_than_the_one_in_models_yaml_is_not_allowed(
    tmp_path: Path, upstream: Upstream, evil: Upstream, host: str
) -> None:
    with opened(written(tmp_path, text_of(upstream.base_url))) as lab:
        used(lab, upstream)
        by_the_page(lab, upstream.base_url, evil.base_url)
        with pytest.raises(InvalidEdit, match="Type the full host name"):
            lab.destinations.allow("MY_KEY", host)
        assert len(lab.destinations.refused()) == 1


def test_the_command_line_allows_a_host(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url, api_key="${OPENAI_API_KEY}"), env=f"OPENAI_API_KEY={CANARY}\n")
    host = host_of(origin_of(upstream.base_url))
    run = CliRunner().invoke(main, ["--config", str(path), "keys", "--allow", "OPENAI_API_KEY", host])
    assert f"OPENAI_API_KEY is now sent to http://{host}." in run.output
    with opened(path) as lab:
        used(lab, upstream)


def test_a_change_of_the_path_alone_is_no_other_host(tmp_path: Path, upstream: Upstream) -> None:
    with opened(written(tmp_path, text_of(upstream.base_url))) as lab:
        used(lab, upstream)
        saved(lab, text_of(f"{upstream.base_url}/other"))
        assert lab.destinations.refused() == []


# --- What is kept ----------------------------------------------------------------------------------


def test_where_keys_may_go_is_kept_without_them_and_for_nobody_else(tmp_path: Path, upstream: Upstream) -> None:
    with opened(written(tmp_path, text_of(upstream.base_url))) as lab:
        used(lab, upstream)
    file = tmp_path / ".lab" / "keys.json"
    assert json.loads(file.read_bytes()) == {"MY_KEY": [origin_of(upstream.base_url)]}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"MY_KEY": 5}'])
def test_a_file_of_origins_that_cannot_be_read_lets_no_key_out(tmp_path: Path, upstream: Upstream, data: bytes) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab" / "keys.json").write_bytes(data)
    with opened(path) as lab:
        assert "MY_KEY cannot be sent anywhere" in ask_everything(lab)
    assert keys_at(upstream) == []


def test_where_nothing_can_be_kept_a_key_is_bound_while_the_process_lasts(tmp_path: Path) -> None:
    (tmp_path / "no folder").write_text("", encoding="utf-8")
    origins = Origins(tmp_path / "no folder" / "keys.json")
    assert origins.bind("A", "http://one") is None
    assert origins.bind("A", "http://two") is not None
    with pytest.raises(InvalidEdit, match="cannot be written"):
        origins.allow("A", "http://two")


def test_another_process_s_word_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ours, theirs = Origins(file), Origins(file)
    assert ours.bind("A", "http://one") is None
    assert theirs.bind("A", "http://two") is not None
    theirs.allow("A", "http://two")
    assert ours.bind("A", "http://two") is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Host.example/v1", "https://host.example"),
        ("https://host.example:443/v1", "https://host.example"),
        ("http://host.example:443/v1", "http://host.example:443"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


# --- Read only -------------------------------------------------------------------------------------


def test_read_only_nothing_is_saved_undone_or_allowed(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    with opened(path) as lab:
        saved(lab, text_of(upstream.base_url) + "\n# more\n")
    before = path.read_bytes()
    with opened(path, FALLBACK_LAB_READONLY="1") as lab:
        for change in (
            lambda: saved(lab, text_of(upstream.base_url)),
            lab.editor.roll_back,
            lambda: lab.destinations.allow("MY_KEY", host_of(origin_of(upstream.base_url))),
        ):
            with pytest.raises(InvalidEdit, match="FALLBACK_LAB_READONLY is set"):
                change()
    assert path.read_bytes() == before


def test_read_only_the_command_line_takes_nothing_back(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url))
    editor = Editor(path, tmp_path / ".lab" / "history")
    editor.save(editor.draft().with_text(text_of(upstream.base_url) + "\n"), "more")
    run = CliRunner().invoke(main, ["--config", str(path), "chains", "--rollback"], env={"FALLBACK_LAB_READONLY": "1"})
    assert (run.exit_code, "FALLBACK_LAB_READONLY is set" in run.output) == (1, True)


# --- Headers ---------------------------------------------------------------------------------------


def test_a_header_carries_a_key_that_is_found_nowhere_afterwards(
    tmp_path: Path, upstream: Upstream, make_lab: MakeLab
) -> None:
    async def repeats(exchange: Exchange) -> None:
        exchange.reply(401, {"error": {"message": f"You sent {exchange.headers['api-key']}."}})

    upstream.script("m", then=repeats)
    written(tmp_path, "", env=f"AZURE_KEY={CANARY}\n")
    lab = make_lab(text_of(upstream.base_url, api_key=None, headers={"api-key": "${AZURE_KEY}"}))
    said = ask_everything(lab)
    assert upstream.received("m")[0].headers["api-key"] == CANARY
    assert "You sent ***." in said and '"api-key: $AZURE_KEY"' in said
    assert lab.store.writer.flush()
    files = [file.read_bytes() for file in (tmp_path / ".lab").rglob("*") if file.is_file()]
    assert (CANARY in said, [data for data in files if CANARY.encode() in data]) == (False, [])


def test_a_provider_whose_header_s_variable_is_not_set_is_skipped(tmp_path: Path, upstream: Upstream) -> None:
    path = written(tmp_path, text_of(upstream.base_url, headers={"api-key": "${AZURE_KEY}"}))
    with opened(path) as lab:
        assert "AZURE_KEY is not set" in ask_everything(lab)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "header",
    [
        *(
            {"Authorization": "Bearer sk-0123"},
            {"x-api-key": "sk-0123"},
            {"api-key": "sk-0123"},
            {"Cookie": "a=sk-0123"},
        ),
        *({"Proxy-Authorization": "Basic sk-0123"}, {"X-Auth-Token": "sk-0123"}, {"authorization": "sk-0123 ${A}"}),
        *({"Ocp-Apim-Subscription-Key": "sk-0123"}, {"x-goog-api-key": "sk-0123${A}"}),
    ],
    ids=str,
)
def test_a_literal_key_in_a_header_is_refused_without_being_repeated(tmp_path: Path, header: Mapping[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Lab(written(tmp_path, text_of("http://h", headers=header)), environ={})
    (name,) = header
    assert f"`{name}` contains a key; write the name of a variable instead" in str(caught.value)
    assert "sk-0123" not in str(caught.value)


def test_a_key_of_a_provider_without_an_address_goes_nowhere(tmp_path: Path) -> None:
    text = json.loads(text_of("http://h"))
    text["providers"] = {"p": {"protocol": "embedded", "api_key": "${MY_KEY}"}}
    with opened(written(tmp_path, json.dumps(text))) as lab:
        assert lab.destinations.refused() == []
        assert lab.problem("p") is None
        assert "MY_KEY" not in as_curl(lab.sent(QUESTION, "m"))


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"base_url": "http://h/v1?api_key=sk-0123"}, "the address must not contain a key (`api_key`)"),
        ({"body": {"api_key": "sk-0123"}}, "`api_key` contains a key"),
        ({"headers": {"X-Team": "${no such}"}}, 'write a variable in a header as "${NAME}"'),
    ],
)
def test_a_key_in_any_other_place_is_refused(tmp_path: Path, provider: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Lab(written(tmp_path, text_of(**{"base_url": "http://h", **provider})), environ={})
    assert words in str(caught.value) and "sk-0123" not in str(caught.value)
