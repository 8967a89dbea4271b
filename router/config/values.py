"""The values of models.yaml: durations, sizes, addresses, names of keys, and bounds that all of the app supports."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from router.config.keys import VARIABLE
from router.config.origins import is_address
from router.core.requests import SET_BY_CALL

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}
CREDENTIAL = re.compile(
    r"(?i)(?:authorization|cookie|password|secret|token|^sig|^key|(?:api|access|auth|subscription|functions)[-_]?key)$"
)
"""Endings of the names of headers, parameters and body fields that hold a key."""

_ONLY_VARIABLE = re.compile(rf"(?:[A-Za-z]{{1,50}} |[A-Za-z]\w{{0,50}}=)?{VARIABLE.pattern}")
"""A header's text with a key: a scheme or a name may precede its variable."""

MAX_SECONDS = 3_000 * 365 * 86_400
MAX_COUNT = 2**53 - 1
"""The largest integer that a browser's numbers represent exactly."""


class Data(BaseModel):
    """Part of models.yaml: strict, frozen, and with no field that it does not declare."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s?(ms|s|m|h|d|w)", value.strip())
        if not match:
            raise ValueError(
                f"`{shortened(value)}` is not a duration. Write seconds as a number, or add a unit: 30s, 5m, 7d"
            )
        return float(match[1]) * _UNITS[match[2]]
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s?(B|KB|MB|GB)", value.strip().upper())
        if not match:
            raise ValueError(f"`{shortened(value)}` is not a size. Write bytes as a number, or add a unit: 200MB, 1GB")
        return int(float(match[1]) * _SIZES[match[2]])
    return value


def _variables(value: object) -> object:
    names = () if value is None else value if isinstance(value, list) else (value,)
    matches = [VARIABLE.fullmatch(name.strip()) if isinstance(name, str) else None for name in names]
    if not all(matches):
        # The value is not repeated: it may be a key.
        raise ValueError('write a key as the name of a variable, such as "${OPENROUTER_API_KEY}"')
    return tuple(match[1] for match in matches if match)


_ENDPOINT = re.compile(r"/(chat/completions|completions|responses|messages)/*(?=\?|$)")


def _http_url(value: str) -> str:
    value = value.strip()
    match = re.match(r"([A-Za-z][\w+.-]{0,30}):", value)
    if not re.match(r"https?://[^/\s]+", value):
        what = f"`{shortened(match[1])}:`" if match else "no scheme"
        raise ValueError(f"the address must start with http:// or https://, not {what}")
    if re.match(r"https?://[^/\s]*@", value):
        raise ValueError("the address must not contain a user name or password")
    if re.search(r"\s", value):
        raise ValueError("the address must not contain blanks")
    if "#" in value:
        raise ValueError("the address must not contain a `#`: what follows it is never sent")
    if match := _ENDPOINT.search(value):
        raise ValueError(f"the address must end before `/{match[1]}`, which each call adds itself")
    if not is_address(value):
        raise ValueError(
            "the address must be a host in ASCII letters, digits, dots and dashes (names in other scripts start with"
            " xn--), optionally with a port up to 65535 and a path"
        )
    if secret := next(filter(CREDENTIAL.search, re.findall(r"[?&]([^=&]*)", value)), None):
        raise ValueError(f"the address must not contain a key (`{secret}`); put it in api_key or headers")
    return value.rstrip("/")


def _header(value: str) -> str:
    if not value.isprintable():
        raise ValueError("a header cannot contain line breaks or other control characters")
    if "${" in VARIABLE.sub("", value):
        raise ValueError('write a variable in a header as "${NAME}"')
    return value


def of_json(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields; raises ValueError where JSON cannot hold them."""
    inside: list[Any] = [fields]
    while inside:
        value = inside.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("it contains a number that is not finite, which JSON does not support")
        if isinstance(value, dict):
            if odd := [name for name in value if not isinstance(name, str)]:
                raise ValueError(f"the name `{odd[0]}` in it must be text; write it in quotes")
            inside.extend(value.values())
        elif isinstance(value, list):
            inside.extend(value)
    return fields


def shortened(text: object, most: int = 60) -> str:
    """The beginning of a text, for use in a sentence: on one line, whatever it holds."""
    words = str(text)
    line = "".join(char if char.isprintable() else " " for char in words[:most])
    return line if len(words) <= most else f"{line}…"


Fields = Annotated[Mapping[str, Any], AfterValidator(of_json)]
"""Fields of a JSON body."""


def _no_literal_key(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, text in headers.items():
        if CREDENTIAL.search(name) and not _ONLY_VARIABLE.fullmatch(text):
            # The value is not repeated: it is a key.
            raise ValueError(f'`{name}` contains a key; write the name of a variable instead, such as "${{AZURE_KEY}}"')
    return headers


def _no_key_field(body: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in body.items():
        if isinstance(value, str) and CREDENTIAL.search(name) and not name.endswith("_token"):
            raise ValueError(f"`{name}` contains a key, which is not allowed in bodies; put it in api_key or headers")
    return body


def _left_to_calls(params: Mapping[str, Any]) -> Mapping[str, Any]:
    if taken := sorted(params.keys() & SET_BY_CALL):
        raise ValueError(f"`{taken[0]}` is set by each call itself; leave it out here")
    return params


_Header = Annotated[str, AfterValidator(_header)]
_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Headers = Annotated[Mapping[_HeaderName, _Header], AfterValidator(_no_literal_key)]
Body = Annotated[Fields, AfterValidator(_no_key_field)]
Params = Annotated[Body, AfterValidator(_left_to_calls)]
"""Fields of a request's body, of a chain or of one link."""
Seconds = Annotated[float, BeforeValidator(_duration), Field(gt=0, le=MAX_SECONDS, strict=True, allow_inf_nan=False)]
SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)
Dollars = Annotated[float, Field(ge=0, le=1e6, strict=True, allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(_size), Field(gt=0, le=MAX_COUNT, strict=True)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Variables = Annotated[tuple[str, ...], BeforeValidator(_variables)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
