"""promptfoo's templates: plain names are filled, and nothing else is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from router.evaluate.importers.imported import NotTaken
from router.evaluate.importers.promptfoo.templates import render, resolved

VARS = {
    "name": "Ada",
    "n": 3,
    "half": 0.5,
    "whole": 2.0,
    "yes": True,
    "none": None,
    "place": {"city": "Rome"},
    "l": [1],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hello {{name}} and {{ name }}!", "Hello Ada and Ada!"),
        ("{{n}} {{half}} {{whole}} {{yes}}", "3 0.5 2 true"),
        ("[{{none}}]", "[]"),
        ("{{place.city}}", "Rome"),
        ("{{place}} {{l}}", '{"city":"Rome"} [1]'),
        ("{name} {{{ name }", "{name} {{{ name }"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
    ],
)
def test_plain_names_are_filled(template: str, text: str) -> None:
    assert render(template, VARS) == text


def test_all_texts_of_a_value_are_filled_but_no_names() -> None:
    assert render({"{{n}}": ["{{n}}", 5, None]}, VARS) == {"{{n}}": ["3", 5, None]}


@pytest.mark.parametrize(
    "template",
    [
        *("{{ name | upper }}", "{{ name() }}", "{{ [].constructor }}", "{{ n + 1 }}", "{{ 'x' }}", "{{ l[0] }}"),
        *(
            "{% for x in l %}{{x}}{% endfor %}",
            "{# note #}",
            "{{- name }}",
            "{{ range(10**9) }}",
            "{{}}",
            "{{ name {{n}} | upper }}",
            "{{\nname | safe }}",
        ),
        *("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "{% raw %}{{name}}{% endraw %}"),
    ],
)
def test_a_template_that_computes_is_refused(template: str) -> None:
    with pytest.raises(NotTaken, match="Its template computes something"):
        render(template, VARS)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{gone}}", "needs `{{gone}}`"),
        ("{{place.x}}", "needs"),
        ("{{name.x}}", "needs"),
        ("{{env.HOME}}", "reads the env"),
    ],
)
def test_a_name_without_a_value_is_refused(template: str, words: str) -> None:
    with pytest.raises(NotTaken, match=words):
        render(template, VARS)


def test_variables_in_variables_are_filled() -> None:
    given = {"a": "{{b}}!", "b": "{{c}}?\n", "c": "x"}
    assert resolved(given) == {"a": "x?!", "b": "x?", "c": "x"}


def test_what_a_value_says_is_no_template_of_the_prompt() -> None:
    """What a variable brings in is filled where variables are, with the same rules."""
    with pytest.raises(NotTaken, match="computes"):
        resolved({"a": "{{ b | safe }}"})


@pytest.mark.parametrize("given", [{"a": "{{a}}"}, {"a": "{{b}}", "b": "{{a}}"}])
def test_variables_in_a_circle_are_refused(given: Any) -> None:
    with pytest.raises(NotTaken, match="need each other"):
        resolved(given)


@pytest.mark.parametrize(
    "given",
    [
        {"a": "{{a}}{{a}}"},
        {**{f"v{n}": f"{{{{v{n + 1}}}}}" * 100 for n in range(9)}, "v9": "x" * 100},
        {"a": "{{b}}" * 100_000, "b": "x" * 100_000},
    ],
    ids=["itself", "tenfold", "long"],
)
def test_variables_that_grow_without_end_are_refused_in_time(given: Any) -> None:
    started = time.process_time()
    with pytest.raises(NotTaken, match=r"grows beyond 1,000,000|computes"):
        render("".join(f"{{{{{name}}}}}" for name in given) * 50, resolved(given))
    assert time.process_time() - started < 10
