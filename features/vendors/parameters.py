"""What a project file may set of a mapping: files, columns, and a few ways of reading."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from features.errors import ProjectError
from features.project_checks import choice

_READING = ("date_format", "deduplicate", "delimiter")  # settings of every source of the vendor
_NULL = "NULL::VARCHAR"
_COLUMN = re.compile(r"[A-Za-z_][\w ]*")


@dataclass(frozen=True)
class Settings:
    """What was chosen for one vendor."""

    sql: Mapping[str, str]  # parameter -> SQL in its place
    files: Mapping[str, str]  # input -> file
    reading: Mapping[str, Any]
    connection: str | None = None  # whose tables are the inputs
    schema: str | None = None

    def given(self, parameter: str) -> bool:
        """Whether a parameter has a value, by the project or by default."""
        return self.sql[parameter] != _NULL

    def file(self, name: str) -> str | None:
        """The file that the project names for an input."""
        return self.files.get(name)

    def relation(self, table: str) -> str:
        """A table of the connection, with its schema where it has none."""
        if self.schema is None or "." in table:
            return table
        return f"{self.schema}.{table}"

    def fill(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """A source of the mapping with `{parameter}` replaced in its SQL."""
        filled = dict(entry) | dict(self.reading)
        for key in ("query", "where"):
            if key in filled:
                filled[key] = self._replaced(str(filled[key]))
        return filled

    def _replaced(self, text: str) -> str:
        for name, sql in self.sql.items():
            text = text.replace("{" + name + "}", sql)
        return text


def settings_of(
    name: str, declared: Mapping[str, str], given: Mapping[str, Any], raw: Mapping[str, Any]
) -> Settings:
    """What `[vendors.NAME]` sets over what the mapping declares.

    A value is the name of a column (letters, digits, blanks), or else SQL; an empty one is null.
    `files` names files (or tables of a `connection`) by input. In a query `{X}` is the parameter X,
    `{has_X}` whether it has a value, `{project_currency}` the project's currency.

    Raises
    ------
    ProjectError
        A parameter that the mapping does not have.
    """
    allowed = [*declared, "files", "connection", "schema", *_READING]
    for key in given:
        if key not in allowed:
            raise ProjectError(f"vendors.{name}: {key!r} is no setting; {choice(key, allowed)}")
    for key in (*declared, "connection", "schema"):
        if not isinstance(given.get(key, ""), str):
            raise ProjectError(f"vendors.{name}.{key}: expected a text; got {given[key]!r}")
    sql = {key: _sql(given.get(key, default)) for key, default in declared.items()}
    sql |= {f"has_{key}": str(text != _NULL).upper() for key, text in sql.items()}
    sql["project_currency"] = "'" + str(raw.get("currency", "USD")).replace("'", "''") + "'"
    files = given.get("files", {})
    if not isinstance(files, Mapping):
        raise ProjectError(f"vendors.{name}.files: expected a table of names; got {files!r}")
    reading = {key: given[key] for key in _READING if key in given}
    return Settings(sql, files, reading, given.get("connection"), given.get("schema"))


def _sql(value: str) -> str:
    if not value.strip():
        return _NULL
    return f'"{value}"' if _COLUMN.fullmatch(value) else f"({value})"
