"""What the layers of a network mean for those who train it."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def has_batch_norm(network: nn.Module) -> bool:
    """Whether what the network makes of one image depends on the others in the batch."""
    return any(isinstance(layer, _BatchNorm) for layer in network.modules())


def best_memory_format(network: nn.Module) -> torch.memory_format:
    """Channels last is what convolutions in reduced precision want, on CPUs and GPUs; InstanceNorm wants it first."""
    by_channel = any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())
    return torch.contiguous_format if by_channel else torch.channels_last
