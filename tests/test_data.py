"""Data sets are read, resized, scaled, shuffled and fetched as promised, with and without a network."""

import gzip
import hashlib
import http.server
import socket
import threading
import time
from collections import Counter
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from torchvision import datasets

import cgan_lib.data
from cgan_lib import UserError, load
from cgan_lib.data import DATASETS, ImageData, batches, to_uint8, to_unit

CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    """The file format of MNIST: type and number of dimensions, each dimension, the bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def idx_files(count: int = 30, seed: int = 0) -> dict[str, bytes]:
    """The four files of a small data set: `count` images to train on and half as many to test with."""
    random = np.random.default_rng(seed)
    files = {}
    for part, size in (("train", count), ("t10k", count // 2)):
        files[f"{part}-images-idx3-ubyte"] = idx(random.integers(0, 256, (size, 28, 28)))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(size) % 10)
    return files


def write_files(root, class_name="MNIST", files=None):
    raw = root / class_name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in (files or idx_files()).items():
        (raw / name).write_bytes(content)
    return raw


# --- reading


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(("train", "part", "count"), [(True, "train", 30), (False, "t10k", 15)])
def test_reads_the_files_pixel_by_pixel(home, name, train, part, count):
    files = idx_files()
    write_files(home / "data", CLASSES[name], files)
    data = load(name, train=train)
    assert (data.name, data.channels, data.image_size, data.num_classes, len(data)) == (name, 1, 28, 10, count)
    assert data.class_names == DATASETS[name][1]
    assert data.images.dtype == torch.uint8
    assert data.images.numpy().tobytes() == files[f"{part}-images-idx3-ubyte"][16:]
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [i % 10 for i in range(count)]


def test_cgan_data_goes_before_the_data_folder(home, monkeypatch):
    here, there = idx_files(seed=1), idx_files(seed=2)
    write_files(home / "data", files=here)
    write_files(home / "elsewhere", files=there)
    monkeypatch.setenv("CGAN_DATA", str(home / "elsewhere"))
    assert load("mnist").images.numpy().tobytes() == there[IMAGES][16:]


def test_data_folder_is_used_for_what_cgan_data_does_not_hold(home, monkeypatch):
    files = idx_files()
    write_files(home / "data", "KMNIST", files)
    write_files(home / "elsewhere", "MNIST")
    monkeypatch.setenv("CGAN_DATA", str(home / "elsewhere"))
    assert load("kmnist").images.numpy().tobytes() == files[IMAGES][16:]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (IMAGES, lambda content: content[:-100]),
        (IMAGES, lambda content: b""),
        (IMAGES, lambda content: b"<html>" + content),
        (LABELS, lambda content: content[:-1]),
        (LABELS, lambda content: idx_files()[IMAGES]),
        (LABELS, lambda content: idx(np.arange(29) % 10)),  # one label too few
        (LABELS, lambda content: idx(np.full(30, 10))),  # no such class
    ],
    ids=["truncated", "empty", "no idx file", "labels truncated", "images as labels", "a label missing", "label 10"],
)
def test_damaged_files_are_an_error_that_names_the_folder(home, name, damage):
    files = idx_files()
    raw = write_files(home / "data", files=files | {name: damage(files[name])})
    with pytest.raises(UserError) as error:
        load("mnist")
    assert str(raw) in str(error.value)


def test_files_without_any_image_are_an_error_that_names_the_folder(home):
    raw = write_files(home / "data", files=idx_files(count=0))
    with pytest.raises(UserError) as error:
        load("mnist")
    assert str(raw) in str(error.value)


def test_embedded_digits_are_split_without_overlap_or_loss():
    from sklearn.datasets import load_digits

    train, test = (load("digits", train=train, image_size=8) for train in (True, False))
    assert train.images.shape == (1500, 1, 8, 8)
    assert test.images.shape == (297, 1, 8, 8)
    assert int(train.images.max()) == 255
    assert int(train.images.min()) == 0
    original = load_digits()
    brightness = Counter(
        (int(label), *np.rint(image.ravel() * 255 / 16).astype(int))
        for image, label in zip(original.images, original.target, strict=True)
    )
    both = Counter(
        (int(label), *image.flatten().tolist())
        for data in (train, test)
        for image, label in zip(data.images, data.labels, strict=True)
    )
    assert both == brightness


@pytest.mark.parametrize("size", [28, 64])
def test_images_are_resized_once_and_keep_their_range(size):
    small, data = load("digits", image_size=8), load("digits", image_size=size)
    assert data.images.shape == (1500, 1, size, size)
    assert data.images.dtype == torch.uint8
    assert torch.equal(data.labels, small.labels)
    means = [images.float().mean(dim=(1, 2, 3)) for images in (small.images, data.images)]
    assert torch.corrcoef(torch.stack(means))[0, 1] > 0.95  # the same picture, in the same place


def test_resizing_in_chunks_changes_nothing(home):
    images = torch.randint(256, (5000, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(cgan_lib.data.resize(images, 8)[4090:4100], cgan_lib.data.resize(images[4090:4100], 8))


def test_unknown_data_set_suggests_the_nearest():
    with pytest.raises(UserError, match=r"unknown data set 'mnits': did you mean 'mnist'\?"):
        load("mnits")


# --- scaling


def test_scaling_maps_bytes_to_the_range_of_tanh_and_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    scaled = to_unit(pixels)
    assert scaled.dtype == torch.float32
    assert (scaled[0], scaled[255]) == (-1, 1)
    assert torch.equal(to_uint8(scaled), pixels)


def test_to_uint8_rounds_to_the_nearest_and_clips():
    assert to_uint8(torch.tensor([-7.0, -0.001, 0.001, 7.0])).tolist() == [0, 127, 128, 255]


# --- batches


@pytest.fixture
def numbered():
    """Twenty-two images, each of one grey level of its own, with that number as its label."""
    numbers = torch.arange(22)
    images = numbers.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2).contiguous()
    return ImageData("numbered", images, numbers, tuple(map(str, range(22))))


def test_an_epoch_holds_each_image_once_with_its_own_label(numbered):
    drawn = list(islice(batches(numbered, 11, seed=0), 2))
    labels = torch.cat([labels for _, labels in drawn])
    assert sorted(labels.tolist()) == list(range(22))
    for real, some in drawn:
        assert real.dtype == torch.float32
        assert torch.equal(to_uint8(real)[:, 0, 0, 0].long(), some)


def test_the_incomplete_last_batch_is_left_out(numbered):
    drawn = [labels for _, labels in islice(batches(numbered, 5, seed=0), 8)]
    assert {len(labels) for labels in drawn} == {5}
    for epoch in (drawn[:4], drawn[4:]):
        assert len(set(torch.cat(epoch).tolist())) == 20


def test_each_epoch_and_each_seed_has_its_own_order(numbered):
    first, second = (labels.tolist() for _, labels in islice(batches(numbered, 22, seed=0), 2))
    (_, other), *_ = islice(batches(numbered, 22, seed=1), 1)
    assert first != second
    assert first != other.tolist()


@pytest.mark.parametrize("start", [1, 3, 4, 6, 13])
def test_starting_late_is_the_same_as_skipping(numbered, start):
    skipped = islice(batches(numbered, 5, seed=3), start, start + 6)  # four batches an epoch: crosses its end
    late = islice(batches(numbered, 5, seed=3, start=start), 6)
    for (real, labels), (real_late, labels_late) in zip(skipped, late, strict=True):
        assert torch.equal(labels, labels_late)
        assert torch.equal(real, real_late)


def test_a_batch_larger_than_the_data_is_an_error(numbered):
    with pytest.raises(UserError, match="batch_size 23 is more than the 22 images of numbered"):
        next(batches(numbered, 23, seed=0))


# --- the network: mirrors on 127.0.0.1 in place of the real ones


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def silent():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.fixture
def refusing():
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


@pytest.fixture
def serve():
    """A function: serve HTTP with this handler class, and return the address."""
    servers = []

    def start(handler) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def put_online(folder, files, monkeypatch, source=datasets.MNIST):
    """Write `files` gzipped, with their checksums in place of those of the real data set."""
    folder.mkdir()
    resources = []
    for name, content in files.items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(source, "resources", resources)


def test_mirrors_that_never_answer_make_mnist_fall_back_within_15_seconds(silent, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [silent, silent])
    start = time.monotonic()
    with pytest.warns(UserWarning, match="no mirror answers.*Using the embedded 8×8 digits"):
        data = load("mnist")
    assert time.monotonic() - start < 15
    assert data.name == "digits"
    assert data.images.shape == (1500, 1, 28, 28)


def test_mirrors_that_refuse_make_mnist_fall_back(refusing, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [refusing, refusing])
    with pytest.warns(UserWarning, match="Using the embedded 8×8 digits"):
        assert load("mnist").name == "digits"


@pytest.mark.parametrize("mirror", ["silent", "refusing"])
def test_other_data_sets_have_no_fallback_and_say_what_to_do(mirror, request, monkeypatch):
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [request.getfixturevalue(mirror)])
    monkeypatch.setattr(cgan_lib.data, "CONNECT_SECONDS", 1)
    with pytest.raises(UserError, match=r"kmnist is not in .*: go online, or set CGAN_DATA"):
        load("kmnist")


def test_one_mirror_that_answers_is_enough(home, refusing, serve, monkeypatch):
    files = idx_files()
    put_online(home / "mirror", files, monkeypatch)
    mirror = serve(partial(QuietFiles, directory=home / "mirror"))
    monkeypatch.setattr(datasets.MNIST, "mirrors", [refusing, mirror])
    data = load("mnist")
    assert data.images.numpy().tobytes() == files[IMAGES][16:]
    assert data.labels.tolist() == [i % 10 for i in range(30)]
    assert (home / "data" / "MNIST" / "raw" / IMAGES).read_bytes() == files[IMAGES]


def test_downloaded_once_it_is_there_offline(home, refusing, serve, monkeypatch):
    put_online(home / "mirror", idx_files(), monkeypatch, datasets.KMNIST)
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [serve(partial(QuietFiles, directory=home / "mirror"))])
    online = load("kmnist")
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [refusing])
    assert torch.equal(load("kmnist").images, online.images)


def test_a_download_cut_short_falls_back_now_and_is_repaired_later(home, serve, monkeypatch):
    put_online(home / "mirror", idx_files(), monkeypatch)
    packed = home / "mirror" / f"{IMAGES}.gz"
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-20])
    monkeypatch.setattr(datasets.MNIST, "mirrors", [serve(partial(QuietFiles, directory=home / "mirror"))])
    with pytest.warns(UserWarning, match="downloading mnist to .* failed"):
        assert load("mnist").name == "digits"
    packed.write_bytes(whole)
    assert load("mnist").name == "mnist"


def test_a_mirror_that_stalls_in_the_middle_does_not_hang(serve, monkeypatch):
    class Stalling(QuietFiles):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            time.sleep(5)

    monkeypatch.setattr(datasets.MNIST, "mirrors", [serve(Stalling)])
    monkeypatch.setattr(cgan_lib.data, "CONNECT_SECONDS", 1)
    before = socket.getdefaulttimeout()
    start = time.monotonic()
    with pytest.warns(UserWarning, match="Using the embedded 8×8 digits"):
        load("mnist")
    assert time.monotonic() - start < 4.5
    assert socket.getdefaulttimeout() == before
