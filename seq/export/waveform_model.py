"""From a waveform to every answer in one module of plain tensor operations, so that ONNX can hold all of it.

Framing, window, pre-emphasis and Fourier transform of the filter bank are linear: their matrix is what Lhotse's own
extractor answers to unit impulses, and one strided convolution applies it. The mirrored edges, which Lhotse takes
from the padded batch (see `seq.data.features`), are gathered from each item at its own length: batched equals single.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from lhotse import Fbank
from torch import Tensor, nn

from seq.audio.reading import MIN_SAMPLES, SAMPLING_RATE
from seq.conf import FeaturesConf
from seq.data.features import make_extractor
from seq.errors import InputError
from seq.models.heads import FRAME_KINDS
from seq.models.model import ModelSpec, SpeechEqModel, load_kept_weights
from seq.utils.files import atomic_path

ONNX_OPSET = 17
ONNX_INPUTS = ("waveform", "lengths")


class WaveformFbank(nn.Module):
    """Lhotse's Kaldi-compatible log-mel filter bank, for a padded batch."""

    basis: Tensor
    filters: Tensor

    def __init__(self, conf: FeaturesConf) -> None:
        """Raises InputError where the extractor of `conf` is not Lhotse's torch filter bank."""
        super().__init__()
        extractor = make_extractor(conf)
        if not isinstance(extractor, Fbank):
            raise InputError(
                f"features.extractor is {conf.extractor}: only kaldi-fbank can be exported; train with that one"
            )
        lhotse_fbank = copy.deepcopy(extractor.extractor).double()
        window = lhotse_fbank.wav2win
        self.length = window._length
        self.shift = window._shift
        self.left = (self.length - self.shift) // 2
        with torch.no_grad():
            impulses, _ = window._forward_strided(torch.eye(self.length, dtype=torch.float64).unsqueeze(0))
            spectrum = torch.fft.rfft(impulses[0]).T
        basis = torch.cat([spectrum.real, spectrum.imag]).unsqueeze(1)
        self.epsilon = float(lhotse_fbank._eps)
        self.register_buffer("basis", basis.float(), persistent=False)
        self.register_buffer("filters", lhotse_fbank._fb.detach().float(), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, S) samples and (N,) lengths in samples -> (N, T, F) fbank and (N,) frames; frames beyond are arbitrary.

        T is S / 160, rounded half up. Lengths must be at least 200, for the edges to have something to mirror.
        """
        num_samples = waveform.size(1)
        num_frames = (num_samples + self.shift // 2) // self.shift
        position = torch.arange((num_frames - 1) * self.shift + self.length, device=waveform.device) - self.left
        position = torch.where(position < 0, -1 - position, position).unsqueeze(0)
        ends = lengths.unsqueeze(1)
        position = torch.where(position < ends, position, 2 * ends - 1 - position).clamp(min=0)
        padded = torch.gather(waveform, 1, position)
        spectrum = nn.functional.conv1d(padded.unsqueeze(1), self.basis, stride=self.shift)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = (real * real + imaginary * imaginary).transpose(1, 2)
        fbank = torch.matmul(power, self.filters).clamp(min=self.epsilon).log()
        return fbank, torch.div(lengths + self.shift // 2, self.shift, rounding_mode="floor")


class WaveformModel(nn.Module):
    """What the front end reads, computed from samples, and the network: what is exported."""

    def __init__(self, model: SpeechEqModel, features: FeaturesConf) -> None:
        super().__init__()
        self.fbank = WaveformFbank(features)
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


def pad_waveforms(waveforms: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Waveforms (S_i,) -> (N, S) padded with zeros, at least one frame of 400 samples each, and (N,) lengths."""
    lengths = torch.tensor([max(len(waveform), MIN_SAMPLES) for waveform in waveforms])
    padded = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(padded, waveforms, strict=True):
        row[: len(waveform)] = waveform
    return padded, lengths
