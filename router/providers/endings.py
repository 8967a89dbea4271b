"""What a finish reason means, under whatever name a server gives it."""

from __future__ import annotations

from router.core.errors import ContentFiltered, StreamCut
from router.providers.failures import failure

_NAMES = {
    "stop": ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "complete"),
    "length": ("length", "max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"),
    "tool_calls": ("tool_calls", "tool_use", "tool_call", "function_call"),
}
"""The reasons of finished answers: of chat completions, Anthropic, Together, TGI, Mistral, Cohere and Gemini."""

_MEANS = {name: meaning for meaning, names in _NAMES.items() for name in names}

_CUT = frozenset({"abort", "aborted", "cancelled", "canceled", "pause_turn"})
_FAILED = frozenset(
    {
        *("error", "insufficient_system_resource", "network_error"),  # DeepSeek, Zhipu
        *("malformed_function_call", "unexpected_tool_call", "function_call_filter"),  # Gemini
    }
)
_FILTERED = frozenset(
    {
        *("content_filter", "content_filtered", "refusal", "sensitive", "guardrail_intervened", "error_toxic"),
        *("safety", "recitation", "blocklist", "prohibited_content", "spii"),  # Gemini
        *("image_safety", "image_prohibited_content", "image_recitation"),
    }
)


def finish_reason(said: str) -> str:
    """The reason by its name in chat completions; an unknown one as it is.

    Raises:
        ProviderError: the answer is not finished.
    """
    name = said.lower().partition(":")[0].strip()  # Gemini: "content_filter: RECITATION"
    if name in _FILTERED:
        raise ContentFiltered(f"The provider's content policy stopped the answer ({said}).", status=200)
    if name in _CUT:
        raise StreamCut(f"The provider stopped before the answer was complete ({said}).", status=200)
    if name in _FAILED:
        raise failure(200, {"error": {"message": f"The provider ended the answer with an error ({said})."}})
    return _MEANS.get(name, said)
