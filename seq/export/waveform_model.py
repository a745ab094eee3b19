"""From a waveform to every answer in one module of plain tensor operations, so that ONNX can hold all of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seq.audio.reading import SAMPLING_RATE
from seq.conf import FeaturesConf
from seq.data.encoded import summarise
from seq.data.fbank import ConvolutionFbank
from seq.data.features import KALDI_FBANK
from seq.errors import InputError
from seq.models.heads import FRAME_KINDS
from seq.models.model import ModelSpec, SpeechEqModel, check_finite, load_kept_weights
from seq.models.pretrained.spec import EncoderSpec
from seq.runtime.folder import EMBEDDING
from seq.utils.files import atomic_path
from seq.utils.model_conf import PretrainedConf

ONNX_OPSET = 17
ONNX_INPUTS = ("waveform", "lengths")


class FbankReader(nn.Module):
    """Filter banks of samples."""

    def __init__(self, features: FeaturesConf) -> None:
        """Raises InputError where the features are not our filter bank's."""
        super().__init__()
        if features.extractor != KALDI_FBANK:
            raise InputError(
                f"features.extractor is {features.extractor}: only {KALDI_FBANK} can be exported; train with that one"
            )
        self.fbank = ConvolutionFbank(features.num_filters)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(N, S) samples and (N,) lengths -> what `SpeechEqModel` takes."""
        return self.fbank(waveform, lengths)


class EncoderReader(nn.Module):
    """What the frozen part of a pretrained encoder says of samples, all of one length."""

    def __init__(self, spec: EncoderSpec, conf: PretrainedConf) -> None:
        """Raises InputError where the encoder is not at hand, or is another one."""
        super().__init__()
        from seq.models.pretrained.families import split_encoder

        self.encoder, _ = split_encoder(spec.checkpoint(conf), conf.trained_layers, for_export=True)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(N, S) samples and (N,) lengths, all S -> what `SpeechEqModel` takes."""
        layers = self.encoder(waveform)
        return layers[-1], torch.ones_like(lengths) * layers[-1].size(1), summarise(layers)


class WaveformModel(nn.Module):
    """What the front end reads, computed from samples, and the network: what is exported."""

    def __init__(self, model: SpeechEqModel, features: FeaturesConf) -> None:
        """Raises InputError where what the network reads cannot be exported, or its encoder is not at hand."""
        super().__init__()
        spec = model.spec
        self.reader = (
            FbankReader(features) if spec.encoder is None else EncoderReader(spec.encoder, spec.model.pretrained)
        )
        self.model = model
        self.output_names = [*model.heads, "frames", EMBEDDING]

    @property
    def one_length(self) -> bool:
        """Whether it takes waveforms of one length only: the stems of encoders depend on padding."""
        return self.model.spec.encoder is not None

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """(N, S) 16 kHz samples and (N,) int64 lengths -> the tensors named by `output_names`.

        Those of tasks are (N, K) logits of the utterance, or (N, T', V) log probabilities of the frames; frames (N,)
        are the encoder frames T' of each item, embedding (N, D) is what the heads of the utterance read.
        """
        output = self.model(*self.reader(waveform, lengths))
        return (*(output.numbers[name] for name in self.model.heads), output.lengths, output.embedding)


def write_onnx(model: WaveformModel, path: Path) -> None:
    """Export to ONNX, batch and time dynamic; the file is written atomically."""
    second = SAMPLING_RATE if model.one_length else SAMPLING_RATE // 2
    example = (torch.randn(2, SAMPLING_RATE), torch.tensor([SAMPLING_RATE, second]))
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


def load_network(folder: Path, encoder: str = "") -> tuple[SpeechEqModel, FeaturesConf]:
    """The torch network of a model folder in evaluation mode, to go on training, and the features that it reads.

    Args:
        encoder: folder of the pretrained encoder that it stands on, if that is not in the model hub's cache.

    Raises:
        InputError: the folder is not whole, or its weights do not fit this version.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from seq.runtime.folder import WEIGHTS, read_model_folder

    description = read_model_folder(folder)
    complaint = f"{folder} was exported by another version of the model, or is damaged: export it again"
    spec = ModelSpec.from_dict(description["network"], complaint)
    if spec.num_filters != description["features"]["num_filters"]:
        raise InputError(f"{complaint}: its network has {spec.num_filters} filters, its features have others")
    spec.model.pretrained.path = encoder
    try:
        model = SpeechEqModel(spec)
        weights = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
        load_kept_weights(model, weights)
    except (RuntimeError, SafetensorError) as error:
        raise InputError(complaint) from error
    check_finite(weights, str(folder / WEIGHTS))
    features = description["features"]
    return model.eval(), FeaturesConf(features["extractor"], features["num_filters"])


def load_waveform_model(folder: Path, encoder: str = "") -> WaveformModel:
    """`load_network` from samples on, to compare with ONNX. Raises as it does, and where its encoder is not at hand."""
    return WaveformModel(*load_network(folder, encoder)).eval()
