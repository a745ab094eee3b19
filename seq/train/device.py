"""Which device computes, and in which precision."""

from __future__ import annotations

import contextlib
import os

import torch

from seq.errors import InputError


def pick_device(name: str = "auto", rank: int | None = None) -> torch.device:
    """`auto` is the GPU where there is one. Raises InputError for a device that this machine lacks.

    Args:
        rank: which of several processes this is, each of which has a GPU of its own; None for a process alone.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device {name}: choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch sees no GPU here; use --device cpu, or run tools/check_env.py")
    if name == "cuda" and rank is not None:
        return torch.device(name, int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count())
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bf16 where the hardware multiplies it, fp32 elsewhere (a CPU without it would crawl)."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # Older torch does not tell; fp32 is right everywhere.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "fp32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Mixed precision for `bf16`, nothing for `fp32`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
