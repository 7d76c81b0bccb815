"""Beside a score: whether to contact and what that earns, the cause, the remaining lifetime."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("contact", sa.Boolean()),
        sa.Column("contact_profit_micro", sa.BigInteger()),
        sa.Column("involuntary", sa.Double()),
        sa.Column("remaining_months", sa.Double()),
        sa.Column("lifetime_value_micro", sa.BigInteger()),
    )


def upgrade() -> None:
    """Bring the tables to this version."""
    for column in _columns():
        op.add_column("scores", column)


def downgrade() -> None:
    """Take this version back."""
    for column in _columns():
        op.drop_column("scores", column.name)
