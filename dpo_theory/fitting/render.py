"""A fit as text, Markdown and HTML."""

from __future__ import annotations

from dpo_theory.fitting.blocks import Grid, Sentences, blocks, title
from dpo_theory.fitting.result import Fit
from dpo_theory.report import html as page
from dpo_theory.report import markdown as marks

__all__ = ["html_fragment", "html_page", "markdown", "text"]


def text(fit: Fit) -> str:
    """The fit for a terminal."""
    told = [title(fit)]
    for block in blocks(fit):
        lines = _aligned(block) if isinstance(block, Grid) else list(block.lines)
        if block.heading:
            lines = [block.heading, *(f"  {line}" for line in lines)]
        if lines:
            told.append("\n".join(lines))
    return "\n\n".join(told) + "\n"


def markdown(fit: Fit) -> str:
    """The fit as Markdown."""
    told = [f"## {marks.escape(title(fit))}"]
    for block in blocks(fit):
        if block.heading:
            told.append(f"### {marks.escape(block.heading)}")
        if isinstance(block, Grid):
            told.append(marks.grid(block.header, [map(marks.escape, row) for row in block.rows]))
        elif block.lines:
            told.append("\n".join(f"- {marks.escape(line)}" for line in block.lines))
    return "\n\n".join(told) + "\n"


def html_fragment(fit: Fit) -> str:
    """The fit as one element, for notebooks."""
    return page.styled(_elements(fit))


def html_page(fit: Fit) -> str:
    """The fit as one self-contained page: whether an estimate exists in its title, and its picture."""
    from dpo_theory.fitting.plot import svg

    missing = sum(not context.exists for context in fit.by_context)
    several = f": {missing} of {len(fit.by_context)} contexts" if len(fit.by_context) > 1 else ""
    verdict = f"No estimate exists{several}" if missing else "An estimate exists"
    drawn = svg(fit)
    body = f'<h1><span class="{"bad" if missing else "good"}">{page.escape(verdict)}</span></h1>' + (page.figure(drawn) if drawn else "")
    return page.document(f"{verdict}: {title(fit)}", page.styled(body + _elements(fit)))


def _elements(fit: Fit) -> str:
    return "".join([f"<p><strong>{page.escape(title(fit))}</strong></p>", *map(_element, blocks(fit))])


def _element(block: Sentences | Grid) -> str:
    if isinstance(block, Sentences):
        heading = f"<h3>{page.escape(block.heading)}</h3>" if block.heading else ""
        lines = "".join(f"<li>{page.escape(line)}</li>" for line in block.lines)
        return f"{heading}<ul>{lines}</ul>" if lines else ""
    head = "".join(f'<th scope="col">{page.escape(name)}</th>' for name in block.header)
    body = "".join(_row(row, block.words) for row in block.rows)
    caption = f"<caption>{page.escape(block.heading)}</caption>" if block.heading else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: tuple[str, ...], words: int) -> str:
    name, *rest = map(page.escape, row)
    kinds = ["" if place < words else ' class="number"' for place in range(1, len(row))]
    cells = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, rest, strict=True))
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _aligned(grid: Grid) -> list[str]:
    table = [grid.header, *grid.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = (
            cell.ljust(width) if place < grid.words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines
