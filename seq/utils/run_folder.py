"""The files of a run: exp/<name>/fold_<k>/seed_<s>. Names stand here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

# The parts of a fold that stage 6 decodes.
DecodedPart = Literal["test", "valid"]
DECODED_PARTS: Final[tuple[DecodedPart, ...]] = ("test", "valid")


@dataclass(frozen=True)
class RunFolder:
    """The folder of one fold and one seed, whether it is there or not."""

    path: Path

    @classmethod
    def of(cls, exp_dir: Path, fold: int, seed: int) -> RunFolder:
        """The run of a fold and a seed of an experiment."""
        return cls(exp_dir / f"fold_{fold}" / f"seed_{seed}")

    @classmethod
    def finished(cls, exp_dir: Path, fold: int | None = None, seed: int | None = None) -> list[RunFolder]:
        """The runs of an experiment that were trained to their end: all, or those of a fold, of a seed."""
        paths = exp_dir.glob(f"fold_{'*' if fold is None else fold}/seed_{'*' if seed is None else seed}/run.json")
        # What was set aside is called seed_<s>.replaced-<time>.
        return [cls(path.parent) for path in sorted(paths) if path.parent.name.removeprefix("seed_").isdigit()]

    def fold_and_seed(self) -> tuple[int, int]:
        """Which run of its experiment it is, by its name."""
        return int(self.path.parent.name.removeprefix("fold_")), int(self.path.name.removeprefix("seed_"))

    # Stage 5, train.

    @property
    def best(self) -> Path:
        """The number of the epoch that valid chose."""
        return self.path / "best"

    @property
    def last(self) -> Path:
        """The number of the epoch from which training goes on."""
        return self.path / "last"

    @property
    def history(self) -> Path:
        """A row per epoch: losses, scores on valid, time."""
        return self.path / "history.jsonl"

    @property
    def run_json(self) -> Path:
        """What was trained, by which protocol and how, when it was finished."""
        return self.path / "run.json"

    @property
    def tokens(self) -> Path:
        """The tokens of a fold that has its own (BPE)."""
        return self.path / "tokens.txt"

    @property
    def bpe_model(self) -> Path:
        """The pieces of a fold that has its own (BPE)."""
        return self.path / "bpe.model"

    @property
    def log(self) -> Path:
        """What training said."""
        return self.path / "train.log"

    @property
    def tensorboard(self) -> Path:
        """Curves for TensorBoard."""
        return self.path / "tensorboard"

    def epoch(self, number: int) -> Path:
        """The checkpoint of an epoch, from 1."""
        return self.path / f"epoch-{number}.pt"

    def epochs(self) -> list[tuple[int, Path]]:
        """The checkpoints of epochs that are there, newest first."""
        return self._checkpoints("epoch-")

    def batch(self, number: int) -> Path:
        """The checkpoint after a number of batches."""
        return self.path / f"checkpoint-{number}.pt"

    def batches(self) -> list[tuple[int, Path]]:
        """The checkpoints by batch count that are there, newest first."""
        return self._checkpoints("checkpoint-")

    def _checkpoints(self, prefix: str) -> list[tuple[int, Path]]:
        numbers = ((path.stem.removeprefix(prefix), path) for path in self.path.glob(f"{prefix}*.pt"))
        return sorted(((int(number), path) for number, path in numbers if number.isdigit()), reverse=True)

    # Stage 6, decode.

    @property
    def predictions(self) -> Path:
        """A row per utterance of test."""
        return self.path / "predictions.jsonl"

    @property
    def valid_predictions(self) -> Path:
        """A row per utterance of valid."""
        return self.path / "valid_predictions.jsonl"

    def predictions_of(self, part: DecodedPart) -> Path:
        """The predictions of a part of the fold."""
        return self.predictions if part == "test" else self.valid_predictions

    @property
    def decode_json(self) -> Path:
        """Which weights the predictions come from, and who chose them."""
        return self.path / "decode.json"

    @property
    def embeddings(self) -> Path:
        """What the heads read, for every utterance of test."""
        return self.path / "embeddings.npz"
