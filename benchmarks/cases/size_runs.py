"""Runs of a benchmark in processes of their own, which tell what they found as lines of JSON."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in found]
    for one in found:
        one.close()
    return ports


def child(*words: str) -> subprocess.Popen[str]:
    """The running script in a process of its own; it prints JSON."""
    command = [sys.executable, sys.argv[0], *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def answers(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What a child prints, as it comes; its failure is this script's."""
    for line in process.stdout or ():
        yield json.loads(line)
    if process.wait():
        raise SystemExit(f"a run failed with {process.returncode}")


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The one thing that a child printed."""
    (found,) = answers(process)
    return found


def tell(found: dict[str, Any]) -> None:
    """A line of what a child found, whatever has become of `sys.stdout`."""
    (sys.__stdout__ or sys.stdout).write(f"{json.dumps(found)}\n")
    (sys.__stdout__ or sys.stdout).flush()
