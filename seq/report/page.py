"""The report as one HTML page that holds its figures, to be opened from a disk or sent to someone."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from html import escape
from pathlib import Path

# Nothing is loaded and nothing runs, whatever a conf's description says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_FOREIGN = ("html", "link", "image_link", "reference", "image_reference", "short_reference", "short_image_ref",
            "autolink", "automail")  # fmt: skip
_STYLE = """
:root { --ground: #f4f5f9; --card: #fff; --ink: #1b2a41; --soft: #55617a; --line: #dde1ec; --accent: #3457d5; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151f; --card: #19202e; --ink: #eaeef7; --soft: #a5b0c6; --line: #2d374b; --accent: #8ea6ff; }
}
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { letter-spacing: -0.02em; }
ul { color: var(--soft); padding-left: 1.2rem; overflow-wrap: anywhere; }
blockquote { margin: 1rem 0; padding: 0.6rem 1rem; border-left: 5px solid #b3261e; background: var(--card); }
.table, figure { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { padding: 0.45rem 0.8rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; padding: 1rem; background: #fff; color: #55617a; }
.wide { grid-column: 1 / -1; }
img { display: block; max-width: 100%; max-height: 34rem; margin: 0 auto 0.6rem; }
figcaption { font-size: 0.9rem; text-align: center; }
"""


def build_page(title: str, body: str, figures: Sequence[tuple[str, Path]]) -> str:
    """A document with a title, a body (Markdown with tables) and figures (caption, path of a PNG)."""
    # Only this page needs it, and the other stages do not have to wait for it.
    from markdown import Markdown

    converter = Markdown(extensions=["tables"], output_format="html")
    # A report has tables, lists and bold text; whatever else looks like markup came out of a conf or a file.
    converter.preprocessors.deregister("html_block")
    for pattern in _FOREIGN:
        converter.inlinePatterns.deregister(pattern)
    content = converter.convert(body)
    content = content.replace("<table>", '<div class="table" tabindex="0"><table>').replace(
        "</table>", "</table></div>"
    )
    drawn = "\n".join(_figure(caption, path) for caption, path in figures)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{content}
<div class="figures">
{drawn}
</div>
</body>
</html>
"""


def _figure(caption: str, path: Path) -> str:
    content = path.read_bytes()
    # A PNG begins with its width and height; what is twice as wide as high would be too small in half a page.
    width, height = struct.unpack(">II", content[16:24])
    wide = ' class="wide"' if width > 1.8 * height else ""
    data = base64.b64encode(content).decode("ascii")
    text = escape(caption)
    return (
        f'<figure{wide}><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'
    )
