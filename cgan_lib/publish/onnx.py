"""A generator as an ONNX file, which draws without PyTorch: in a browser, on a phone, in another language."""

import copy
import io
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from cgan_lib.classes import Classes
from cgan_lib.errors import UserError, needs
from cgan_lib.files import first_line, write_atomically
from cgan_lib.models.labels import ClassEmbedding
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.limits import check_finite
from cgan_lib.paths import make_folder
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import Direction

INPUTS, OUTPUT = ("z", "class_weights"), "images"
TOLERANCE = 1e-4  # of images in [-1, 1]: an eightieth of a grey level
BATCHES = (1, 7)  # sizes other than the one that is traced, or a fixed size would pass


def export_onnx(
    generator: ConditionalGenerator, path: str | Path, *, name: str = "", directions: Sequence[Direction] = ()
) -> Path:
    """Write a generator as one ONNX file, once it draws there what it draws in PyTorch.

    Inputs `z` (N, latent_dim) and `class_weights` (N, num_classes), whose rows are ones in the place of the class or
    mixtures (a foreign network that cannot mix takes the class of the largest weight), both float32; output `images`
    (N,C,H,W) in [-1, 1]; any N. The metadata hold `name`, `dataset`, and as JSON `config` (the constructor arguments),
    `class_names`, `attribute_names` (values of each, where a class has several) and `directions` (label and vector of
    each).
    `UserError`, and no file, for another ending than .onnx, weights that are no numbers, when onnx or onnxruntime is
    missing, or when an image differs by more than 1e-4.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise UserError(f"{path} must end in .onnx.")
    check_finite(generator)
    frozen = copy.deepcopy(generator).cpu().float().eval()
    facts = {
        "name": name or type(generator).__name__,
        "config": json.dumps(frozen.config),
        "dataset": generator.dataset,
        "class_names": json.dumps(generator.class_names, ensure_ascii=False),
        "attribute_names": json.dumps(Classes.of(generator).attributes, ensure_ascii=False),
        "directions": json.dumps(
            [
                {"label": direction.label(number), "vector": direction.vector.tolist()}
                for number, direction in enumerate(directions, start=1)
            ]
        ),
    }
    with needs("onnx"):
        content = _with_metadata(_convert(_with_whole_classes(frozen)), facts)
        difference = _difference(frozen, content)
    if not difference <= TOLERANCE:  # NaN is wrong too
        raise UserError(
            f"the ONNX file would draw other images (by up to {difference:.2g} in [-1, 1]): nothing was written. "
            "Another version of torch or onnxruntime may convert it right."
        )
    make_folder(path.parent)
    write_atomically(path, content)
    return path


def _inputs(generator: ConditionalGenerator, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Latents (count, latent_dim) and class weights (count, num_classes): single classes and, if it can, mixtures."""
    latent_dim, num_classes = generator.config["latent_dim"], generator.config["num_classes"]
    mixtures = latents(count, num_classes, seed + 1).softmax(1)
    single = torch.eye(num_classes)[torch.arange(count) % num_classes]
    mixed = (torch.arange(count)[:, None] % 2 == 0) & generator.mixes
    return latents(count, latent_dim, seed), torch.where(mixed, mixtures, single)


def _with_whole_classes(generator: ConditionalGenerator) -> ConditionalGenerator:
    """The same, with a vector for each class in place of a sum for its attributes: one constant in the file."""
    whole = copy.deepcopy(generator)
    for module in [*whole.modules()]:
        for name, layer in module.named_children():
            if isinstance(layer, ClassEmbedding) and layer.compositional:
                embedding = ClassEmbedding(len(layer.rows), layer.embedding_dim)
                embedding.weight.data = layer(torch.arange(len(layer.rows))).detach()
                setattr(module, name, embedding)
    return whole


def _convert(generator: ConditionalGenerator) -> bytes:
    import onnx  # noqa: F401  (the tracer asks for it late, and in words of its own)

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The tracer, on every torch since 2.6: what took its place as the default in 2.9 needs one more package, twenty
        # times as long, and refuses a generator that looks at how far it has grown
        torch.onnx.export(
            generator,
            _inputs(generator, count=2, seed=0),
            buffer,  # type: ignore[arg-type]  # torch's annotation is of the converter that dynamo=False turns off
            dynamo=False,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={tensor: {0: "N"} for tensor in (*INPUTS, OUTPUT)},
        )
    return buffer.getvalue()


def _with_metadata(content: bytes, facts: dict[str, str]) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def runtime() -> ModuleType:
    """onnxruntime, kept from writing an identity of this machine into the home folder and reporting what it does."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _difference(generator: ConditionalGenerator, content: bytes) -> float:
    """The largest difference of a number in images drawn by PyTorch and by onnxruntime; infinite for other shapes."""
    onnxruntime = runtime()
    differences = []
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is told below
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for count in BATCHES:
            inputs = _inputs(generator, count, seed=count)
            with torch.inference_mode():
                expected = generator(*inputs)  # (count, C, H, W)
            (images,) = session.run([OUTPUT], dict(zip(INPUTS, (x.numpy() for x in inputs), strict=True)))
            if images.shape != expected.shape:
                return float("inf")
            differences.append((torch.from_numpy(images) - expected).abs().max())
    except ImportError:
        raise
    except Exception as error:  # onnxruntime has a dozen, without a common base
        raise UserError(
            f"onnxruntime cannot run the ONNX file ({first_line(error)}): nothing was written. In your own network, "
            "z.shape[0] in place of len(z) leaves the number of images open."
        ) from error
    return torch.stack(differences).max().item()  # NaN when one is
