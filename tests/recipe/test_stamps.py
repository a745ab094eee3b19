"""What a stage's stamp says of a folder that it read."""

from __future__ import annotations

from pathlib import Path

from seq.recipe.stamps import file_state


def test_a_corpus_ends_where_it_ends_and_may_hold_files_of_any_name(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "caf\udce9.txt").touch()
    (corpus / "disk").symlink_to("/", target_is_directory=True)
    (corpus / "other").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.wav").touch()
    before = file_state(corpus)
    assert before["files"] == 2
    (tmp_path / "elsewhere/a.wav").write_bytes(b"x")
    assert file_state(corpus) != before
