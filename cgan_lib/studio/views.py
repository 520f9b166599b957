"""What the studio shows, as plain functions: which generators there are, a view as a picture, a drawing as a digit."""

import io

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from cgan_lib.errors import UserError
from cgan_lib.paths import home, short
from cgan_lib.sampling import blend, generate, tile
from cgan_lib.studio.latent import Direction, View
from cgan_lib.weights import pretrained

REACH = 4.0  # how far a slider goes along a direction, both ways


def sources() -> list[str]:
    """The generators at hand: those of your runs, newest first, then those shipped with the library."""
    runs = [path.parents[1] for path in (home() / "logs").glob("*/*/*/checkpoints/*.pt")]
    newest_first = sorted(set(runs), key=lambda folder: folder.stat().st_mtime, reverse=True)
    return [short(folder) for folder in newest_first] + pretrained()


def draw(generator: nn.Module, view: View, ways: list[Direction]) -> Tensor:
    """The images of a view as one picture uint8 (3, height, width), as near to a square as they fit."""
    z, weights = view.inputs(generator.config, ways)
    images = generate(generator, weights, z=z)
    columns = round(view.count**0.5)
    return tile(images, columns) if view.count > 1 else images[0].expand(3, -1, -1)


def walks(generator: nn.Module, view: View, ways: list[Direction], columns: int = 9) -> tuple[Tensor, list[str]]:
    """A row of images along each direction, and one from class to class, with a name for each row.

    Images uint8 (rows · columns, C, H, W): what each slider would show, the others being where they are, for viewers
    that have no sliders.
    """
    z, weights = (inputs[:1] for inputs in view.inputs(generator.config, ways))
    far = torch.linspace(-REACH, REACH, columns)[:, None]  # (columns, 1)
    moves = [*view.moves, *[0.0] * len(ways)]
    rows = [
        generate(generator, weights.expand(columns, -1), z=z + (far - move) * way.vector)
        for move, way in zip(moves, ways, strict=False)
    ]
    names = [way.label(number) for number, way in enumerate(ways, start=1)]
    if view.toward is not None:
        weights = blend(view.digit, view.toward, torch.linspace(0, 1, columns), generator.config["num_classes"])
        rows.append(generate(generator, weights, z=z.expand(columns, -1)))
        names.append(f"{view.digit} becomes {view.toward}")
    return torch.cat(rows), names


def enlarged(picture: Tensor, side: int) -> bytes:
    """A picture uint8 (3,H,W) as PNG, its longer side about `side` pixels."""
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    scale = max(side / max(image.size), 1)
    image = image.resize((round(scale * image.width), round(scale * image.height)), Image.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # made anew at every move: quickly beats small
    return buffer.getvalue()


def like_mnist(pixels: Tensor) -> Tensor:
    """A drawing uint8 (H,W), white on black, framed as MNIST's digits are: uint8 (1,28,28).

    Scaled to fit 20×20 pixels, then moved until its centre of mass is the middle (LeCun et al. 1998, section III.A).
    `UserError` when nothing was drawn.
    """
    rows, columns = pixels.amax(1).nonzero().flatten(), pixels.amax(0).nonzero().flatten()
    if len(rows) == 0:
        raise UserError("nothing is drawn yet: draw a digit first.")
    digit = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float()  # (h, w)
    scale = 20 / max(digit.shape)
    size = [max(round(scale * side), 1) for side in digit.shape]
    digit = F.interpolate(digit[None, None], size=size, mode="bilinear", antialias=True)[0, 0]
    mass = digit.sum()
    down = (digit.sum(1) * torch.arange(size[0])).sum() / mass
    right = (digit.sum(0) * torch.arange(size[1])).sum() / mass
    top = int((13.5 - down).round().clamp(0, 28 - size[0]))
    left = int((13.5 - right).round().clamp(0, 28 - size[1]))
    framed = torch.zeros(28, 28)
    framed[top : top + size[0], left : left + size[1]] = digit
    return framed.round().clamp(0, 255).byte()[None]


def strip(generator: nn.Module, view: View, ways: list[Direction], name: str) -> bytes:
    """The rows of `walks` with their names, as PNG."""
    from matplotlib.figure import Figure

    from cgan_lib.figures import draw_grid

    columns = 9
    images, names = walks(generator, view, ways, columns)
    figure = Figure(figsize=(8.5, 0.5 + 0.74 * len(names)), layout="constrained")
    draw_grid(figure.subplots(), images, names, f"{name}: what the sliders do", columns)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    return buffer.getvalue()


def read_digit(image: Tensor) -> int:
    """The class that the evaluation classifier of MNIST reads in an image uint8 (1,28,28)."""
    from cgan_lib.evaluation.classifier import load_classifier, read

    return int(read(load_classifier("mnist"), image[None])[1].argmax(1))
