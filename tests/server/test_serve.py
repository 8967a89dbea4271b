"""The endpoint without pages, as it starts."""

from __future__ import annotations

import pytest

from tests.server.conftest import Serve
from tests.upstream import Upstream, chain_yaml


def test_what_does_not_work_as_models_yaml_says_is_in_the_log(
    serve: Serve, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    grades = {"checks": [{"type": "nonsense"}]}
    experiment = {"category": "chat", "candidate": ["other"], "share": 0.1, "grades": grades}
    keys = {"team-a": "${LAB_KEY_TEAM_A}"}
    serve(chain_yaml(upstream, "primary"), server={"keys": keys}, experiments={"graded": experiment})
    assert "LAB_KEY_TEAM_A is not set: team-a cannot call the endpoint." in caplog.text
    assert "The experiment `graded` grades no answers" in caplog.text
