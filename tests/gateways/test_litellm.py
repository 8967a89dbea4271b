"""LiteLLM's export in LiteLLM's own Router: `uv run --group bench pytest tests/gateways`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.config.loading import parse_config
from router.gateways import TARGETS
from tests.upstream import Step, Upstream, answer, late, reset_before_headers, silent, stall_after, status

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched
litellm = pytest.importorskip("litellm", reason="the group bench has it")

pytestmark = pytest.mark.filterwarnings("ignore")  # LiteLLM's own

FILTERED = status(400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy.")


def exported(upstream: Upstream, provider: Mapping[str, Any] = {}, chains: Any = None, **policy: Any) -> str:
    """The file for these chains, by default one chain of three models; nothing waits long."""
    fields = {"protocol": "openai", "base_url": upstream.base_url, **provider}
    text = {
        "default_provider": "local",
        "providers": {"local": fields, "claude": {**fields, "protocol": "anthropic"}},
        "policy": {"first_token": 0.3, "stall": 0.3, "answer": 0.3, "retries": 0, **policy},
        "chains": chains or {"chat": ["primary", "fallback", "claude:last"]},
    }
    config = parse_config(json.dumps(text), Path("models.yaml"))
    return TARGETS["litellm"].export(config, list(config.chains.values())).text


def opened(text: str) -> Any:
    """LiteLLM's Router, as its proxy opens it."""
    data = yaml.safe_load(text)
    return litellm.Router(model_list=data["model_list"], **data["router_settings"])


async def asked(router: Any, upstream: Upstream, *, stream: bool, model: str = "chat") -> tuple[str, list[str]]:
    """The text of the answer, and the models that were asked."""
    found = await router.acompletion(model=model, messages=[{"role": "user", "content": "Hello?"}], stream=stream)
    if not stream:
        return found.choices[0].message.content, [call.model for call in upstream.requests]
    parts = [chunk.choices[0].delta.content or "" async for chunk in found]
    return "".join(parts), [call.model for call in upstream.requests]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "fault",
    [*map(status, (400, 401, 402, 403, 404, 413, 429, 500, 503)), reset_before_headers, silent],
    ids=["400", "401", "402", "403", "404", "413", "429", "500", "503", "reset", "silent"],
)
async def test_whatever_fails_the_fallback_answers(upstream: Upstream, fault: Step, stream: bool) -> None:
    upstream.script("primary", then=fault)
    upstream.script("fallback", then=answer("A whole answer."))
    found = await asked(opened(exported(upstream)), upstream, stream=stream)
    assert found == ("A whole answer.", ["primary", "fallback"])


async def test_the_last_link_speaks_anthropics_protocol(upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=status(503))
    _, models = await asked(opened(exported(upstream)), upstream, stream=True)
    assert models == ["primary", "fallback", "last"]


@pytest.mark.parametrize(("fault", "calls"), [(status(503), 2), (status(502), 2), (silent, 1), (status(404), 1)])
async def test_it_retries_what_we_retry(upstream: Upstream, fault: Step, calls: int) -> None:
    upstream.script("primary", then=fault)
    _, models = await asked(opened(exported(upstream, retries=1)), upstream, stream=False)
    assert models == ["primary"] * calls + ["fallback"]


async def test_a_policys_rejection_ends_the_chain(upstream: Upstream) -> None:
    upstream.script("primary", then=FILTERED)
    with pytest.raises(litellm.ContentPolicyViolationError):
        await asked(opened(exported(upstream)), upstream, stream=False)
    assert upstream.received("fallback") == []


async def test_or_goes_on_where_the_chain_says_so(upstream: Upstream) -> None:
    upstream.script("primary", then=FILTERED)
    _, models = await asked(opened(exported(upstream, on_content_filter="next")), upstream, stream=False)
    assert models == ["primary", "fallback"]


async def test_a_model_that_keeps_failing_cools_down_and_a_fallback_too(upstream: Upstream) -> None:
    upstream.script("primary", then=status(503))
    upstream.script("fallback", then=status(503))
    router = opened(exported(upstream))
    for _ in range(4):
        await asked(router, upstream, stream=False)
    assert [len(upstream.received(model)) for model in ("primary", "fallback", "last")] == [3, 3, 4]


async def test_what_is_named_as_lost_is_so(upstream: Upstream) -> None:
    """A stalled stream is an error, comments keep a silent model, and an empty answer counts."""
    upstream.script("primary", late(0.6), answer(""), stall_after(20))
    router = opened(exported(upstream))
    assert await asked(router, upstream, stream=True) == ("word1 word2 word3 ", ["primary"])
    assert await asked(router, upstream, stream=True) == ("", ["primary"] * 2)
    with pytest.raises(litellm.Timeout):
        await asked(router, upstream, stream=True)


async def test_a_server_without_a_key_never_gets_openais(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    await asked(opened(exported(upstream)), upstream, stream=False)
    assert "sk-of-somebody-else" not in str(upstream.requests[0].headers)


async def test_names_that_yaml_would_read_as_something_else_stay_names(upstream: Upstream) -> None:
    odd = ["yes", "~", '"q": {x}', "ünï #1", "1.0"]
    text = exported(upstream, chains={name: [name, "other"] for name in odd})
    for name in odd:
        upstream.reset()
        upstream.script(name, then=status(503))
        assert (await asked(opened(text), upstream, stream=False, model=name))[1] == [name, "other"]


async def test_fields_of_the_body_and_headers_go_out(upstream: Upstream) -> None:
    provider = {"headers": {"X-Team": "a: b"}, "body": {"user": "me", "top_k": 3, "stream_options": None}}
    chain = {"models": [{"model": "primary", "params": {"temperature": 0.1, "tags": ["x"]}}], "params": {"seed": 3}}
    await asked(opened(exported(upstream, provider, {"chat": chain})), upstream, stream=True)
    (call,) = upstream.requests
    assert call.headers["x-team"] == "a: b"
    sent = {name: call.body[name] for name in call.body.keys() - {"model", "messages", "stream"}}
    assert sent == {"user": "me", "top_k": 3, "temperature": 0.1, "tags": ["x"], "seed": 3}
