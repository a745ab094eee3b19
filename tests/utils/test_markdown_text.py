"""What comes from elsewhere is text in Markdown, as a line, as code and in a table."""

from __future__ import annotations

import pytest

from seq.utils.markdown_text import code, markdown_table, plain


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Leave one out (10 %), emobox's", "Leave one out (10 %), emobox's"),
        ("leave_one_corpus_out", "leave_one_corpus_out"),
        ("_soft_ *loud* `code`", r"\_soft\_ \*loud\* \`code\`"),
        ("[a](b) <b>", r"\[a\](b) &lt;b>"),
        ("one\n\n# two\r\n- three", "one # two - three"),
        (r"back\slash", r"back\\slash"),
    ],
)
def test_plain_text(text: str, written: str) -> None:
    assert plain(text) == written


def test_code_holds_what_it_holds() -> None:
    assert (code("run.sh --set a=b"), code("echo `date`\n#")) == ("`run.sh --set a=b`", "`` echo `date` # ``")


def test_a_cell_ends_no_row() -> None:
    rows = markdown_table(["a|b", "c"], [["x\ny", "**z**"]]).splitlines()
    assert rows == [r"| a\|b |     c |", "|:-----|------:|", "| x y  | **z** |"]
