"""The values that models.yaml writes as text: durations, sizes, addresses, and the names of keys."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _duration(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", value.strip())
        if not match:
            raise ValueError(f"`{value}` is no duration. Write seconds as a number, or a unit: 30s, 5m, 7d")
        return float(match[1]) * _UNITS[match[2]]
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)", value.strip().upper())
        if not match:
            raise ValueError(f"`{value}` is no size. Write bytes as a number, or a unit: 200MB, 1GB")
        return int(float(match[1]) * _SIZES[match[2]])
    return value


def _variables(value: object) -> object:
    names = () if value is None else value if isinstance(value, list) else (value,)
    matches = [_VARIABLE.fullmatch(name.strip()) if isinstance(name, str) else None for name in names]
    if not all(matches):
        # The value is not repeated: it may be a key.
        raise ValueError('a key is written as the name of a variable, such as "${OPENROUTER_API_KEY}"')
    return tuple(match[1] for match in matches if match)


def _http_url(value: str) -> str:
    match = re.match(r"([A-Za-z][\w+.-]*):", value)
    if not re.match(r"https?://[^/\s]+", value):
        what = f"`{match[1]}:`" if match else "no scheme"
        raise ValueError(f"the address must begin with http:// or https://, not {what}")
    if re.match(r"https?://[^/\s]*@", value):
        raise ValueError("the address must not hold a user name or password")
    return value.rstrip("/")


def _header(value: str) -> str:
    if not value.isprintable():
        raise ValueError("a header holds no line breaks or other control characters")
    return value


Header = Annotated[str, AfterValidator(_header)]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Seconds = Annotated[float, BeforeValidator(_duration), Field(gt=0, strict=True, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(_size), Field(gt=0, strict=True)]
Variables = Annotated[tuple[str, ...], BeforeValidator(_variables)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
