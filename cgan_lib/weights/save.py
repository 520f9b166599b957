"""Writing a generator as one file that says itself what it is."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.files import write_atomically
from cgan_lib.models import family_of
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.limits import check_finite
from cgan_lib.paths import make_folder
from cgan_lib.weights.places import existing
from cgan_lib.weights.read import read


def save_generator(generator: ConditionalGenerator, path: str | Path, *, half: bool = False, **facts: Any) -> Path:
    """Write a generator as safetensors: its weights, what it is made of, what it draws, and some `facts`.

    `half` stores float16, half the size and good enough to draw with. `UserError` for one of no family in `MODELS`,
    with weights that are no numbers, or a name that does not end in .safetensors: by it the file is read.
    """
    from safetensors.torch import save

    about = {"model": family_of(generator), "config": json.dumps(generator.describe(), ensure_ascii=False)}
    metadata = about | {name: str(value) for name, value in facts.items()}
    check_finite(generator)
    path = Path(path)
    if path.suffix.lower() != ".safetensors":
        raise UserError(f"{path} must end in .safetensors.")
    make_folder(path.parent)
    write_atomically(path, save(state_to_store(generator, half), metadata=metadata))
    return path


def state_to_store(network: nn.Module, half: bool) -> dict[str, Tensor]:
    """The state dict of a network on the CPU; `half`: what is floating point as float16."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}


def facts(path: str | Path) -> dict[str, str]:
    """What a `.safetensors` file of ours says about itself: model, config, and for shipped ones steps and seconds."""
    return read(existing(path))[1]
