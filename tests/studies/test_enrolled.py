"""Known speakers: a whole study on a tiny corpus by the command, scored again by scikit-learn."""

from __future__ import annotations

import gzip
import json
import runpy
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from encoder_experiment import encoder_experiment_conf, lay_out, open_experiment
from sklearn.metrics import recall_score
from tiny_encoders import save_encoder

from seq.decode.run import decode_run
from seq.errors import InputError
from seq.recipe.recipe import Recipe
from seq.studies.enrolled import Condition
from seq.studies.enrolled_run import Enrolled, run_enrolled
from seq.train.run import train_experiment
from seq.utils.files import read_json

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("neutral", "happy", "sad")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    conf = encoder_experiment_conf(save_encoder(tmp_path / "whisper"), num_epochs=1)
    recipe = tmp_path / "egs/tiny"
    lay_out(recipe, conf, "tiny", [["s2"], ["s3"]], per_class=4)
    experiment = replace(open_experiment(recipe, conf, "small_tiny"), folds_dir=recipe / "data/folds/tiny")
    train_experiment(experiment, [1, 2], [0])
    results = tmp_path / "RESULTS.md"

    options = ["--draws", "3", "--clips", "2,4,8", "--labelled", "1,2", "--results", str(results)]
    script = str(ROOT / "local/run_enrolled.py")
    monkeypatch.setattr(sys, "argv", [script, "--recipe", str(recipe), *options])
    # In this process: what is heavy is loaded.
    runpy.run_path(script)["main"]()
    said = capsys.readouterr().out
    out = recipe / "exp/enrolled_small_tiny"
    result = read_json(out / "enrolled.json")
    assert result["protocol"] == "enrolled" and result["conditions"] == ["0", "2", "4", "1 labelled", "2 labelled"]
    assert "8 is skipped: there are 6 to draw from of speaker s2" in said
    everyone = [speaker for fold in result["answers"] for speaker in fold["speakers"]]
    assert [one["speaker"] for one in everyone] == ["s2", "s3"] and result["num_utterances"] == 12
    for one in everyone:
        scored = set(one["ids"])
        assert Counter(id_.split("-")[1] for id_ in scored) == dict.fromkeys(CLASSES, 2)
        assert len(one["drawn"]["0"]) == 1 and one["drawn"]["0"] == [[]]
        for name, each in (("2", 2), ("4", 4), ("1 labelled", 3), ("2 labelled", 6)):
            assert len(one["drawn"][name]) == 3
            for ids in one["drawn"][name]:
                assert len(set(ids)) == each and scored.isdisjoint(ids)
                assert all(id_.startswith(f"{one['speaker']}-") for id_ in ids)
        assert all(few == more[:2] for few, more in zip(one["drawn"]["2"], one["drawn"]["4"], strict=True))

    # The metric against scikit-learn, from the raw answers; without clips it is what the network says anyhow.
    rows = {(row["task"], row["condition"]): row for row in result["rows"]}
    assert {task for task, _ in rows} == {"emotion", "intensity"}
    for (task, condition), row in rows.items():
        scores = []
        for draw in range(row["num_draws"]):
            pairs = [
                pair
                for one in everyone
                for pair in zip(one["refs"][task], one["answers"][task][condition][draw], strict=True)
                if pair[0] is not None
            ]
            scores.append(recall_score(*zip(*pairs, strict=True), average="macro"))
        assert row["value"] == pytest.approx(np.mean(scores)) and row["num_draws"] == (3 if condition != "0" else 1)
        if condition != "0":
            assert row["gain"] == pytest.approx(row["value"] - rows[task, "0"]["value"])
    for number, one in enumerate(everyone, start=1):
        decode_run(experiment, number, 0)
        rows_of = map(json.loads, (experiment.run_dir(number, 0) / "predictions.jsonl").read_text().splitlines())
        heard = {row["id"]: row for row in rows_of}
        plain = [heard[id_]["emotion"]["hyp"] for id_ in one["ids"]]
        assert plain == [CLASSES[i] for i in one["answers"]["emotion"]["0"][0]]
        assert [CLASSES[i] for i in one["refs"]["emotion"]] == [heard[id_]["emotion"]["ref"] for id_ in one["ids"]]
        levels = [heard[id_]["intensity"]["hyp"] for id_ in one["ids"]]
        assert levels == pytest.approx([(0.0, 1 / 3, 1.0)[i] for i in one["answers"]["intensity"]["0"][0]])

    text = results.read_text()
    block = f"## Known speakers\n\n##{(out / 'enrolled.md').read_text().strip()}"
    assert text == f"<!-- results:enrolled -->\n{block}\n<!-- end -->\n"
    assert "none of them is drawn" in text and str(tmp_path) not in text
    kept = recipe / "results/enrolled_small_tiny/enrolled.json.gz"
    assert gzip.decompress(kept.read_bytes()) == (out / "enrolled.json").read_bytes()
    # Done is done; of a fold whose answers are gone, they are the same again.
    before = read_json(out / "fold_2.json")
    (out / "fold_2.json").unlink()
    time = (out / "fold_1.json").stat().st_mtime_ns
    named = Recipe(recipe, replace(conf, corpus=replace(conf.corpus, name="tiny")), conf.protocols[0])
    conditions = [*(Condition(count) for count in (0, 2, 4)), Condition(1, True), Condition(2, True)]
    study = Enrolled(named, recipe / "exp/small_tiny", 0, conditions, 3, out)
    assert run_enrolled(study)["rows"] == result["rows"]
    assert read_json(out / "fold_2.json") == before and (out / "fold_1.json").stat().st_mtime_ns == time
    with pytest.raises(InputError, match="no finished run of seed 1"):
        run_enrolled(replace(study, seed=1))
