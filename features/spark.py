"""Apache Spark as an engine: the session, tables as Ibis expressions, and NumPy on the workers.

Nothing here is imported unless a project names Spark as its engine; `features.engine` says in one
line what is missing where PySpark or Java is.
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import Broadcast, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from features.errors import EngineError
from features.reduce import Rows, Work, pairs_of, to_rows


@contextmanager
def _beside_pandas_3() -> Iterator[None]:
    """PySpark remarks that it is not tested with pandas 3; here Arrow alone crosses over."""
    with catch_warnings():
        filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


with _beside_pandas_3():
    from ibis.backends.pyspark import Backend

_LOGGING = Path(__file__).with_name("spark_log4j2.properties")
_PATIENCE_SECONDS = 10.0  # for a master to accept; its workers may take longer
_CHUNK_ROWS = 20_000  # of a matrix, so that a task stays far below the 128 MiB Spark can send
_SETTINGS = {
    "spark.app.name": "retention",
    "spark.driver.extraJavaOptions": f'-Dlog4j2.configurationFile="{_LOGGING.as_uri()}"',
    "spark.driver.maxResultSize": "0",  # the frame belongs to the driver, however large
    "spark.sql.ansi.enabled": "true",  # a sum that overflows is an error, not a null
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class _Compiler(PySparkCompiler):  # type: ignore[misc]  # Ibis ships no types
    """Ibis's Spark SQL, but for what would differ from DuckDB."""

    __slots__ = ()

    # Among the 32 bits of Spark's `hash` the values of a large company would collide.
    SIMPLE_OPS = PySparkCompiler.SIMPLE_OPS | {ops.Hash: "xxhash64", ops.BitOr: "bit_or"}


class SparkTables(Backend):  # type: ignore[misc]
    """An Ibis backend that fetches through Arrow: decimals and microseconds come as they are."""

    compiler = _Compiler()

    def frame(self, expression: ir.Expr) -> Any:
        """The expression as a Spark DataFrame, not computed yet."""
        self._run_pre_execute_hooks(expression)
        return self._session.sql(self.compile(expression.as_table()))

    @contextmanager
    def fetching(self, expression: ir.Expr) -> Iterator[Any]:
        """The Spark DataFrame while it is computed; forgets the small tables it joins after."""
        try:
            yield self.frame(expression)
        finally:
            for table in expression.op().find(ops.InMemoryTable):
                self._session.catalog.dropTempView(table.name)
                self._memtables.discard(table)

    def to_pyarrow(self, expr: ir.Expr, /, **_: Any) -> Any:
        """The value of an expression, in the Arrow types that DuckDB gives it."""
        with self.fetching(expr) as frame:
            return expr.__pyarrow_result__(frame.toArrow())

    def _register_in_memory_table(self, op: ops.InMemoryTable) -> None:
        frame = self._session.createDataFrame(op.data.to_pyarrow(op.schema))
        frame.createOrReplaceTempView(op.name)

    def in_blocks(self, expression: ir.Table, names: Sequence[str], size: int) -> "SparkBlocks":
        """The grouped rows of a scan, left where they are."""
        return SparkBlocks(self, expression, tuple(names), size)

    @property
    def context(self) -> SparkContext:
        """What broadcasts, and knows how many cores there are."""
        context: SparkContext = self._session.sparkContext
        return context


