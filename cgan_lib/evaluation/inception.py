"""FID on features of a network trained on photographs, as papers have it. Our own scores do not need it."""

import torch
from torch import Tensor

from cgan_lib.errors import UserError
from cgan_lib.evaluation.classifier import load_for_reading
from cgan_lib.evaluation.samples import check_measurable, dataset_of, generate_like, image_size_of
from cgan_lib.files import first_line
from cgan_lib.models.layers import ConditionalGenerator

INCEPTION_COUNT = 60_000
AT_ONCE = 50


def inception_fid(
    generator: ConditionalGenerator,
    dataset: str | None = None,
    *,
    count: int = INCEPTION_COUNT,
    seed: int = 1,
    feature: int = 2048,
) -> float:
    """FID of `count` fakes against all test images, from Inception v3 at 299×299 (Heusel et al. 2017); 0 is best.

    The test images, of `dataset` (default: what the generator was trained on, or mnist), are brought to the size of the
    fakes first, so that both take the same way to 299×299.
    The network (92 MB) is fetched on first use by `torch-fidelity`; `UserError` says what to do where that fails.
    About 0.1 s an image on a 2-core CPU: a matter of hours there, of minutes on a GPU. `feature`: 64, 192, 768 or
    2048; papers use 2048.
    """
    name = dataset_of(generator, dataset)
    test = load_for_reading(name, image_size_of(generator), train=False)
    check_measurable(generator, test, count)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    metric = _metric(feature).to(device)
    fakes = generate_like(generator, test, count, seed)
    for real, data in ((True, test.resized(fakes.image_size)), (False, fakes)):
        for images in data.images.split(AT_ONCE):
            metric.update(_in_colour(images).to(device), real=real)
    return metric.compute().item()


def _in_colour(images: Tensor) -> Tensor:
    """uint8 (N,1,H,W) or (N,3,H,W) → (N,3,H,W)."""
    return images.expand(-1, 3, -1, -1)


def _metric(feature: int):
    from torchmetrics.image.fid import FrechetInceptionDistance

    try:
        return FrechetInceptionDistance(feature=feature, sync_on_compute=False)
    except ModuleNotFoundError as error:
        raise UserError("Inception-FID needs one more package: pip install torch-fidelity.") from error
    except ValueError as error:
        raise UserError(first_line(error)) from error
    except Exception as error:  # no network, a proxy, a full disk: each has an exception of its own
        raise UserError(
            f"the Inception network could not be fetched ({first_line(error)}): go online once, or leave Inception-FID "
            "out. Every other score works offline."
        ) from error
