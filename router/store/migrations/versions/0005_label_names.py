"""Labels of hourly summaries by their names, no longer by their order: a label can be added."""

from alembic import op

revision = "0005"
down_revision = "0004"

_REQUESTS = {
    "category": 0, "chain": 1, "source": 2, "outcome": 3, "path": 4, "model": 5, "place": 6, "cached": 7, "shared": 8,
    "injected": 9, "stand_in": 10, "keyless": 11,
}  # fmt: skip
_ATTEMPTS = {
    "category": 2, "source": 3, "model": 0, "provider": 1, "place": 6, "number": 7, "outcome": 4, "reason": 5,
    "cached": 8, "shared": 9, "injected": 10,
}  # fmt: skip


def upgrade() -> None:
    for labels in (_REQUESTS, _ATTEMPTS):
        named = ", ".join(f"'{name}', json_extract(labels, '$[{index}]')" for name, index in labels.items())
        op.execute(
            f"UPDATE kinds SET labels = json_object({named})"  # noqa: S608  # our own names
            f" WHERE json_type(labels) = 'array' AND json_array_length(labels) = {len(labels)}"
        )
