"""Errors that a user can mend."""

from __future__ import annotations


class InputError(Exception):
    """Something outside the code is wrong: a file, a label, an option, a disk.

    The message is one sentence that names the thing and says what to do about it.
    """


def name_some(names: list[str], num_named: int = 12) -> str:
    """The first names, for a sentence, and how many more there are."""
    more = f" and {len(names) - num_named} more" if len(names) > num_named else ""
    return ", ".join(names[:num_named]) + more
