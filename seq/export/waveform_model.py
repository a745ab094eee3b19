"""From a waveform to every answer in one module of plain tensor operations, so that ONNX can hold all of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq.audio.reading import SAMPLING_RATE
from seq.conf import FeaturesConf
from seq.data.fbank import ConvolutionFbank
from seq.data.features import KALDI_FBANK
from seq.errors import InputError
from seq.models.heads import FRAME_KINDS
from seq.models.model import ModelSpec, SpeechEqModel, load_kept_weights
from seq.utils.files import atomic_path

ONNX_OPSET = 17
ONNX_INPUTS = ("waveform", "lengths")


class WaveformModel(nn.Module):
    """What the front end reads, computed from samples, and the network: what is exported."""

    def __init__(self, model: SpeechEqModel, features: FeaturesConf) -> None:
        """Raises InputError where the features of the network are not our filter bank's."""
        super().__init__()
        if features.extractor != KALDI_FBANK:
            raise InputError(
                f"features.extractor is {features.extractor}: only {KALDI_FBANK} can be exported; train with that one"
            )
        self.fbank = ConvolutionFbank(features.num_filters)
        self.model = model
        self.output_names = [*model.heads, "frames", "embedding"]

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(N, S) 16 kHz samples and (N,) int64 lengths -> the tensors named by `output_names`.

        Those of tasks are (N, K) logits of the utterance, or (N, T', V) log probabilities of the frames; frames (N,)
        are the encoder frames T' of each item, embedding is (N, D).
        """
        output = self.model(*self.fbank(waveform, lengths))
        return (*(output.numbers[name] for name in self.model.heads), output.lengths, output.embedding)


def write_onnx(model: WaveformModel, path: Path) -> None:
    """Export to ONNX, batch and time dynamic; the file is written atomically."""
    example = (torch.randn(2, SAMPLING_RATE), torch.tensor([SAMPLING_RATE, SAMPLING_RATE // 2]))
    axes: dict[str, Any] = {name: {0: "N"} for name in model.output_names}
    axes |= {"waveform": {0: "N", 1: "S"}, "lengths": {0: "N"}}
    for name, found in model.model.spec.outputs.items():
        if found.kind in FRAME_KINDS:
            axes[name][1] = "T"
    with atomic_path(path) as temporary, torch.no_grad(), warnings.catch_warnings():
        # The TorchScript exporter is the one that keeps all three dynamic sizes; the tests hold its graph to torch's
        # answers, so what it warns of (its age, loops over a fixed number of heads) is known.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            model.eval(),
            example,
            str(temporary),
            input_names=list(ONNX_INPUTS),
            output_names=model.output_names,
            dynamic_axes=axes,
            opset_version=ONNX_OPSET,
            dynamo=False,
        )


def load_waveform_model(folder: Path) -> WaveformModel:
    """The torch network of a model folder, in evaluation mode: to go on training, or to compare with ONNX.

    Raises:
        InputError: the folder is not whole, or its weights do not fit this version.
    """
    from safetensors.torch import load_file

    from seq.runtime.folder import read_model_folder

    description = read_model_folder(folder)
    try:
        model = SpeechEqModel(ModelSpec.from_dict(description["network"]))
        load_kept_weights(model, load_file(folder / "model.safetensors"))
    except (RuntimeError, TypeError, KeyError) as error:
        raise InputError(f"{folder} was exported by another version of the model: export it again") from error
    features = description["features"]
    return WaveformModel(model.eval(), FeaturesConf(features["extractor"], features["num_filters"])).eval()
