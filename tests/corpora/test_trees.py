"""Finding a corpus below --corpus-dir: how deep, which of several, through links and past hidden folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from corpus_builders import build_ravdess

from seq.corpora.base import get_reader
from seq.corpora.trees import find_below
from seq.errors import InputError


def find(folder: Path) -> Path:
    return find_below(folder, lambda f: (f / "here").is_dir(), "folder here")


def make(*folders: Path) -> None:
    for folder in folders:
        (folder / "here").mkdir(parents=True)


def test_up_to_three_levels_below(tmp_path: Path) -> None:
    make(tmp_path / "1/2/3")
    for folder in ("1/2/3", "1/2", "1", ""):
        assert find(tmp_path / folder) == tmp_path / "1/2/3"
    (tmp_path / "1").rename(tmp_path / "one")
    (tmp_path / "0").mkdir()
    (tmp_path / "one").rename(tmp_path / "0/one")
    with pytest.raises(InputError, match=r"has no folder here: pass the folder that has"):
        find(tmp_path)
    with pytest.raises(InputError, match="nowhere is not a folder: pass the folder that has folder here"):
        find(tmp_path / "nowhere")


def test_the_nearest_level_counts(tmp_path: Path) -> None:
    make(tmp_path / "release", tmp_path / "copies/a", tmp_path / "copies/b")
    assert find(tmp_path) == tmp_path / "release"


def test_two_on_one_level_are_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path / "x/first", tmp_path / "y/second")
    with pytest.raises(InputError, match=r"ambiguous: .*/x/first and .*/y/second both have folder here; pass one"):
        find(tmp_path)


def test_hidden_folders_files_and_link_loops_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / ".Trash", tmp_path / "data/release")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "data/loop").symlink_to(tmp_path, target_is_directory=True)
    # A link to the release is the same release, not a second one.
    (tmp_path / "data/latest").symlink_to(tmp_path / "data/release", target_is_directory=True)
    assert find(tmp_path).resolve() == tmp_path / "data/release"
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/disk").symlink_to(tmp_path / "data", target_is_directory=True)
    assert find(tmp_path / "linked").resolve() == tmp_path / "data/release"


def test_a_link_to_the_root_of_the_disk_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "corpus/release")
    (tmp_path / "corpus/disk").symlink_to("/", target_is_directory=True)
    (tmp_path / "corpus/release/up").symlink_to(tmp_path, target_is_directory=True)
    looked: list[Path] = []
    with pytest.raises(InputError, match="has no folder there"):
        find_below(tmp_path / "corpus", lambda f: looked.append(f) or (f / "there").is_dir(), "folder there")
    assert looked == [tmp_path / "corpus", tmp_path / "corpus/release", tmp_path / "corpus/release/here"]


def test_only_as_many_folders_are_looked_at_as_needed(tmp_path: Path) -> None:
    make(tmp_path / "a", tmp_path / "b/c/d")
    looked: list[Path] = []
    find_below(tmp_path, lambda f: looked.append(f) or (f / "here").is_dir(), "folder here")
    assert looked == [tmp_path, tmp_path / "a", tmp_path / "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_folders_that_may_not_be_read_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path / "mine", tmp_path / "theirs")
    (tmp_path / "theirs").chmod(0)
    try:
        assert find(tmp_path) == tmp_path / "mine"
    finally:
        (tmp_path / "theirs").chmod(0o700)


def test_ravdess_is_where_the_speech_is(tmp_path: Path) -> None:
    build_ravdess(tmp_path / "zenodo/Audio_Speech_Actors_01-24", actors=(1,))
    song = tmp_path / "zenodo/Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-01-01.wav"
    song.parent.mkdir(parents=True)
    song.touch()
    assert get_reader("ravdess").find_root(tmp_path) == tmp_path / "zenodo/Audio_Speech_Actors_01-24"
