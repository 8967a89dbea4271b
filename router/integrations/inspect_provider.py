"""The provider that Inspect finds by the entry point in pyproject.toml.

Needs inspect-ai (`uv sync --group inspect`); nothing else of the project imports this.
"""

from __future__ import annotations

import asyncio
from typing import Any

from inspect_ai._util.error import PrerequisiteError
from inspect_ai.hooks import Hooks, RunEnd, hooks
from inspect_ai.model import ChatMessage, GenerateConfig, ModelAPI, ModelOutput, StopReason, modelapi
from inspect_ai.tool import ToolChoice, ToolInfo

from router.core.attempts import Completion
from router.core.errors import AllModelsFailed, ContentFiltered, ContextLengthExceeded
from router.engine.handle import Handle
from router.engine.options import Options
from router.integrations.inspect_messages import output_of, request_of
from router.lab import close_lab, open_lab


class FallbackLab(ModelAPI):
    """A chain by its category, or a single model by its reference, as models.yaml has them.

    The file is the one in $FALLBACK_LAB_CONFIG, or else ./models.yaml. Answers never come from the response cache.
    """

    def __init__(
        self, model_name: str, base_url: str | None = None, api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(), **model_args: Any,
    ) -> None:  # fmt: skip
        given = [name for name, value in (("base_url", base_url), ("api_key", api_key)) if value is not None]
        if unknown := [*given, *model_args]:
            raise PrerequisiteError(
                f"Fallback Lab takes no {', '.join(unknown)}. Set providers, keys and parameters in models.yaml."
            )
        super().__init__(model_name, config=config)

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002  # Inspect's name
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """One answer; leaving Inspect's task cancels the request."""
        lab = open_lab()
        name = self.model_name
        category, model = (name, None) if name in lab.config().chains else (None, name)
        request = request_of(input, tools, tool_choice, config)
        handle = lab.start(request, category=category, model=model, options=Options(source="eval", cache="off"))
        try:
            return output_of(await _result(handle))
        except AllModelsFailed as error:
            if (stop := _fault_of_request(error)) is None:
                raise
            return ModelOutput.from_content(name, "", stop_reason=stop, error=str(error))

    def max_connections(self) -> int:
        """What each provider allows holds beneath this."""
        return 64

    def connection_key(self) -> str:
        return f"fallback-lab/{self.model_name}"


@hooks(name="fallback-lab", description="Closes the Lab when a run ends: its threads would keep the process alive.")
class Closing(Hooks):
    async def on_run_end(self, data: RunEnd) -> None:  # noqa: ARG002  # Inspect's signature
        await asyncio.to_thread(close_lab)


@modelapi(name="fallback-lab")
def fallback_lab() -> type[ModelAPI]:
    return FallbackLab


def _fault_of_request(error: AllModelsFailed) -> StopReason | None:
    """Inspect's stop reason for a request that no model takes; None where a model failed for another reason, too."""
    if isinstance(error.last_error, ContentFiltered):
        return "content_filter"
    failed = {attempt.reason for attempt in error.attempts if attempt.outcome == "failed"}
    return "model_length" if failed == {ContextLengthExceeded.kind} else None


async def _result(handle: Handle) -> Completion:
    try:
        return await asyncio.to_thread(handle.result)
    except asyncio.CancelledError:
        handle.cancel()
        raise
