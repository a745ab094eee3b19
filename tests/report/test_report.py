"""Stage 8: tables say what scores.json says, figures exist, and a block of a Markdown file is replaced in place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_experiment import cells, make_scores

from seq.errors import InputError
from seq.report.report import comparison_table, replace_block, write_report
from seq.utils.files import read_json, write_json


def test_report(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    table = write_report(**paths)
    assert cells(table, "fold 1")[1:6] == ["12", "2", "91.67", "91.67", "91.53"]
    assert cells(table, "**pooled**")[1:5] == ["24", "4", "95.83", "95.83"]
    assert cells(table, "mean ± std")[3] == "95.83 ± 5.89"
    # Per-speaker UA 5/6, 1, 1, 1: mean 0.9583, half a width of 3.1824 * 0.0417, cut at 1.
    assert cells(table, "95 % interval")[3] == "[82.57, 100.00]"
    text = paths["out"].read_text(encoding="utf-8")
    assert table in text
    for needed in ("`./run.sh --folds 1,2`", "protocol **two**", "seeds 0", "t over 4 speakers", "commit", "python 3."):
        assert needed in text
    assert cells(text, "neutral") == ["neutral", "8", "87.50", "75.00", "100.00"]
    assert "SPEAKER-DEPENDENT" not in text
    both = "none of its speakers and all of its sentences"
    assert f"- test shares with train {both}; valid shares with train {both}\n" in text
    for name in ("confusion_emotion", "confusion_intensity", "training_curves"):
        assert f"](figures/{name}.png)" in text
        figure = paths["exp_dir"] / "figures" / f"{name}.png"
        assert figure.read_bytes().startswith(b"\x89PNG")


def test_unit_and_weights_are_said(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    scores = read_json(paths["scores_path"])
    assert scores["unit"] == "phone" and scores["decoding"] == []
    assert "PER %" in write_report(**paths)
    record = {"chosen_by": "valid", "epoch": 7, "avg": 5, "use_averaged_model": True, "ctc_backend": "k2", "graph": "G"}
    scores |= {"unit": "bpe", "decoding": [record]}
    write_json(paths["scores_path"], scores)
    table = write_report(**paths)
    assert "TER (bpe) %" in table and "POST-HOC" not in table
    text = paths["out"].read_text(encoding="utf-8")
    assert "- decoded with the epoch that valid chose, --avg 5, averaged model; CTC by k2, G" in text
    record |= {"chosen_by": "post-hoc", "use_averaged_model": False}
    write_json(paths["scores_path"], scores)
    assert write_report(**paths).startswith("| POST-HOC ")
    text = paths["out"].read_text(encoding="utf-8")
    assert "> **POST-HOC" in text and "--epoch 7 --avg 5, plain models (post-hoc: not chosen by valid)" in text


def _block(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda scores: change(scores["pooled"]["emotion"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("pooled"), "pooled is missing"),
        (lambda s: s.update(folds=5), "folds is 5: it must be a list"),
        (lambda s: s.update(tasks=["mood"]), "there is no task 'mood'"),
        (lambda s: s["valid"]["pooled"].update(emotion=[]), r"emotion: it is \[\]: it must be a mapping"),
        (_block(lambda b: b.update(UA="high")), "emotion: UA is 'high': it must be a number"),
        (_block(lambda b: b.update(UA_ci95=[0.1])), r"emotion\.UA_ci95 has 1 ends"),
        (_block(lambda b: b["confusion"].update(counts=[[1]])), "confusion has not as many rows and columns as labels"),
        (_block(lambda b: b["confusion"].update(labels=["a", "b", "c"])), "has the probabilities of .*: run stage 7"),
        (lambda s: s.update(runs=[{"masked": 5}]), r"runs\[0\]\.masked is 5"),
    ],
)
def test_scores_that_somebody_changed_are_one_sentence(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    paths = make_scores(tmp_path)
    scores = read_json(paths["scores_path"])
    change(scores)
    write_json(paths["scores_path"], scores)
    with pytest.raises(InputError, match=said) as error:
        write_report(**paths)
    assert "\n" not in str(error.value) and not paths["out"].exists()


HOSTILE = (
    "a <script>alert(1)</script> <img src=x onerror=alert(2)> [link](javascript:alert(3)) ![image](http://a.b/c.png) "
    "<https://a.b> *bold* `code` | cell \n\n# heading\n\n<div>block</div>\n\n[ref]: http://a.b\n[ref]"
)


def test_what_a_conf_or_a_file_says_is_text_and_no_markup(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    scores = read_json(paths["scores_path"])
    write_report(**paths)
    before = set(re.findall(r"<\w+", paths["out"].with_suffix(".html").read_text(encoding="utf-8")))
    scores |= {"corpus": HOSTILE, "command": HOSTILE, "commit": HOSTILE, "missing": [HOSTILE], "partial": True}
    scores["protocol"] |= {"name": HOSTILE, "description": HOSTILE}
    scores["versions"]["python"] = HOSTILE
    scores["runs"] = [{"masked": {"phone": HOSTILE}}]
    write_json(paths["scores_path"], scores)
    write_report(**paths)
    page = paths["out"].with_suffix(".html").read_text(encoding="utf-8")
    # The line on the partial copy is ours.
    assert set(re.findall(r"<\w+", page)) - before <= {"<blockquote", "<p"} and page.count("<h1") == 1
    assert page.count("alert(1)") >= 8 and "&lt;script" in page and "onerror" not in re.sub(r"&lt;img.*?&gt;", "", page)
    text = paths["out"].read_text(encoding="utf-8")
    assert "\n# heading" not in text and "\n[ref]" not in text


def test_a_speaker_dependent_protocol_is_said_loudly(tmp_path: Path) -> None:
    paths = make_scores(tmp_path, speaker_disjoint=False)
    write_report(**paths)
    assert "> **SPEAKER-DEPENDENT" in paths["out"].read_text(encoding="utf-8")


def test_results_block_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    results = tmp_path / "RESULTS.md"
    results.write_text("# Results\n\n<!-- results:exp/x_two -->\nold 12.34\n<!-- end -->\n\nafter\n", encoding="utf-8")
    write_report(**paths, results=results)
    once = results.read_text(encoding="utf-8")
    assert once.startswith("# Results\n\n<!-- results:exp/x_two -->\n### exp/x_two")
    assert once.endswith("<!-- end -->\n\nafter\n")
    assert "old 12.34" not in once
    write_report(**paths, results=results)
    assert results.read_text(encoding="utf-8") == once


def test_results_block_is_appended_and_an_open_block_refused(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    replace_block(results, "exp/a", "A")
    replace_block(results, "exp/b", "B")
    replace_block(results, "exp/a", "C")
    assert results.read_text(encoding="utf-8") == (
        "<!-- results:exp/a -->\nC\n<!-- end -->\n\n<!-- results:exp/b -->\nB\n<!-- end -->\n"
    )
    results.write_text("<!-- results:exp/a -->\nA\n<!-- results:exp/b -->\nB\n<!-- end -->\n", encoding="utf-8")
    with pytest.raises(InputError, match="has no <!-- end -->"):
        replace_block(results, "exp/a", "C")


def test_four_speakers_cannot_tell_two_systems_apart(tmp_path: Path) -> None:
    paths = make_scores(tmp_path)
    table = write_report(**paths, against=paths["scores_path"])
    text = paths["out"].read_text(encoding="utf-8")
    assert table in text
    assert "untestable (n=4)" in text
    mine, other = (read_json(paths["scores_path"]) for _ in range(2))
    mine["pooled"]["emotion"]["speakers"] = {"01": {"UA": 1.0}}
    other["pooled"]["emotion"]["speakers"] = {"02": {"UA": 1.0}}
    with pytest.raises(InputError, match="not tested on the same speakers"):
        comparison_table(mine, other, ("mine", "other"))
