"""The templates of all pages: served ones, and files that need nothing beside them."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PAGES: Final = Path(__file__).parent / "pages"


def templates(**helpers: Any) -> Environment:
    """The templates with helpers by name; all is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(PAGES / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= helpers
    return made


def report_page(template: str, helpers: dict[str, Any], **values: Any) -> str:
    """HTML of a report as a file of its own, its style inside."""
    style = (PAGES / "static" / "readiness.css").read_text(encoding="utf-8")
    return templates(**helpers).get_template(template).render(style=style, **values)
