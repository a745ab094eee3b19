"""The batches of a run: its train part as a network of its front end reads it, augmented; its valid part as it is."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from seq.conf import Conf
from seq.data.batch import Batch
from seq.data.batches import SpeechDataset, eval_loader, shard_loader, train_loader
from seq.errors import InputError
from seq.models.front_end import FbankFrontEnd, FrontEnd
from seq.models.pretrained.on_the_fly import encoder_on_the_fly
from seq.train.run_data import RunData


def plain_dataset(conf: Conf, data: RunData, front_end: FrontEnd) -> SpeechDataset:
    """Utterances as they are."""
    return SpeechDataset(data.labeller, conf.features, reads=front_end.reads, corpora=data.spec.corpora)


def open_loaders(
    conf: Conf, data: RunData, front_end: FrontEnd, device: torch.device, rank: int, world_size: int
) -> tuple[DataLoader[Batch], DataLoader[Batch]]:
    """Batches of train and of valid, this rank's share of them.

    Raises:
        InputError: processes that load would need the GPU.
    """
    # What masked places of the features hold.
    fill = front_end.mean.cpu().clone() if isinstance(front_end, FbankFrontEnd) else None
    hear = encoder_on_the_fly(conf, device)
    if hear is not None and device.type == "cuda" and conf.train.num_workers:
        raise InputError(
            "train.num_workers must be 0 where an encoder hears on the GPU (augment.on_the_fly): only the process that "
            "trains may use it"
        )
    dataset = SpeechDataset(
        data.labeller, conf.features, conf.augment, fill, data.epoch, device, front_end.reads, hear, data.spec.corpora
    )
    duration = conf.train.batch_duration / world_size
    cuts, workers = data.sampled_cuts(rank, world_size), conf.train.num_workers
    if data.is_sharded:
        train = shard_loader(cuts, data.train_labels(), dataset, duration, workers)
    else:
        train = train_loader(cuts, dataset, duration, workers, rank, world_size)
    return train, eval_loader(data.valid_cuts(), plain_dataset(conf, data, front_end), rank, world_size)
