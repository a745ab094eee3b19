"""`speecheq predict`: lists that hold good recordings among rubbish, and model folders that were tampered with."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
import soundfile
from corpus_builders import spoken
from exported_model import make_model_folder
from fuzzing import attempt, examples, json_values, spoilt_bytes, spoilt_json, texts
from hypothesis import given
from hypothesis import strategies as st

from seq.cli import main
from seq.runtime import load_model
from seq.runtime.folder import DESCRIPTION, ONNX, WEIGHTS, description_digest

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a good recording."""
    place = tmp_path_factory.mktemp("fuzz")
    make_model_folder(place / "made").rename(place / "model")
    shutil.rmtree(place / "made")
    soundfile.write(place / "good.wav", spoken(0.6, 16000, seed=1), 16000)
    return place


def strictly(text: str) -> Any:
    """JSON as its standard has it: no NaN."""

    def refuse(name: str) -> NoReturn:
        raise AssertionError(f"{name} is no JSON: {text[:200]}")

    return json.loads(text, parse_constant=refuse)


def answers_of(out: Path) -> list[Any]:
    """The lines of an answer; what else Python takes for the end of a line may stand in a name."""
    return [strictly(line) for line in out.read_text(encoding="utf-8").rstrip("\n").split("\n") if line]


def predict(place: Path, source: Path, out: Path) -> int:
    return main(["predict", str(place / "model"), str(source), "--out", str(out), "--jobs", "1"])


def recording(place: Path) -> dict[str, Any]:
    source = {"type": "file", "channels": [0], "source": str(place / "good.wav")}
    return {"id": "good", "sources": [source], "sampling_rate": 16000, "num_samples": 24000, "duration": 1.5}


def cut(place: Path) -> dict[str, Any]:
    return {
        "id": "good",
        "start": 0.0,
        "duration": 1.5,
        "channel": 0,
        "supervisions": [],
        "recording": recording(place),
    }


bad_lines = st.one_of(
    texts.map(lambda text: text.replace("\n", " ").replace("\r", " ")),
    json_values.map(json.dumps),
    st.sampled_from(["[" * 100_000, '{"id": ' * 5000, '{"id": ' + "9" * 5000 + "}", "\ufeff{}", "{'id': 1}"]),
)


@given(data=st.data())
@examples(5)
def test_every_line_of_a_manifest_stands_for_itself(place: Path, data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([recording(place), cut(place)]))
    spoilt = spoilt_json(whole).map(json.dumps)
    lines = data.draw(st.lists(st.one_of(st.just(None), bad_lines, spoilt), min_size=1, max_size=4))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        source, out = Path(folder) / "list.jsonl", Path(folder) / "out.jsonl"
        source.write_text("".join((json.dumps(whole) if line is None else line) + "\n" for line in lines))
        ended = attempt(lambda: predict(place, source, out), place, but=(Path(folder).name,))
        answers = answers_of(out) if ended.refusal is None else []
    given_lines = [line for line in lines if line is None or line.strip()]
    if None in lines:
        assert ended.refusal is None, ended.refusal
    if ended.refusal is None:
        if not given_lines:
            assert ended.answer == 1 and len(answers) == 1 and "is empty" in answers[0]["error"]
            return
        assert ended.answer in (0, 1) and len(answers) == len(given_lines)
        good = [answer for answer, line in zip(answers, given_lines, strict=True) if line is None]
        assert all("error" not in answer and answer == good[0] for answer in good)
        assert ended.answer == int(any("error" in answer for answer in answers))


@given(data=st.data())
@examples(3)
def test_lists_of_paths(place: Path, data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.one_of(st.just(None), texts, st.tuples(texts, texts).map(" ".join)), max_size=4))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        source, out = Path(folder) / "wav.scp", Path(folder) / "out.jsonl"
        text = "".join((f"good {place / 'good.wav'}" if line is None else line) + "\n" for line in lines)
        source.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        ended = attempt(lambda: predict(place, source, out), place, but=(Path(folder).name,))
        answers = answers_of(out) if ended.refusal is None else []
    if ended.refusal is None:
        assert sum("error" not in answer for answer in answers) >= lines.count(None)
    else:
        assert None not in lines, ended.refusal


@given(data=st.data())
@examples(5)
def test_a_model_folder_that_was_tampered_with(place: Path, data: st.DataObject) -> None:
    description = json.loads((place / "model" / DESCRIPTION).read_text())
    with tempfile.TemporaryDirectory(dir=place) as folder:
        model = Path(folder) / "model"
        model.mkdir()
        for name in (ONNX, WEIGHTS):
            os.link(place / "model" / name, model / name)
        if data.draw(st.integers(0, 4)):
            # As if whoever changed it had known of the digest.
            changed = data.draw(spoilt_json(description))
            if isinstance(changed, dict):
                changed["sha256"] = description_digest(changed)
            (model / DESCRIPTION).write_text(json.dumps(changed))
        else:
            (model / DESCRIPTION).write_bytes(data.draw(spoilt_bytes((place / "model" / DESCRIPTION).read_bytes())))
        ended = attempt(lambda: load_model(model).predict_file(place / "good.wav", describe=True), place)
    if ended.answer is not None:
        answer = strictly(json.dumps(ended.answer.to_dict()))
        for task in ("emotion", "gender"):
            for value in (answer.get(task) or {}).get("probabilities", {}).values():
                assert 0.0 <= value <= 1.0
