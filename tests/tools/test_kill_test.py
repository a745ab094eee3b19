"""tools/kill_test.sh, in short: it kills the real runner over stages that are stubs, and notices what goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toy_recipe import Toy

from tools.kill_test import Killer, Step, run_rounds


def test_a_recipe_that_is_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    toy = Toy(tmp_path / "tree")
    toy.build()
    made = [toy.recipe / "data", toy.recipe / "exp"]
    experiment = toy.recipe / "exp/scratch_two"
    results = [made[0] / "fbank", made[0] / "lang_phone", experiment / "fold_2", experiment / "report.md"]
    step = Step("stages", [toy.recipe / "run.sh", "--corpus-dir", toy.corpus], made, results)
    tally = run_rounds(Killer(tmp_path, [step], toy.env, seed=1), kills=3, minutes=0.3)
    assert tally.is_clean and tally.kills.total() == 3, str(tally)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo once more >> made; sleep 1", "1 results differ: step: "),
        ("test ! -e made || { echo cannot; exit 2; }; touch made; sleep 1", "3 could not go on: step, code 2: cannot"),
        ("touch done; mkdir -p made; : > made/.$$.tmp.a; sleep 1 && rm made/.$$.tmp.a", "1 left behind: made/."),
    ],
)
def test_what_a_kill_changes_is_told(tmp_path: Path, command: str, told: str) -> None:
    step = Step("step", ["sh", "-c", command], [tmp_path / "made"], [tmp_path / "made"])
    tally = run_rounds(Killer(tmp_path, [step], dict(os.environ), seed=3), kills=1, minutes=1)
    assert told in str(tally) and not tally.is_clean
