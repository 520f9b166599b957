"""Data that are larger than the memory of a GPU: they stay where they are, and their batches are sent ahead."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from cgan_lib.data.images import ImageData

MOST = 0.5  # of the free memory of a GPU may be data: networks need some, too


def fits(data: ImageData, device: torch.device) -> bool:
    """Whether the images may lie on `device` as a whole; where the CPU computes, they lie there already."""
    return device.type != "cuda" or data.images.nbytes < MOST * torch.cuda.mem_get_info(device)[0]


def ahead(batches: Iterator[tuple[Tensor, Tensor]], device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The same endless batches on `device`, in their order: while one is used, a thread sends the next there."""

    def send() -> tuple[Tensor, Tensor]:
        real, labels = next(batches)
        if device.type == "cuda":  # only from pinned memory does a copy run while the GPU computes
            real, labels = real.pin_memory(), labels.pin_memory()
        return real.to(device, non_blocking=True), labels.to(device, non_blocking=True)

    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(send)
        while True:
            batch = sent.result()
            sent = thread.submit(send)
            yield batch
