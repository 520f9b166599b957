"""Where networks compute, and with how many bits."""

import torch

from cgan_lib.errors import UserError, unknown
from cgan_lib.recipes import Precision

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: cuda, else mps, else cpu. `UserError` for a device that this machine has not got."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    kind, _, index = name.partition(":")
    if kind not in available or not (index.isdigit() or name == kind):
        raise unknown("device", name, ["auto", *available])
    count = torch.cuda.device_count() if kind == "cuda" else int(available[kind])
    if int(index or 0) >= count:
        raise UserError(f"device {name!r} is not on this machine: use auto or cpu.")
    return torch.device(name)


def pick_precision(name: Precision, device: torch.device) -> str:
    """`auto`: bf16 where `device` computes it natively, fp16 on older CUDA GPUs, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bf16"
    return "fp32"
