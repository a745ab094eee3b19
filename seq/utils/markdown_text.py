"""Markdown that people read as it is: padded tables, and blocks of a document that are replaced in place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from seq.errors import InputError
from seq.utils.files import write_text

START_MARKER = "<!-- results:"
END_MARKER = "<!-- end -->"


# What begins markup within a line; an underscore inside a word does not.
_MARKUP: Final = re.compile(r"[\\`*\[\]<]|(?<!\w)_|_(?!\w)")


def plain(text: object) -> str:
    """What comes from a conf or a file, in a line of Markdown: it is read as it is, and is no markup."""
    found = " ".join(str(text).split())
    return _MARKUP.sub(lambda mark: "&lt;" if mark[0] == "<" else f"\\{mark[0]}", found)


def code(text: str) -> str:
    """The same as code, such as a command."""
    found = " ".join(text.split())
    # A longer fence than any inside; blanks next to it are dropped again.
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", found)), default=0))
    return f"`{found}`" if fence == "`" else f"{fence} {found} {fence}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it can be read in a terminal; first column left, others right.

    Cells may have markup, and hold together whatever they have.
    """
    header, *rows = [[" ".join(cell.replace("|", "\\|").splitlines()) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[i]) for row in (header, *rows))) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(padded)} |"

    rule = "|".join([":" + "-" * (widths[0] + 1), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


def replace_block(document: Path, name: str, body: str) -> None:
    """Put `body` between the markers of `name` in a Markdown file, or append it with markers.

    Raises:
        InputError: the block has a start and no end.
    """
    start = f"{START_MARKER}{name} -->"
    text = document.read_text(encoding="utf-8") if document.exists() else ""
    block = f"{start}\n{body.strip()}\n{END_MARKER}"
    if start not in text:
        write_text(document, f"{text.rstrip()}\n\n{block}\n".lstrip("\n"))
        return
    before, rest = text.split(start, 1)
    inside, end, after = rest.partition(END_MARKER)
    if not end or START_MARKER in inside:
        raise InputError(f"{document}: the block {start} has no {END_MARKER}: add it where the block ends")
    write_text(document, f"{before}{block}{after}")
