"""A smaller graph: matrices and other large constants of 8 bits, and what that costs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq.audio.reading import read_audio
from seq.errors import InputError
from seq.tasks.base import Outputs
from seq.tasks.predictions import CategoryPrediction, Prediction
from seq.tasks.registry import get_task
from seq.utils.files import atomic_path, read_jsonl

# Numbers that a constant must have to be worth a node that widens it again.
_MIN_NUMBERS: Final = 4096


def compress_onnx(source: Path, out: Path) -> None:
    """Write a graph whose matrices are int8 (symmetric, a scale per column; inputs are scaled as they come).

    Other large constants (convolutions, positions) are stored alike and widened before they are used: they cost a
    quarter of the disk and no time to speak of. The spectrum in front of them is left as it is.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Filters of a spectrum meet energies over ten powers of ten: 8 bits would leave the loudest alone.
    spectra = [node.name for node in onnx.load(source).graph.node if "/log_mel/" in node.name or "/fbank/" in node.name]
    with atomic_path(out) as temporary:
        with _without_advice():
            quantize_dynamic(
                source,
                temporary,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                nodes_to_exclude=spectra,
                weight_type=QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
        graph = onnx.load(temporary)
        scales, widened = [], []
        for constant in graph.graph.initializer:
            if constant.data_type != TensorProto.FLOAT or int(np.prod(constant.dims)) < _MIN_NUMBERS:
                continue
            name, small, scale = constant.name, f"{constant.name}.int8", f"{constant.name}.scale"
            value = numpy_helper.to_array(constant)
            # A scale per row: the channels of a convolution, the filters of a spectrum, the places of positions.
            steps = np.maximum(np.abs(value).reshape(len(value), -1).max(axis=1), 1e-12).astype(np.float32) / 127.0
            rows = np.round(value / steps.reshape(-1, *([1] * (value.ndim - 1)))).astype(np.int8)
            constant.CopyFrom(numpy_helper.from_array(rows, small))
            scales.append(numpy_helper.from_array(steps, scale))
            widened.append(helper.make_node("DequantizeLinear", [small, scale], [name], axis=0))
        nodes = list(graph.graph.node)
        del graph.graph.node[:]
        graph.graph.node.extend([*widened, *nodes])
        graph.graph.initializer.extend(scales)
        # Shapes in between, which the runtime infers: 50 kB.
        del graph.graph.value_info[:]
        onnx.checker.check_model(graph)
        onnx.save(graph, temporary)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """onnxruntime advises everybody to simplify the graph first, of which whoever exports a model can make nothing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def measure_loss(
    before: Path, after: Path, manifest: Path | None, valid: list[Prediction], description: dict[str, Any]
) -> dict[str, Any]:
    """The main category's score on valid by both graphs, and on how much of it they agree.

    Args:
        manifest: cuts with audio.
        valid: predictions, whose references count.
        description: of the model, as far as it is known.

    Returns:
        `metric`, `before`, `after`, `same_answer` (a share) and `num_utterances`.

    Raises:
        InputError: the model names no category, or the audio of valid is not at hand.
    """
    from seq.runtime.engine import Graph

    main = description["main"]
    if main is None:
        raise InputError("--int8: the model names no category on which its loss could be measured; export without it")
    if manifest is None:
        raise InputError("--int8 measures its loss on the audio of valid: name the manifest of stage 1 with --cuts")
    task, outputs = get_task(main), Outputs.from_dict(description["tasks"][main])
    wanted = {row.id: row for row in valid if main in row.tasks and row.tasks[main].ref is not None}
    graphs = (Graph(before), Graph(after))
    answers: tuple[list[CategoryPrediction], ...] = ([], [])
    speakers = []
    for cut in read_jsonl(manifest):
        if cut["id"] not in wanted or "recording" not in cut:
            continue
        samples = read_audio(cut["recording"]["sources"][0]["source"], cut["start"], cut["duration"])
        ref = wanted[cut["id"]].tasks[main].ref
        speakers.append(wanted[cut["id"]].speaker)
        for graph, rows in zip(graphs, answers, strict=True):
            label = outputs.labels[int(graph.run([samples])[main][0].argmax())]
            rows.append(CategoryPrediction(ref, label))
    if not speakers:
        raise InputError(f"--int8: {manifest} has no audio of valid's utterances; name another manifest with --cuts")
    scores = []
    for rows in answers:
        statistic = task.statistic(rows, speakers, outputs)
        scores.append(float(statistic.values(np.ones((1, len(statistic.speakers))))[task.main.metric][0]))
    same = np.mean([a.hyp == b.hyp for a, b in zip(*answers, strict=True)])
    return {
        "metric": task.main.metric,
        "before": scores[0],
        "after": scores[1],
        "same_answer": float(same),
        "num_utterances": len(speakers),
    }
