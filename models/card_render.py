"""A document of sections as Markdown and as one HTML page that needs nothing else."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #d7dce3; --soft: #f4f6f9; --quiet: #55606f; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a424d; --soft: #20252c; --quiet: #a8b3c2; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left; }
th { color: var(--quiet); font-weight: 600; }
td { vertical-align: top; }
td:first-child { min-width: 9rem; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
summary { cursor: pointer; font-weight: 600; padding: .3rem 0; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; padding: .5rem; }
li { margin: .2rem 0; }
"""
_NUMBER = re.compile(r"-?\d[\d,.]*( %)?( \(.*\))?")


@dataclass(frozen=True)
class Table:
    """Rows under column names; with a `title` it can be folded away."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """A chart by its name, and what it shows for whoever cannot see it."""

    name: str
    says: str


Block = str | Table | Points | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


def markdown(title: str, sections: Sequence[Section], folder: str = "charts") -> str:
    """The document as Markdown; pictures are the PNG files of a folder beside it."""
    lines = [f"# {_plain(title)}"]
    for section in sections:
        lines += ["", f"## {_plain(section.title)}"]
        for block in section.blocks:
            lines += ["", *_as_markdown(block, folder)]
    return "\n".join(lines) + "\n"


def html(title: str, sections: Sequence[Section], pictures: Mapping[str, str]) -> str:
    """The document as a page of its own; `pictures` are SVG texts by name."""
    body = "\n".join(
        f"<section>\n<h2>{escape(section.title)}</h2>\n"
        + "\n".join(_as_html(block, pictures) for block in section.blocks)
        + "\n</section>"
        for section in sections
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _as_markdown(block: Block, folder: str) -> Iterator[str]:
    if isinstance(block, str):
        yield _plain(block)
    elif isinstance(block, Points):
        yield from (f"- {_plain(text)}" for text in block.texts)
    elif isinstance(block, Picture):
        yield f"![{_plain(block.says)}]({folder}/{block.name}.png)"
    else:
        if block.title:
            yield from (f"**{_plain(block.title)}**", "")
        yield _row(block.columns)
        yield _row(["---"] * len(block.columns))
        yield from (_row([_plain(cell) for cell in row]) for row in block.rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that Markdown takes at its word, in one line."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _as_html(block: Block, pictures: Mapping[str, str]) -> str:
    if isinstance(block, str):
        return f"<p>{escape(block)}</p>"
    if isinstance(block, Points):
        return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in block.texts)}</ul>"
    if isinstance(block, Picture):
        if block.name not in pictures:
            return ""
        image = b64encode(pictures[block.name].encode()).decode()
        return f'<p><img alt="{escape(block.says)}" src="data:image/svg+xml;base64,{image}"></p>'
    table = _table(block)
    if not block.title:
        return table
    return f"<details><summary>{escape(block.title)}</summary>{table}</details>"


def _table(block: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in block.columns)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in block.rows)
    return (
        '<div class="scroll" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    number = ' class="number"' if _NUMBER.fullmatch(text) else ""
    return f"<td{number}>{escape(text)}</td>"
