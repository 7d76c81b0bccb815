"""A company's own features: Python files that its project names, read like the built-in families.

Registered are those of one project at a time: the one that builds.
"""

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path

from features.declare import DERIVED, MEASURES
from features.errors import ProjectError
from features.project import Project


class _Registered:
    """Which own features are registered now."""

    code: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


def use_own(project: Project) -> None:
    """Register the features of the files that a project names, and no other project's.

    Raises
    ------
    ProjectError
        A file is missing, does not run, or names a feature that there is already.
    """
    code = own_code(project)
    if code == _Registered.code:
        return
    _forget(_Registered.names)
    _Registered.code, _Registered.names = (), frozenset()
    built_in = {*MEASURES, *DERIVED}
    try:
        for path in _files(project):
            _run(path)
    except ProjectError:
        _forget({*MEASURES, *DERIVED} - built_in)
        raise
    _Registered.code, _Registered.names = code, frozenset({*MEASURES, *DERIVED} - built_in)


def own_code(project: Project) -> tuple[str, ...]:
    """A fingerprint of each file: a changed feature is a changed frame."""
    return tuple(
        f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        for path in _files(project)
    )


def _files(project: Project) -> list[Path]:
    files = [project.folder / name for name in project.features]
    for name, path in zip(project.features, files, strict=True):
        if not path.is_file() or path.suffix != ".py":
            raise ProjectError(f"{project.path}: features: {name!r} is not a Python file there")
    return files


def _forget(names: frozenset[str] | set[str]) -> None:
    for name in names:
        MEASURES.pop(name, None)
        DERIVED.pop(name, None)


def _run(path: Path) -> None:
    """Import a file as a module of its own; its declarations register themselves."""
    name = f"own.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProjectError(f"{path}: cannot be imported")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file does wrong is told in one line
        lines = [
            f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
        ]
        line = lines[-1] if lines else getattr(error, "lineno", "?")
        raise ProjectError(f"{path}, line {line}: {type(error).__name__}: {error}") from error
