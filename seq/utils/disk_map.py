"""A dictionary that is not in memory: a temporary database of SQLite, on disk once it is large, gone with its owner."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any

# Of pages in memory, however many keys there are.
_CACHE_KIB = 8192


class DiskMap:
    """Names (any that a file may have) to what JSON can hold. For one thread."""

    def __init__(self) -> None:
        # The empty name: a database of its own, in the system's folder for temporary files.
        self._database = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
            self._database.execute(f"PRAGMA {setting}")
        self._database.execute("CREATE TABLE map (name BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, name: str, value: Any = None) -> bool:
        """Add a name with its value; returns whether it is new. One that is there keeps its value."""
        row = (os.fsencode(name), json.dumps(value))
        is_new = self._database.execute("INSERT OR IGNORE INTO map VALUES (?, ?)", row).rowcount == 1
        self._size += is_new
        return is_new

    def get(self, name: str) -> Any:
        """The value of a name, None where it has none."""
        row = self._database.execute("SELECT value FROM map WHERE name = ?", (os.fsencode(name),)).fetchone()
        return None if row is None else json.loads(row[0])
