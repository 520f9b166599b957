"""Weight files that nobody honest writes, and a process that opens them all and says what came of it.

    python hostile.py FOLDER

prints JSON: file → the message of the `UserError`, "loaded", or the traceback; and the memory that it took.
"""

import io
import json
import os
import pickle
import random
import resource
import sys
import traceback
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save

from cgan_lib import UserError, load_generator
from cgan_lib.models import MODELS
from cgan_lib.weights.recognise import on_meta

SMALL = dict(latent_dim=7, num_classes=4, channels=1, image_size=16, embed_dim=5, base_channels=8)
GIGABYTES = SMALL | {"latent_dim": 60_000, "base_channels": 1_024}  # 4 of them, and yet within all limits
HUGE = 10**12
CONFIGS = {
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "huge number": b'{"latent_dim": ' + b"9" * 5_000 + b"}",
    "long number": b'{"latent_dim": ' + b"9" * 4_000 + b"}",
    "not a number": b'{"latent_dim": NaN, "num_classes": Infinity}',
    "negative": b'{"num_classes": -3, "image_size": 1e999}',
    "lists": b'{"model": [], "class": {}, "dataset": [1], "class_names": {"a": 1}}',
    "escapes": b'{"dataset": "\\u001b[31m\\u0000", "class_names": ["\\u001b]0;x\\u0007", "a\\nb", "\\ud800", "d"]}',
    "long": b'{"dataset": "' + b"a" * 2_000_000 + b'"}',
    "another encoding": '{"dataset": "ä"}'.encode("utf-16"),
}


SHAPES = [HUGE, HUGE], [HUGE, 0], [-1, 5], [2**63, 2], [], "many", [1.5]
OFFSETS = [0, HUGE], [-4, 4], [4, 0], [], [0, 10**30]
HEADERS = [
    *({"shape": shape} for shape in SHAPES),
    *({"data_offsets": offsets} for offsets in OFFSETS),
    *({"dtype": dtype} for dtype in ("F4", 7)),
]


