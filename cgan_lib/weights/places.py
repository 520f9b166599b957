"""Where a weight file is: a path, a folder, the Hugging Face hub, or the shelf of the library."""

from pathlib import Path

from cgan_lib.errors import UserError
from cgan_lib.files import first_line
from cgan_lib.paths import locate

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pth.tar")  # in capitals, too
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
CONFIG_FILES = ("config.json", "generator_config.json")  # ours, and those of older folders and of others
# In a folder, the first of these that is there is read; then any other weight file, if there is only one
PREFERRED = ("model.safetensors", "generator.safetensors", "best_generator.pth", "mnist_cgan_generator.pth")
PRETRAINED = Path(__file__).parents[1] / "pretrained"
HUB = "hf://"


def pretrained() -> list[str]:
    """Names of the generators that come with the library: each can be given to `load_generator`."""
    return sorted(path.stem for path in PRETRAINED.glob("*.safetensors"))


def existing(source: str | Path) -> Path:
    """The file or folder meant by a path, by `hf://owner/name`, or by the name of a shipped generator."""
    if str(source).startswith(HUB):
        return _download(str(source).removeprefix(HUB))
    try:
        path = locate(source)
        if path.exists():
            return path
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be entered, a NUL
        raise UserError(f"{shortened(source)} cannot be opened ({first_line(error)}): check the path.") from error
    if str(source) in pretrained():
        return PRETRAINED / f"{source}.safetensors"
    raise UserError(
        f"there is no weight file {shortened(path)}: check the path. Shipped: {', '.join(pretrained()) or 'none'}."
    )


def shortened(path: str | Path) -> str:
    """A path as part of a message."""
    return text if len(text := str(path)) <= 300 else f"{text[:300]}…"


def file_in(folder: Path) -> Path:
    """The weight file of a folder; `UserError` for none, and for several of names that are not known."""
    try:
        files = [path for path in sorted(folder.iterdir()) if is_weight_file(path)]
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror}): check who may.") from error
    for path in (folder / name for name in PREFERRED):
        if path in files:
            return path
    if len(files) != 1:
        found = ", ".join(path.name for path in files[:10]) + (", …" if len(files) > 10 else "") or "none"
        raise UserError(f"{folder} should hold {PREFERRED[0]} or one weight file (found: {found}): name the file.")
    return files[0]


def is_weight_file(path: Path) -> bool:
    """Whether a name ends like that of a weight file."""
    return path.name.lower().endswith(SUFFIXES)


def _download(repository: str) -> Path:
    """The folder of `owner/name` on the Hugging Face hub, fetched once and cached."""
    patterns = [f"*{suffix}" for suffix in SUFFIXES] + ["*.json"]
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repository, allow_patterns=patterns))
    except Exception as error:  # unknown name, no network, no access: the library has an exception for each
        raise UserError(
            f"{HUB}{repository} could not be fetched ({first_line(error)}): check the name and the connection, or "
            "download the file yourself and give its path."
        ) from error
