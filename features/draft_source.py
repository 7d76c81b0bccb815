"""One source of a project file that is being drafted, as lines of TOML."""

import json
from dataclasses import dataclass, field

from features.draft_look import LookedAt
from features.tables import TABLES


@dataclass
class Draft:
    """One source being drafted: its lines of TOML, and what is not sure about it."""

    table: str
    file: LookedAt
    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str | int] = field(default_factory=dict)
    expressions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The source as TOML."""
        lines = [f"# guess: {doubt}" for doubt in self.doubts]
        lines += [f"[[sources.{self.table}]]", f"file = {toml_value(self.file.name)}"]
        if self.file.delimiter:
            lines.append(f"delimiter = {toml_value(self.file.delimiter)}")
        lines += [f"{key} = {toml_value(value)}" for key, value in self.settings.items()]
        for name in ("columns", "constants", "expressions"):
            values: dict[str, object] = getattr(self, name)
            lines += [f"{name}.{key} = {toml_value(value)}" for key, value in values.items()]
        used = set(self.columns.values()) | set(TABLES[self.table].names)
        text = " ".join(map(str, [*self.expressions.values(), *self.settings.values()]))
        unused = [c.name for c in self.file.columns if c.name not in used and c.name not in text]
        if unused:
            lines.append(f"# not mapped: {', '.join(unused)}")
        return "\n".join(lines)


def toml_value(value: object) -> str:
    """A TOML value; JSON writes texts, numbers, flags and lists the same way."""
    return json.dumps(value, ensure_ascii=False)
