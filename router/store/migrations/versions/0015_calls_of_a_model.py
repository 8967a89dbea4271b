"""An index for the newest calls of a model: without it, all calls were read for a model that is hardly ever asked."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index("observations_model", "observations", ["model", "started"])
