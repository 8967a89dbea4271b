"""Keys: where they come from, and that they stay out of everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from router.config.keys import Keys, Secret

KEY = "sk-or-v1-0123456789abcdef"


URL = "http://127.0.0.1:1/v1/chat/completions"


def opened(folder: Path, environ: Mapping[str, str]) -> Keys:
    """Keys of an environment whose variables may all be used."""
    return Keys(folder, {**environ, "FALLBACK_LAB_KEYS": ",".join(environ)})


def write_env(folder: Path, value: str) -> None:
    (folder / ".env").write_text(f"A_KEY={value}\n")


def write_secrets(folder: Path, value: str) -> None:
    (folder / ".streamlit").mkdir(exist_ok=True)
    (folder / ".streamlit" / "secrets.toml").write_text(f'A_KEY = "{value}"\n[table]\nA_KEY = "nested"\n')


def value(keys: Keys, name: str = "A_KEY") -> str | None:
    secret = keys.get(URL, name)
    return secret.reveal() if secret else None


# --- Where they come from --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sources", "winner"),
    [
        ({"typed", "environment", "env file", "secrets"}, "typed"),
        ({"environment", "env file", "secrets"}, "environment"),
        ({"env file", "secrets"}, "env-file"),
        ({"secrets"}, "secrets"),
        (set[str](), None),
    ],
    ids=["typed", "environment", ".env", "secrets.toml", "nowhere"],
)
def test_the_first_source_that_has_a_key_gives_it(tmp_path: Path, sources: set[str], winner: str | None) -> None:
    keys = opened(tmp_path, {"A_KEY": "environment"} if "environment" in sources else {})
    if "typed" in sources:
        keys.hold("A_KEY", "typed")
    if "env file" in sources:
        write_env(tmp_path, "env-file")
    if "secrets" in sources:
        write_secrets(tmp_path, "secrets")
    assert value(keys) == winner


def test_an_empty_variable_is_skipped(tmp_path: Path) -> None:
    write_env(tmp_path, KEY)
    assert value(opened(tmp_path, {"A_KEY": "  "})) == KEY


@pytest.mark.parametrize("write", [write_env, write_secrets], ids=[".env", "secrets.toml"])
def test_a_key_file_that_changes_is_read_again(tmp_path: Path, write: object) -> None:
    assert callable(write)
    write(tmp_path, "before")
    keys = opened(tmp_path, {})
    before = value(keys)
    write(tmp_path, "afterwards")
    assert (before, value(keys)) == ("before", "afterwards")


def test_a_key_file_that_appears_is_read(tmp_path: Path) -> None:
    keys = opened(tmp_path, {})
    assert value(keys) is None
    write_env(tmp_path, KEY)
    assert value(keys) == KEY


def test_a_key_file_that_goes_takes_its_keys_along(tmp_path: Path) -> None:
    write_env(tmp_path, KEY)
    keys = opened(tmp_path, {})
    assert value(keys) == KEY
    (tmp_path / ".env").unlink()
    assert value(keys) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [(".env", b"A_KEY=\xff\n"), (".streamlit/secrets.toml", b"A_KEY = "), (".streamlit/secrets.toml", b"\xff")],
)
def test_a_key_file_that_cannot_be_read_holds_no_keys(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    assert value(opened(tmp_path, {})) is None


def test_a_key_in_the_env_file_is_taken_as_it_stands(tmp_path: Path) -> None:
    write_env(tmp_path, "'a${HOME}b'")
    assert value(opened(tmp_path, {})) == "a${HOME}b"


def test_an_emptied_field_forgets_its_key(tmp_path: Path) -> None:
    keys = opened(tmp_path, {})
    keys.hold("A_KEY", KEY)
    keys.hold("A_KEY", " ")
    assert value(keys) is None


# --- Several names ---------------------------------------------------------------------------------

NAMES = ("A_KEY", "B_KEY", "C_KEY")


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"A_KEY": "of-a", "B_KEY": "of-b"}, "A_KEY"),
        ({"B_KEY": "of-b", "C_KEY": "of-c"}, "B_KEY"),
        ({"A_KEY": " ", "C_KEY": "of-c"}, "C_KEY"),
    ],
)
def test_the_first_name_that_is_set_gives_the_key(tmp_path: Path, environ: dict[str, str], name: str) -> None:
    keys = opened(tmp_path, environ)
    secret = keys.get(URL, *NAMES)
    assert (keys.name(*NAMES), secret and secret.reveal()) == (name, environ[name])


def test_an_earlier_name_wins_over_an_earlier_source(tmp_path: Path) -> None:
    write_env(tmp_path, "of-a")
    keys = opened(tmp_path, {"B_KEY": "of-b"})
    keys.hold("B_KEY", "typed")
    assert keys.name("A_KEY", "B_KEY") == "A_KEY"


def test_where_none_is_set_the_problem_names_all(tmp_path: Path) -> None:
    assert opened(tmp_path, {}).problem(*NAMES) == "none of A_KEY, B_KEY, C_KEY is set"


def test_one_that_is_set_is_enough(tmp_path: Path) -> None:
    assert opened(tmp_path, {"C_KEY": KEY}).problem(*NAMES) is None


def test_the_one_that_cannot_be_used_is_named_alone(tmp_path: Path) -> None:
    problem = opened(tmp_path, {"B_KEY": "two words"}).problem(*NAMES) or ""
    assert problem.startswith("B_KEY contains")


def test_no_name_is_no_key_and_no_problem(tmp_path: Path) -> None:
    keys = opened(tmp_path, {"A_KEY": KEY})
    assert (keys.get(URL), keys.name(), keys.problem()) == (None, None, None)


def test_keys_of_all_names_are_scrubbed(tmp_path: Path) -> None:
    keys = opened(tmp_path, {"MY_PASS": "password-one", "YOUR_PASS": "password-two"})
    keys.get(URL, "MY_PASS", "YOUR_PASS")
    assert keys.scrub("password-one, password-two") == "***, ***"


# --- Whether they can be used ----------------------------------------------------------------------


def test_white_space_around_a_key_is_dropped(tmp_path: Path) -> None:
    assert value(opened(tmp_path, {"A_KEY": f" {KEY}\n"})) == KEY


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk one", "sk-\x00", "sk-ключ", "sk-\x7f"])
def test_a_key_that_no_header_can_carry_is_a_problem_that_does_not_repeat_it(tmp_path: Path, key: str) -> None:
    problem = opened(tmp_path, {"A_KEY": key}).problem("A_KEY") or ""
    assert (
        problem.startswith("A_KEY contains a line break, a space or another character that keys cannot contain")
        and key not in problem
    )


def test_a_missing_key_is_a_problem_by_name(tmp_path: Path) -> None:
    assert opened(tmp_path, {}).problem("A_KEY") == "A_KEY is not set"


def test_a_good_key_is_no_problem(tmp_path: Path) -> None:
    assert opened(tmp_path, {"A_KEY": KEY}).problem("A_KEY") is None


# --- Staying out of everything else ----------------------------------------------------------------


def test_a_secret_prints_as_stars() -> None:
    secret = Secret(KEY)
    assert {str(secret), repr(secret), f"{secret}", f"{[secret]}"} == {"***", "[***]"}


def test_a_secret_has_no_attributes_to_print() -> None:
    assert not hasattr(Secret(KEY), "__dict__")


@pytest.mark.parametrize("source", ["typed", "environment", ".env", "secrets.toml"])
@pytest.mark.parametrize("around", ["", "\n"], ids=["clean", "with a line break after it"])
def test_a_key_of_any_source_is_scrubbed(tmp_path: Path, source: str, around: str) -> None:
    keys = opened(tmp_path, {"A_KEY": KEY + around} if source == "environment" else {})
    if source == "typed":
        keys.hold("A_KEY", KEY + around)
    elif source == ".env":
        write_env(tmp_path, f'"{KEY}{around}"')
    elif source == "secrets.toml":
        write_secrets(tmp_path, KEY + ("\\n" if around else ""))
    assert value(keys) == KEY
    assert keys.scrub(f"Bearer {KEY} is wrong") == "Bearer *** is wrong"


def test_a_key_is_scrubbed_whatever_its_variable_is_called(tmp_path: Path) -> None:
    keys = opened(tmp_path, {"MY_PASS": KEY})
    assert value(keys, "MY_PASS") == KEY
    assert keys.scrub(f"Bearer {KEY}") == "Bearer ***"


def test_a_key_that_begins_with_another_key_is_scrubbed_whole(tmp_path: Path) -> None:
    keys = opened(tmp_path, {"A_KEY": KEY, "B_KEY": KEY + "-and-more"})
    assert keys.scrub(KEY + "-and-more") == "***"


def test_what_is_no_key_stays(tmp_path: Path) -> None:
    keys = opened(tmp_path, {"A_KEY": KEY, "HOME": "/home/somebody", "B_KEY": "short"})
    assert keys.scrub("short text in /home/somebody") == "short text in /home/somebody"
