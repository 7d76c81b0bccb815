"""Throughput of the service against `mlflow models serve` with the same model on this machine.

    python benchmarks/serving.py [--seconds 10] [--connections 8] [--customers 2000]

Both servers run one worker process each, one after the other; the load comes from a third process
over keep-alive connections. Both log every request to a file, as is their default. A request counts
when it was answered with 200.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

RESULTS = Path(__file__).parent / "results" / "serving.md"
BIN = Path(sys.executable).parent
TARGET = "churn"
NEEDED = {"GET one stored score": 4.0, "POST /v1/predictions, one row": 1.5}


@dataclass(frozen=True)
class Load:
    """What a load run saw: answers per second and milliseconds to an answer."""

    per_second: float
    p50: float
    p99: float


async def _connection(
    host: str, port: int, request: bytes, until: float, seen: list[float]
) -> None:
    """Send the request again and again over one connection; append the seconds each took."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"not answered with 200: {head[:200]!r}")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        seen.append(time.perf_counter() - start)
    writer.close()


def load(port: int, path: str, body: str | None, seconds: float, connections: int) -> Load:
    """Keep `connections` busy for so many seconds, after a second to warm up."""
    payload = (body or "").encode()
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    request = head.encode() + b"\r\n" + payload

    async def run(span: float) -> list[float]:
        seen: list[float] = []
        until = time.perf_counter() + span
        work = [_connection("127.0.0.1", port, request, until, seen) for _ in range(connections)]
        await asyncio.gather(*work)
        return sorted(seen)

    asyncio.run(run(1.0))
    seen = asyncio.run(run(seconds))
    at = [1000 * seen[int(share * (len(seen) - 1))] for share in (0.5, 0.99)]
    return Load(len(seen) / seconds, *at)


def free_port() -> int:
    """A loopback port that nobody holds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(command: list[str], port: int, ready: str, log: Path) -> Iterator[psutil.Process]:
    """A server process, from its first good answer at `ready` to its end."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent)
        try:
            for _ in range(600):
                if process.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended: {log.read_text()[-2000:]}")
                try:
                    with urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1):
                        break
                except (URLError, TimeoutError, ConnectionError):
                    time.sleep(0.1)
            yield psutil.Process(process.pid)
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.terminate()
                process.terminate()
                process.wait(30)


def megabytes(process: psutil.Process) -> float:
    """Resident memory of a server and its children."""
    family = [process, *process.children(recursive=True)]
    return float(sum(one.memory_info().rss for one in family)) / 2**20


def measured(port: int, path: str, body: str | None, options: argparse.Namespace) -> Load:
    """The load of a client process of its own."""
    ask = [str(port), path, body, options.seconds, options.connections]
    command = [sys.executable, __file__, "--client", json.dumps(ask)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Load(**json.loads(done.stdout))


def fetch(port: int, path: str) -> Any:
    """A JSON answer."""
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.load(answer)


def ours(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Load], float, str]:
    """Both loads on the service; the body for the other server, with the same row."""
    port = free_port()
    os.environ["RETENTION_PROJECT"] = str(folder / "demo" / "retention.toml")
    command = [str(BIN / "uvicorn"), "serving.app:app", "--port", str(port)]
    with server(command, port, "/readyz", folder / "service.log") as process:
        customer = fetch(port, f"/v1/scores?target={TARGET}&limit=1")["scores"][0]["customer_id"]
        path = f"/v1/customers/{customer}/scores/{TARGET}"
        row = fetch(port, f"{path}?include=features")["features"]
        body = json.dumps({"target": TARGET, "rows": [{"features": row}]})
        loads = {
            "GET one stored score": measured(port, path, None, options),
            "POST /v1/predictions, one row": measured(port, "/v1/predictions", body, options),
        }
        split = {"columns": list(row), "data": [list(row.values())]}
        return loads, megabytes(process), json.dumps({"dataframe_split": split})


def theirs(folder: Path, body: str, options: argparse.Namespace) -> tuple[Load, float]:
    """The same row through `mlflow models serve`."""
    port = free_port()
    outputs = next((folder / "demo" / ".retention").iterdir())
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{outputs / 'mlflow.db'}"
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"  # it starts `uvicorn` by name
    uri = f"models:/{outputs.name}.{TARGET}@champion"
    command = [str(BIN / "mlflow"), "models", "serve", "-m", uri, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with server(command, port, "/ping", folder / "mlflow.log") as process:
        return measured(port, "/invocations", body, options), megabytes(process)


def report(own: dict[str, Load], memory: float, other: tuple[Load, float], command: str) -> str:
    """The table as Markdown, with machine, versions and command."""
    base, base_memory = other
    lines = [
        "# Serving, against `mlflow models serve`",
        "",
        "Same model, same row, same machine, one worker process each, one after the other.",
        "",
        "| request | answers/s | p50 ms | p99 ms | server MiB | times MLflow | needed |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = [("MLflow: POST /invocations, one row", base, base_memory, "")]
    rows += [(name, one, memory, f"{NEEDED[name]:.1f}") for name, one in own.items()]
    for name, one, size, needed in rows:
        speed = f"{one.per_second:,.0f} | {one.p50:.1f} | {one.p99:.1f} | {size:,.0f}"
        lines.append(f"| {name} | {speed} | {one.per_second / base.per_second:.1f} | {needed} |")
    libraries = ("fastapi", "uvicorn", "mlflow", "lightgbm")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    lines += [
        "",
        f"{machine}, Python {platform.python_version()}, {versions}.",
        "",
        f"    {command}",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Make a sample company, train it, load both servers, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where `retention demo` ran already")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, path, body, seconds, connections = json.loads(options.client)
        print(json.dumps(asdict(load(int(port), path, body, seconds, connections))))
        return
    with tempfile.TemporaryDirectory(prefix="serving-benchmark-") as name:
        folder = options.folder or Path(name)
        if not (folder / "demo").exists():
            demo = [BIN / "retention", "demo", "--no-serve", "--customers", str(options.customers)]
            subprocess.run(demo, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        own, memory, body = ours(folder, options)
        other = theirs(folder, body, options)
    command = (
        f"python benchmarks/serving.py --seconds {options.seconds:g}"
        f" --connections {options.connections} --customers {options.customers}"
    )
    table = report(own, memory, other, command)
    print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(table, encoding="utf-8")
    if any(one.per_second < NEEDED[name] * other[0].per_second for name, one in own.items()):
        sys.exit("slower than needed")


if __name__ == "__main__":
    main()
