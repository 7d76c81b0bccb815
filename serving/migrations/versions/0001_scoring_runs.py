"""Scoring runs: models, customers, external ids, scores and the rows they came from."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ("scores", "score_rows", "run_external_ids", "run_customers", "run_models")


def upgrade() -> None:
    """Bring the tables to this version."""
    _create_runs()
    _create_models()
    _create_customers()
    _create_scores()


def downgrade() -> None:
    """Take this version back."""
    for table in (*_TABLES, "scoring_runs"):
        op.drop_table(table)


def _run_id(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    """The column that ties a row to its run."""
    name = f"fk_{table}_scoring_runs"
    return (
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["scoring_runs.id"], name=name),
    )


def _create_runs() -> None:
    op.create_table(
        "scoring_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("as_of", sa.DateTime()),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("published_at", sa.DateTime()),
        sa.Column("data_end", sa.DateTime()),
        sa.Column("usage_to", sa.DateTime()),
        sa.Column("counts", sa.JSON()),
        sa.Column("error", sa.String()),
        sa.PrimaryKeyConstraint("id", name="pk_scoring_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_scoring_runs_current",
        "scoring_runs",
        ["project"],
        unique=True,
        sqlite_where=sa.text("is_current"),
        postgresql_where=sa.text("is_current"),
    )


def _create_models() -> None:
    op.create_table(
        "run_models",
        *_run_id("run_models"),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("bands", sa.JSON(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("version", sa.Integer()),
        sa.Column("grade", sa.String()),
        sa.Column("trained_at", sa.DateTime()),
        sa.Column("features", sa.JSON()),
        sa.PrimaryKeyConstraint("run_id", "target", name="pk_run_models"),
    )


def _create_customers() -> None:
    op.create_table(
        "run_customers",
        *_run_id("run_customers"),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("name", sa.String()),
        sa.Column("segment", sa.String()),
        sa.Column("owner_id", sa.String()),
        sa.Column("plan_id", sa.String()),
        sa.Column("country", sa.String()),
        sa.Column("external_ids", sa.JSON(), nullable=False),
        sa.Column("renewal_at", sa.DateTime()),
        sa.Column("mrr_micro", sa.BigInteger()),
        sa.Column("currency", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "customer_id", name="pk_run_customers"),
        sqlite_with_rowid=False,
    )
    keys = ("run_id", "system", "value", "customer_id")
    op.create_table(
        "run_external_ids",
        *_run_id("run_external_ids"),
        *(sa.Column(name, sa.String(), nullable=False) for name in keys[1:]),
        sa.PrimaryKeyConstraint(*keys, name="pk_run_external_ids"),
        sqlite_with_rowid=False,
    )


def _create_scores() -> None:
    op.create_table(
        "scores",
        *_run_id("scores"),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("not_scored_reason", sa.String()),
        sa.Column("probability", sa.Double()),
        sa.Column("band", sa.String()),
        sa.Column("percentile", sa.Integer()),
        sa.Column("rank", sa.Integer()),
        sa.Column("value_micro", sa.BigInteger()),
        sa.Column("expected_micro", sa.BigInteger()),
        sa.Column("expected_kind", sa.String(), nullable=False),
        sa.Column("expected_reason", sa.String()),
        sa.Column("renewal_in_horizon", sa.Boolean()),
        sa.Column("out_of_fold", sa.Boolean(), nullable=False),
        sa.Column("previous_probability", sa.Double()),
        sa.Column("previous_band", sa.String()),
        sa.Column("previous_as_of", sa.DateTime()),
        sa.Column("reasons", sa.JSON()),
        sa.PrimaryKeyConstraint("run_id", "target", "customer_id", name="pk_scores"),
        sqlite_with_rowid=False,
    )
    for columns in (
        ["run_id", "target", "rank"],
        ["run_id", "target", "probability", "customer_id"],
    ):
        op.create_index(f"ix_scores_{'_'.join(columns)}", "scores", columns)
    op.create_table(
        "score_rows",
        *_run_id("score_rows"),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("row", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "target", "customer_id", name="pk_score_rows"),
        sqlite_with_rowid=False,
    )