class Call:
    """Pickled, it is a call of `function`: what a hostile file asks for."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def torch_file(content, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def rewritten(content: bytes, change=lambda name, data: data, compression=zipfile.ZIP_STORED) -> bytes:
    """An archive with other entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def safetensors_file(header: dict | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def of_shapes(state: dict[str, torch.Tensor], **shapes) -> dict[str, torch.Tensor]:
    """The state dict with tensors of other shapes, which take no room: one number, repeated."""
    return {
        n: torch.zeros((), dtype=t.dtype).expand(shapes.get(n.replace(".", "_"), t.shape)) for n, t in state.items()
    }


def larger_numel(name: str, data: bytes) -> bytes:
    """The pickle of an archive, which now says that there are more numbers than there are."""
    return data.replace(b"K\x14t", b"J\x00\x00\x00\x7ft") if name.endswith("data.pkl") else data


def states(state: dict[str, torch.Tensor]) -> dict[str, object]:
    """What may be saved with `torch.save`: all of it harmless to look at, none of it a generator."""
    embedding, shared = "label_embedding.weight", {"a": torch.ones(1)}
    for _ in range(20):
        shared = {f"{n}": shared for n in range(50)}
    deep: dict = {"a": torch.ones(1)}
    for _ in range(150):
        deep = {"a": deep}
    return {
        "repeated": of_shapes(state),
        "repeated classes": of_shapes(state, label_embedding_weight=(HUGE, 5)),
        "repeated size": of_shapes(state, projection_0_weight=(8 * 4 * 10**8, 12), projection_0_bias=(8 * 4 * 10**8,)),
        "repeated within all limits": of_shapes(on_meta(MODELS["bce"].generator, GIGABYTES)),
        "no numbers": state | {embedding: torch.zeros(HUGE, 0)},
        "no classes": state | {embedding: torch.zeros(0, 5)},
        "a flat weight": state | {"projection.0.weight": torch.zeros(3)},
        "no latents": state | {"projection.0.weight": torch.zeros(128, 3)},
        "integers": {name: t.long() for name, t in state.items()},
        "complex": {name: t.to(torch.complex64) for name, t in state.items()},
        "sparse": {name: t.to_sparse() for name, t in state.items()},
        "meta": {name: t.to("meta") for name, t in state.items()},
        "quantised": state | {embedding: torch.quantize_per_tensor(state[embedding], 0.1, 0, torch.qint8)},
        "nan": state | {embedding: torch.full((4, 5), float("nan"))},
        "infinite": state | {embedding: torch.full((4, 5), float("inf"))},
        "numbers as names": dict(enumerate(state.values())),
        "names of all kinds": {(1, 2): torch.ones(1), None: torch.ones(1), b"a": torch.ones(1), 1.5: torch.ones(1)},
        "escapes": {"\x1b[31mred\x07" + name: t for name, t in state.items()},
        "long names": {name * 10_000: t for name, t in state.items()},
        "lines": {f"a\nb\r{name}": t for name, t in state.items()},
        "many tensors": {f"a{n}.b.c": torch.zeros(0) for n in range(5_000)},
        "many stages": {f"stages.{n}.0.weight": torch.zeros(1, 1, 1, 1) for n in range(3_000)},
        "each in each": shared,
        "deep": deep,
        "dots": {"." * 1_000 + name: t for name, t in state.items()},
        "no names": {"": torch.ones(1), ".": torch.ones(1)},
        "a network": torch.nn.Linear(2, 2),
        "a byte array": {"a": Call(bytearray, 3 * 10**9), **state},
        "a tensor": {"a": Call(torch.Tensor, 3 * 10**9), **state},
        "a storage": {"a": Call(torch.UntypedStorage, 3 * 10**9), **state},
        "a file": {"a": Call(open, "executed", "w"), **state},
        "a command": {"a": Call(os.system, "touch executed"), **state},
        "an import": {"a": Call(__import__, "cgan_lib.cli"), **state},
    }


def craft(folder: Path) -> None:
    """Write the files."""
    torch.manual_seed(0)
    state = MODELS["bce"].generator(**SMALL).state_dict()
    plain, old = torch_file(state), torch_file(state, _use_new_zipfile_serialization=False)
    safe = save(state, {"model": "bce"})
    length = int.from_bytes(safe[:8], "little")
    header = json.loads(safe[8 : 8 + length])
    first = next(iter(state))
    files = {f"{name}.pth": torch_file(content) for name, content in states(state).items()}
    files |= {
        f"old {name}.pt": torch_file(c, _use_new_zipfile_serialization=False) for name, c in states(state).items()
    }
    files |= {
        "compressed.pth": rewritten(plain, compression=zipfile.ZIP_DEFLATED),
        "compressed zeros.pth": rewritten(
            plain, lambda name, data: bytes(10**8) if "/data/" in name else data, zipfile.ZIP_DEFLATED
        ),
        "more numbers than there are.pth": rewritten(plain, larger_numel),
        "shorter entries.pth": rewritten(plain, lambda name, data: data[:7] if "/data/" in name else data),
        "no pickle.pth": rewritten(plain, lambda name, data: b""),
        "another archive.pth": rewritten(plain, lambda name, data: b"PK\x03\x04"),
        "plain pickle.pkl": pickle.dumps(state),
        "pickled list.pkl": pickle.dumps([1, 2]),
        "protocol 5.pth": torch_file(state, pickle_protocol=5),
        "pickle bomb.pkl": pickle.dumps(Call(bytearray, 3 * 10**9)),
        "empty.pth": b"",
        "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "page.pth": b"\n<!DOCTYPE html><html></html>",
        "header of all.safetensors": safetensors_file(b"{}", length=2**64 - 1),
        "header of gigabytes.safetensors": safetensors_file(b"{}", length=3 * 10**9),
        "deep header.safetensors": safetensors_file(b'{"a":' * 100_000),
        "empty header.safetensors": safetensors_file({}),
        "list.safetensors": safetensors_file([1]),
        "two bytes.safetensors": b"ab",
        "nan header.safetensors": safetensors_file(
            b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', b"0000"
        ),
    }
    for number, changes in enumerate(HEADERS):
        changed = header | {first: header[first] | changes}
        files[f"header {number}.safetensors"] = safetensors_file(changed, safe[8 + length :])
    for name, config in CONFIGS.items():
        (folder / f"config {name}").mkdir()
        (folder / f"config {name}" / "model.safetensors").write_bytes(safe)
        (folder / f"config {name}" / "config.json").write_bytes(config)
        metadata = {"model": "bce\x1b[31m", "config": config.decode("latin-1")}
        files[f"metadata {name}.safetensors"] = save(state, metadata)
    dice = random.Random(0)
    for number in range(60):  # flipped bytes, cut and repeated pieces
        kind, content = (("pth", plain), ("pt", old), ("safetensors", safe))[number % 3]
        files[f"mutated {number}.{kind}"] = mutated(content, dice)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.pth")
    (folder / "device.safetensors").symlink_to("/dev/zero")
    (folder / "folder.pth").mkdir()
    (folder / "circle.pth").symlink_to(folder / "circle.pth")


def mutated(content: bytes, dice: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice([1, 8, 64])):
        changed[dice.randrange(min(len(changed), 3_000))] = dice.randrange(256)  # where names and sizes are
    start = dice.randrange(len(changed))
    return bytes(changed[:start] + changed[start + 50 :] if dice.random() < 0.3 else changed)


def outcome(path: Path) -> str:
    try:
        load_generator(path)
    except UserError as error:
        return str(error)
    except BaseException:
        return traceback.format_exc()
    return "loaded"


if __name__ == "__main__":
    place = Path(sys.argv[1])
    craft(place)
    os.chdir(place)
    warnings.simplefilter("ignore")
    load_generator("bce")  # what the library takes in any case
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {path.name: outcome(path) for path in sorted(place.iterdir())}
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"outcomes": outcomes, "megabytes": (after - before) / 1024}))
