"""The section `server` of models.yaml: who may call the endpoint, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from router.config.values import Bytes, Count, Data, Dollars, Variables

MAX_CALLERS = 1_000


class Caller(Data):
    """Somebody with a key of the endpoint's.

    Attributes:
        key: the variables that may hold it.
        dollars_per_day: what their requests may cost in a day (UTC), in US dollars; None is no limit.
        requests_per_minute: how many they may send in any 60 seconds; None is no limit.
        unpriced: whether requests go on where a cost of today is unknown, so that the budget cannot be kept.
    """

    key: Variables
    dollars_per_day: Dollars | None = None
    requests_per_minute: Count | None = None
    unpriced: Literal["allow", "refuse"] = "allow"

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"key": value}

    @pydantic.field_validator("key")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError('a caller needs a key: the name of a variable, such as "${LAB_KEY_TEAM_A}"')
        return value


_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class ServerConfig(Data):
    """The endpoint's settings.

    Attributes:
        keys: callers by name; without any, the endpoint answers this machine alone.
        aliases: which category or model stands behind a name that callers send; `*` stands for any characters.
        max_in_flight: requests answered at once; what comes on top is refused with 429.
        max_body: bytes of one request's body.
    """

    keys: Annotated[Mapping[_Name, Caller], Field(max_length=MAX_CALLERS)] = {}
    aliases: Mapping[str, str] = {}
    max_in_flight: Count = 1_000
    max_body: Bytes = 32_000_000

    def unaliased(self, name: str) -> str:
        """What stands behind a name: the first alias that fits it, or itself."""
        return next((target for pattern, target in self.aliases.items() if fnmatchcase(name, pattern)), name)

    @pydantic.field_validator("keys", "aliases", mode="before")
    @classmethod
    def _not_null(cls, value: Any) -> Any:
        return {} if value is None else value

    @pydantic.field_validator("keys")
    @classmethod
    def _each_its_own(cls, value: Mapping[str, Caller]) -> Mapping[str, Caller]:
        """Of two callers with one key, neither the limits nor the costs could be told apart."""
        owners: dict[str, str] = {}
        for name, caller in value.items():
            for variable in caller.key:
                if (owner := owners.setdefault(variable, name)) != name:
                    raise ValueError(f"`{owner}` and `{name}` have the same key, {variable}; give each its own")
        return value
