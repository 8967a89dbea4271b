"""Our own library: a program that asks the chains."""

from __future__ import annotations

from collections.abc import Sequence

from router.config.chains import Chain
from router.config.schema import Config
from router.gateways.exported import Exported

_PROGRAM = '''\
"""Asks the chains of models.yaml; see docs/library.md of Fallback Lab."""

import argparse
import asyncio

from router import Router
from router.core.attempts import Completion
from router.core.errors import FallbackLabError

MODELS = {path!r}
CATEGORIES = {categories!r}


async def ask(category: str, prompt: str) -> Completion:
    """The answer of the first model of a chain that gives one.

    Raises:
        AllModelsFailed: none does; its text is one sentence, its `attempts` tell why each one failed.
    """
    async with Router.open(MODELS) as router:  # a service opens one for its whole life
        return await router.ask(category, [{{"role": "user", "content": prompt}}])


def main() -> None:
    """Print an answer, and who gave it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--category", choices=CATEGORIES, default=CATEGORIES[0])
    args = parser.parse_args()
    try:
        completion = asyncio.run(ask(args.category, args.prompt))
    except FallbackLabError as error:
        parser.exit(1, f"{{error}}\\n")
    print(completion.answer.text)
    print(f"{{completion.attempts[-1].model}}, after {{len(completion.attempts) - 1}} failed or skipped calls")


if __name__ == "__main__":
    main()
'''


def to_python(config: Config, chains: Sequence[Chain]) -> Exported:
    """A program that asks the chains of this models.yaml; nothing is lost."""
    text = _PROGRAM.format(path=str(config.path.absolute()), categories=[str(chain.name) for chain in chains])
    return Exported(text, (), "ask.py", "python")
