"""The page: one self-contained document, and the policy that forbids it to load or run anything else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files


def build_page() -> tuple[bytes, str]:
    """The document with its style and script inside, and its Content-Security-Policy."""
    folder = files("seq.demo")
    names = ("page.css", "page.js", "drawing.js", "page.html")
    style, wiring, drawing, html = (folder.joinpath(name).read_text(encoding="utf-8") for name in names)
    script = f"{wiring}\n{drawing}"
    page = html.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script)
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; media-src blob:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    )
    return page.encode("utf-8"), policy


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