@dataclass(frozen=True)
class SparkBlocks:
    """The rows of a scan on Spark: those of a block meet on a worker, and the kernel with them."""

    tables: SparkTables
    expression: ir.Table
    names: tuple[str, ...]
    size: int

    def each(self, work: Work, out: np.ndarray, customer: np.ndarray, as_of: np.ndarray) -> None:
        """As `features.reduce.Blocks.each`; only what `work` makes of the rows is fetched."""
        if not len(customer):
            return
        shared = self.tables.context.broadcast((customer, as_of))
        run = self._runner(work, out, shared)
        rows = self.expression.mutate(block=(ibis._.customer // self.size).cast("int32"))
        with self.tables.fetching(rows) as frame, _beside_pandas_3():
            found = frame.groupBy("block").applyInArrow(run, "low int, filled binary").collect()
        shared.destroy()
        for low, filled in found:
            part = out[..., pairs_of(customer, low, self.size)]
            part[:] = np.frombuffer(filled, out.dtype).reshape(part.shape)
        blocks = np.arange(0, int(customer[-1]) + 1, self.size)
        none = np.empty(0, np.int32)
        nothing = Rows(none, none, none, np.empty((0, len(self.names)), np.int64))
        for low in np.setdiff1d(blocks, [low for low, _ in found]):
            pairs = pairs_of(customer, low, self.size)
            work(out[..., pairs], nothing, customer[pairs] - low, as_of[pairs])

    def _runner(
        self, work: Work, out: np.ndarray, shared: Broadcast[tuple[np.ndarray, np.ndarray]]
    ) -> Callable[[pa.Table], pa.Table]:
        """What a worker does with the rows of a block: the kernel, and its part of `out` back."""
        names, size, kind, shape = self.names, self.size, out.dtype, out.shape[:-1]
        blank = np.nan if kind.kind == "f" else 0  # as the caller allocates

        def run(table: pa.Table) -> pa.Table:
            low = table.column("block")[0].as_py() * size
            customer, as_of = shared.value
            pairs = pairs_of(customer, low, size)
            part = np.full((*shape, pairs.stop - pairs.start), blank, kind)
            rows = Rows.joined([to_rows(batch, names) for batch in table.to_batches()])
            rows = Rows(rows.customer - low, *rows.parts[1:])
            work(part, rows, customer[pairs] - low, as_of[pairs])
            return pa.table(
                {"low": pa.array([low], pa.int32()), "filled": pa.array([part.tobytes()])}
            )

        return run


def map_partitions(
    engine: str, function: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray
) -> np.ndarray:
    """`function` of the rows of a matrix, in one pass over its partitions.

    Parameters
    ----------
    function : callable
        From some rows to as many values, each of its row alone; broadcast once to every worker.
    matrix : float64 array of shape (n, f)

    Returns
    -------
    array of shape (n,), in the order of the rows
    """
    context = session(engine).sparkContext
    n_parts = max(context.defaultParallelism, -(-len(matrix) // _CHUNK_ROWS))
    shared = context.broadcast(function)
    parts = context.parallelize(np.array_split(matrix, n_parts), n_parts)
    found = parts.map(lambda part: shared.value(part)).collect()  # noqa: PLW0108  read over there
    shared.destroy()
    return np.concatenate(found)


def connect(engine: str) -> SparkTables:
    """The tables' backend on an engine; both share one session."""
    tables: SparkTables = SparkTables().connect(session(engine))
    return tables


def session(engine: str) -> SparkSession:
    """The session on a master such as `local[2]` or `spark://host:7077`, opened once.

    Settings beyond those that results depend on are Spark's own (`spark-defaults.conf`).

    Raises
    ------
    EngineError
        Without Java, or when the master does not answer.
    """
    running = SparkSession.getActiveSession()
    if running is not None and running.sparkContext.master == engine:
        return running
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise EngineError(f"engine {engine!r} needs Java 17, and no `java` was found")
    _reach(engine)
    if running is not None:
        running.stop()
    builder = SparkSession.builder.master(engine)
    for name, value in (_SETTINGS | _local_settings(engine)).items():
        builder = builder.config(name, value)
    try:
        with _beside_pandas_3():
            opened = builder.getOrCreate()
    except (PySparkException, Py4JError) as error:
        raise EngineError(
            f"engine {engine!r} needs Java 17 and, if a cluster, one that answers: {_said(error)}"
        ) from None
    if engine.startswith("local"):
        opened.sparkContext.pythonExec = sys.executable
    return opened


def _reach(engine: str) -> None:
    """Hold that a master listens; Spark by itself would ask a closed port for a minute.

    Raises
    ------
    EngineError
        When none of the addresses accepts a connection.
    """
    if not engine.startswith("spark://"):
        return
    refused = []
    for address in engine.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _PATIENCE_SECONDS).close()
        except (OSError, OverflowError) as error:  # no port is above 65,535
            refused.append(f"{address} ({getattr(error, 'strerror', None) or error})")
        else:
            return
    raise EngineError(f"engine {engine!r}: no Spark master listens at {', '.join(refused)}")


def _said(error: Exception) -> str:
    """What went wrong, in a line: Java's own words where the first line only says where."""
    first, *more = str(error).splitlines()
    return more[0].removeprefix(": ") if more and first.startswith("An error occurred") else first


def _local_settings(engine: str) -> dict[str, str]:
    """On one machine: loopback only, half of its memory, as many partitions as cores."""
    if not engine.startswith("local"):
        return {}
    cores = engine.removeprefix("local[").removesuffix("]")
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 21
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": f"{half}m",
        # Spark makes this folder even when no table is kept; here rather than where it was called.
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir(), "retention-spark-warehouse")),
        "spark.sql.shuffle.partitions": str(os.cpu_count()) if cores == "*" else cores,
    }
