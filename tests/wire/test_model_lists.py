"""A provider's list of models, as vendors write it; and which names it covers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from router.config.lint import advice
from router.config.loading import parse_config
from router.core.model_names import listed_as
from router.providers.catalog import Catalog
from router.providers.model_list import read_models

GEMINI = {"object": "list", "data": [{"id": "models/gemini-3-pro", "object": "model"}]}
OLLAMA = {"object": "list", "data": [{"id": "llama3.2:latest"}, {"id": "qwen3:8b"}]}
ANTHROPIC = {
    "data": [{"type": "model", "id": "claude-sonnet-4-5-20250929"}, {"id": "claude-opus-5"}],
    "has_more": False,
}
TOGETHER = [{"id": "maker/m-1", "type": "chat"}, {"id": "maker/m-2", "type": "chat"}]
LLAMA = {"object": "list", "data": [{"id": "/models/a.gguf", "owned_by": "llamacpp", "meta": {"n_ctx": 4096}}]}
OPENROUTER = {"data": [{"id": "maker/m-1"}, {"id": "maker/m-1:free"}, {"id": "maker/m-2"}]}


@pytest.mark.parametrize(
    ("answer", "model", "name"),
    [
        (GEMINI, "gemini-3-pro", "models/gemini-3-pro"),
        (GEMINI, "models/gemini-3-pro", "models/gemini-3-pro"),
        (GEMINI, "gemini-3-flash", None),
        (OLLAMA, "llama3.2", "llama3.2:latest"),
        (OLLAMA, "llama3.2:latest", "llama3.2:latest"),
        (OLLAMA, "qwen3:8b", "qwen3:8b"),
        (OLLAMA, "qwen3:4b", None),
        (ANTHROPIC, "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
        (ANTHROPIC, "claude-sonnet-4-5-latest", "claude-sonnet-4-5-20250929"),
        (ANTHROPIC, "claude-opus-5-20261001", "claude-opus-5"),
        (ANTHROPIC, "claude-sonnet-4", None),
        (TOGETHER, "maker/m-1", "maker/m-1"),
        (TOGETHER, "maker/m-3", None),
        (LLAMA, "whatever", "/models/a.gguf"),
        (OPENROUTER, "maker/m-1:free", "maker/m-1:free"),
        (OPENROUTER, "maker/m-2:brand-new", "maker/m-2"),
        (OPENROUTER, "maker/m-2@preset/mine", "maker/m-2"),
        (OPENROUTER, "maker/m-9:free", None),
    ],
    ids=str,
)
def test_a_name_is_found_as_its_server_lists_it(answer: object, model: str, name: str | None) -> None:
    assert listed_as(model, read_models(answer)) == name


def config_of(model: str) -> Any:
    text = (
        "providers: {p: {protocol: openai, base_url: http://host/v1}}\ndefault_provider: p\noffline: null\n"
        f'chains: {{chat: ["p:{model}"]}}\n'
    )
    return parse_config(text, Path("models.yaml"))


@pytest.mark.parametrize("model", ["maker/m-2:online", "@preset/mine", "maker/m-1@preset/mine", "maker/m-1"])
def test_a_name_that_the_server_takes_is_not_called_unlisted(model: str) -> None:
    listed = read_models(OPENROUTER)
    assert list(advice(config_of(model), lambda _: listed, lambda _: listed["maker/m-1"])) == []


PRICED = {"data": [{"id": "maker/m-1", "context_length": 9, "pricing": {"prompt": "0.001", "completion": "0.001"}}]}


@pytest.mark.parametrize(("model", "has_price"), [("maker/m-1", True), ("maker/m-1:free", False)])
async def test_a_name_by_another_route_has_no_price_of_its_own(tmp_path: Path, model: str, has_price: bool) -> None:
    catalog, config = Catalog(tmp_path, {}), config_of(model)

    async def fetch() -> Mapping[str, Any]:
        return read_models(PRICED)

    await catalog.read(config, "p", fetch)
    info = catalog.known(config, config.chains["chat"].models[0]).info
    assert (info.context, info.price is not None) == (9, has_price)


@pytest.mark.parametrize(("reads", "files"), [(["text", "file"], True), (["text"], None), (["text", "image"], None)])
def test_a_model_without_a_modality_of_files_may_still_get_them(reads: list[str], files: bool | None) -> None:
    answer = {"data": [{"id": "m", "architecture": {"input_modalities": reads}}]}
    assert read_models(answer)["m"].files is files
