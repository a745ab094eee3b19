"""What whoever is handed rubbish may do: answer, or refuse in one sentence; in time, and with its inputs untouched."""

from __future__ import annotations

import copy
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Generic, NoReturn, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from seq.errors import InputError
from seq.utils.files import sha256
from seq.utils.script import explain

T = TypeVar("T")

# A property is tried with so many inputs, times what `examples` says.
BASE: Final = int(os.environ.get("SPEECHEQ_FUZZ_EXAMPLES", "20"))
# Always the same inputs, but where a run of its own looks for new ones (tools/fuzz.sh).
IS_SEARCH: Final = "SPEECHEQ_FUZZ_EXAMPLES" in os.environ
SECONDS: Final = 30.0


@dataclass
class Count:
    """What was tried so far."""

    inputs: int = 0
    refused: int = 0
    slowest: float = 0.0


COUNT = Count()


@dataclass
class Ended(Generic[T]):
    """How a call ended: with an answer, or a sentence."""

    answer: T | None
    refusal: str | None


class Hang(BaseException):
    """It took longer than `SECONDS`."""


def examples(times: float) -> settings:
    """How often a property is tried."""
    return settings(
        max_examples=max(1, round(times * BASE)),
        derandomize=not IS_SEARCH,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def attempt(call: Callable[[], T], guarded: Path, but: tuple[str, ...] = ()) -> Ended[T]:
    """Call, and check what must hold however it ends.

    Args:
        guarded: a folder that must stay as it is, less the names of `but` in it.
    """
    before = snapshot(guarded, but)
    started = time.monotonic()
    try:
        with _time_limit():
            ended = Ended(call(), None)
    except InputError as error:
        ended = Ended[T](None, str(error))
    except OSError as error:
        # `run_main` makes a sentence of it, as of any other that says what and why.
        sentence = explain(error)
        if sentence is None:
            raise
        ended = Ended[T](None, sentence)
    COUNT.inputs += 1
    COUNT.refused += ended.refusal is not None
    COUNT.slowest = max(COUNT.slowest, time.monotonic() - started)
    if ended.refusal is not None:
        assert ended.refusal.strip() and "Traceback" not in ended.refusal, ended.refusal
    assert snapshot(guarded, but) == before, "something was changed that was only to be read"
    return ended


def snapshot(folder: Path, but: tuple[str, ...] = ()) -> dict[str, tuple[int, str]]:
    """Kind and content of all that a folder holds, by its name."""
    found = {}
    for parent, folders, files in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in but]
            files = [name for name in files if name not in but]
        for name in folders + files:
            path = os.path.join(parent, name)
            mode = os.lstat(path).st_mode
            content = ""
            if stat.S_ISLNK(mode):
                content = os.readlink(path)
            elif stat.S_ISREG(mode):
                content = sha256(path)
            found[os.path.relpath(path, folder)] = (stat.S_IFMT(mode), content)
    return found


@contextmanager
def _time_limit() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Hang

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


# What people and programs write where a number, a word or nothing is wanted.
NUMBERS: Final = (
    *("0", "-0", "1", "-1", "2", "3", "7", "9", "1.5", "-0.5", "1e3", "1e-9", "1e308", "1e400", "-1e18", "99999999999"),
    *(
        "9" * 4000,
        "nan",
        "NaN",
        "-inf",
        "inf",
        "Infinity",
        "0x10",
        "1_000",
        "٣",
        "½",
        "1,5",
        "+1",
        " 1 ",
        "01",
        "1e",
        "--1",
    ),
)
WORDS: Final = (
    *(
        "",
        " ",
        "null",
        "~",
        "yes",
        "no",
        "true",
        "False",
        ".",
        "..",
        "/",
        "../x",
        "../../x",
        "/etc/passwd",
        "a/b",
        "-",
        "--",
    ),
    *(
        "x" * 300,
        "é",
        "e\u0301",
        "情感",
        "\u202eabc",
        "\ufeff",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\x00b",
        "a\x1bb",
        "'",
        '"',
        "`id`",
    ),
    *(
        "$(id)",
        "*",
        "%s",
        "{}",
        "[]",
        "[1, 2]",
        "{a: 1}",
        "&a",
        "*a",
        "!!python/object:os.system",
        "|",
        "#",
        "a: b",
        "con",
    ),
)
texts: Final = st.one_of(st.sampled_from(WORDS), st.sampled_from(NUMBERS), st.text(max_size=12))
json_values: Final = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, 1, -1, 2, 3, 7, 255, 10**6, 2**31, -(2**63), 10**30]),
        st.sampled_from([0.0, -0.5, 0.1, 1.5, 1e308, float("nan"), float("inf"), float("-inf")]),
        texts,
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "id", "start"]), children, max_size=3),
    ),
    max_leaves=4,
)


@st.composite
def spoilt_json(draw: st.DrawFn, whole: Any, times: int = 3) -> Any:
    """A JSON value of which up to `times` parts are gone, twice there, or something else."""
    spoilt = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, times))):
        parent: Any = None
        key: Any = None
        place = spoilt
        while isinstance(place, (dict, list)) and place and (parent is None or draw(st.integers(0, 3))):
            parent = place
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            place = place[key]
        if parent is None:
            return draw(json_values)
        kind = draw(st.sampled_from(["other", "gone", "twice", "like"]))
        if kind == "other":
            parent[key] = draw(json_values)
        elif kind == "gone":
            del parent[key]
        elif kind == "twice" and isinstance(parent, list):
            parent.append(copy.deepcopy(place))
        elif isinstance(place, (int, float)) and not isinstance(place, bool):
            parent[key] = place * draw(st.sampled_from([0, -1, 2, 1000]))
        elif isinstance(place, str):
            parent[key] = place + draw(texts)
        else:
            parent[key] = [copy.deepcopy(place)]
    return spoilt


@st.composite
def spoilt_bytes(draw: st.DrawFn, whole: bytes, header: int = 64) -> bytes:
    """Bytes that were cut, overwritten or lengthened in up to four places, most of them in the header."""
    spoilt = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        if not spoilt:
            break
        within = min(header, len(spoilt)) if draw(st.integers(0, 2)) else len(spoilt)
        at = draw(st.integers(0, within - 1))
        kind = draw(st.sampled_from(["byte", "word", "cut", "insert", "remove"]))
        if kind == "byte":
            spoilt[at] = draw(st.integers(0, 255))
        elif kind == "word":
            word = draw(
                st.sampled_from([0, 1, 2, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000])
            )
            spoilt[at : at + 4] = word.to_bytes(4, draw(st.sampled_from(["little", "big"])))
        elif kind == "cut":
            del spoilt[at:]
        elif kind == "insert":
            spoilt[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            del spoilt[at : at + draw(st.integers(1, 64))]
    return bytes(spoilt)
