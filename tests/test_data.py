"""Data sets are read, resized, scaled, shuffled and fetched as promised, with and without a network."""

import gzip
import hashlib
import http.server
import socket
import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from torchvision import datasets

import cgan_lib.idx
from cgan_lib import UserError, load_data
from cgan_lib.data import DATASETS, ImageData, ahead, batches, fits, resize, to_uint8, to_unit

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
    data = load_data(name, train=train)
    assert (data.name, data.channels, data.image_size, data.num_classes, len(data)) == (name, 1, 28, 10, count)
    assert data.class_names == DATASETS[name][1]
    assert data.images.dtype == torch.uint8
    assert data.images.numpy().tobytes() == files[f"{part}-images-idx3-ubyte"][16:]
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [i % 10 for i in range(count)]


def test_cgan_data_goes_before_the_data_folder_and_this_is_used_for_what_that_does_not_hold(home, monkeypatch):
    here, there = idx_files(seed=1), idx_files(seed=2)
    write_files(home / "data", files=here)
    write_files(home / "data", "KMNIST", here)
    write_files(home / "elsewhere", files=there)
    monkeypatch.setenv("CGAN_DATA", str(home / "elsewhere"))
    assert load_data("mnist").images.numpy().tobytes() == there[IMAGES][16:]
    assert load_data("kmnist").images.numpy().tobytes() == here[IMAGES][16:]


def plain(root, files):
    write_files(root, files=files)


def gzipped(root, files):
    write_files(root, files={f"{name}.gz": gzip.compress(content) for name, content in files.items()})


def unpacked_by_a_browser(root, files):
    write_files(root, files={f"{name}.gz": content for name, content in files.items()})


def with_dots(root, files):
    write_files(root, files={name.replace("-idx", ".idx"): content for name, content in files.items()})


def from_kaggle(root, files):
    for name, content in files.items():
        folder = root / "MNIST" / name.replace("-idx", ".idx")
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)


def mixed(root, files):
    odd = {name: name.startswith("train") for name in files}
    plain(root, {name: content for name, content in files.items() if odd[name]})
    gzipped(root, {name: content for name, content in files.items() if not odd[name]})


def in_lower_case(root, files):
    plain(root, files)
    (root / "MNIST").rename(root / "mnist")


@pytest.mark.parametrize(
    "lay",
    [plain, gzipped, unpacked_by_a_browser, with_dots, from_kaggle, mixed, in_lower_case],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("place", ["$CGAN_DATA", "data"])
def test_mnist_is_read_as_people_lay_it_and_nothing_is_changed(home, monkeypatch, contents, lay, place):
    files, root = idx_files(), home / place
    if place == "$CGAN_DATA":
        monkeypatch.setenv("CGAN_DATA", str(root))
    lay(root, files)
    before = contents(home)
    for train, part in ((True, "train"), (False, "t10k")):
        data = load_data("mnist", train=train)
        assert data.name == "mnist"
        assert data.images.numpy().tobytes() == files[f"{part}-images-idx3-ubyte"][16:]
        assert data.labels.tolist() == [i % 10 for i in range(len(data))]
    assert contents(home) == before


@pytest.mark.parametrize("chosen", ["there", "there/MNIST", "there/MNIST/raw", "flat", "raw"])
def test_cgan_data_may_point_at_the_folder_at_the_data_set_or_at_its_files(home, monkeypatch, chosen):
    folder = home / (chosen if chosen in ("flat", "raw") else "there/MNIST/raw")
    folder.mkdir(parents=True)
    for name, content in idx_files().items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv("CGAN_DATA", str(home / chosen))
    assert load_data("mnist").images.numpy().tobytes() == idx_files()[IMAGES][16:]
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [])  # whose files have the same names
    with pytest.raises(UserError, match=r"kmnist is not in .*CGAN_DATA is .*looked for train-images-idx3-ubyte, "):
        load_data("kmnist")


def test_files_of_another_data_set_are_not_taken_for_mnist(home, monkeypatch):
    write_files(home / "there", "FashionMNIST")
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    for chosen in ("there", "there/FashionMNIST", "there/FashionMNIST/raw"):
        monkeypatch.setenv("CGAN_DATA", str(home / chosen))
        assert load_data("fashion_mnist").name == "fashion_mnist"
        with pytest.raises(UserError, match=rf"CGAN_DATA is {home / chosen}, with \w+"):
            load_data("mnist")


def test_where_cgan_data_holds_no_mnist_it_is_said_what_is_there_and_no_digits_stand_in(home, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    monkeypatch.setenv("CGAN_DATA", str(home / "nowhere"))
    with pytest.raises(UserError, match=r"CGAN_DATA names .*nowhere, where there is no folder"):
        load_data("mnist")
    raw = write_files(home / "part")
    (raw / LABELS).unlink()
    monkeypatch.setenv("CGAN_DATA", str(home / "part"))
    with pytest.raises(UserError, match=f"mnist is not whole: .*with MNIST; looked for {LABELS} .*in {raw}"):
        load_data("mnist")
    (home / "empty").mkdir()
    monkeypatch.setenv("CGAN_DATA", str(home / "empty"))
    with pytest.raises(
        UserError,
        match=r"CGAN_DATA is .*empty, with nothing; looked for .* in MNIST/raw, MNIST, raw and the folder itself",
    ):
        load_data("mnist")
    assert load_data("digits").name == "digits"  # when they are asked for


@pytest.mark.parametrize(
    ("name", "read", "message"),
    [
        ("../outside", lambda train: None, "data set '../outside' names a folder"),
        ("a/b", lambda train: None, "data set 'a/b' names a folder"),
        ("mine", lambda train: None, "mine: its function in DATASETS returned None: return images, labels"),
    ],
)
def test_a_data_set_of_ones_own_stays_in_its_folder_and_is_two_tensors(monkeypatch, name, read, message):
    monkeypatch.setitem(DATASETS, name, (read, ("a", "b")))
    with pytest.raises(UserError, match=message):
        load_data(name)


@pytest.mark.parametrize("size", [0, -1, 10**9, 2**70])
def test_a_size_that_memory_cannot_hold_is_refused(size):
    with pytest.raises(UserError, match=r"1,500 images of image_size .* do not fit into 4 GB"):
        load_data("digits", image_size=size)


def test_a_class_without_an_image_to_train_on_is_named_and_may_be_missing_from_the_test_images(home):
    files = idx_files()
    write_files(home / "data", files=files | {"t10k-labels-idx1-ubyte": idx(np.arange(15) % 9)})
    assert len(load_data("mnist", train=False)) == 15
    write_files(home / "data", "FashionMNIST", files=files | {LABELS: idx(np.arange(30) % 9)})
    with pytest.raises(UserError, match=r"class 9 \(boot\) of fashion_mnist has 0 images: add some"):
        load_data("fashion_mnist")


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
        (IMAGES, lambda content: idx_files(count=0)[IMAGES]),
        (IMAGES, lambda content: gzip.compress(content)[:-9]),
        (IMAGES, lambda content: gzip.compress(content)[:-8] + bytes(8)),  # another sum
        (IMAGES, lambda content: gzip.compress(idx(np.zeros((1, 1, 1)))[:4] + 3 * b"\0\1\0\0" + bytes(10**6))),
        (IMAGES, lambda content: content[:4] + 3 * b"\xff\xff\xff\xff" + content[16:]),
        (IMAGES, lambda content: content + b"\0"),
    ],
)
def test_damaged_files_are_an_error_that_names_the_folder(home, name, damage):
    files = idx_files()
    raw = write_files(home / "data", files=files | {name: damage(files[name])})
    with pytest.raises(UserError) as error:
        load_data("mnist")
    assert str(raw) in str(error.value)


def test_embedded_digits_are_split_without_overlap_or_loss():
    from sklearn.datasets import load_digits

    train, test = (load_data("digits", train=train, image_size=8) for train in (True, False))
    assert train.images.shape == (1500, 1, 8, 8)
    assert test.images.shape == (297, 1, 8, 8)
    original = load_digits()
    expected = Counter(
        (label, *np.rint(image.ravel() * 255 / 16).astype(int))
        for image, label in zip(original.images, original.target.tolist(), strict=True)
    )
    found = [
        (label, *image.flatten().tolist())
        for data in (train, test)
        for image, label in zip(data.images, data.labels.tolist(), strict=True)
    ]
    assert Counter(found) == expected


@pytest.mark.parametrize("size", [28, 64])
def test_images_are_resized_once_and_keep_their_range(size):
    small, data = load_data("digits", image_size=8), load_data("digits", image_size=size)
    assert data.images.shape == (1500, 1, size, size)
    assert data.images.dtype == torch.uint8
    assert torch.equal(data.labels, small.labels)
    means = [images.float().mean(dim=(1, 2, 3)) for images in (small.images, data.images)]
    assert torch.corrcoef(torch.stack(means))[0, 1] > 0.95  # the same picture, in the same place


def test_resizing_in_chunks_changes_nothing():
    images = torch.randint(256, (5000, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize(images, 8)[4090:4100], resize(images[4090:4100], 8))


def test_images_are_made_smaller_with_antialias():
    """Every third column white: a third of white everywhere at a third of the size, not white as the column hit."""
    stripes = torch.zeros(1, 1, 84, 84, dtype=torch.uint8)
    stripes[..., 1::3] = 255
    smaller = resize(stripes, 28)[0, 0, 2:-2, 2:-2].int()  # at the border the filter is cut
    assert (smaller - 85).abs().max() <= 5


def test_unknown_data_set_suggests_the_nearest():
    with pytest.raises(UserError, match=r"unknown data set 'mnits': did you mean 'mnist'\?"):
        load_data("mnits")


# --- what data are


def image_data(images=None, labels=None, class_names=tuple("abc")):
    images = torch.zeros(6, 1, 8, 8, dtype=torch.uint8) if images is None else images
    return ImageData("mine", images, torch.arange(6) % 3 if labels is None else labels, class_names)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(images=torch.zeros(6, 1, 8, 8)), r"images must be uint8 .*not torch.float32: to_uint8 converts"),
        (dict(images=np.zeros((6, 1, 8, 8), np.uint8)), "images must be a tensor, not ndarray: torch.as_tensor"),
        (dict(images=torch.zeros(6, 8, 8).byte()), r"shape \(N, C, H, W\), not \(6, 8, 8\): images.unsqueeze"),
        (dict(images=torch.zeros(6, 8, 8, 3).byte()), r"not \(6, 8, 8, 3\): images.permute\(0, 3, 1, 2\)"),
        (dict(images=torch.zeros(5, 1, 8, 8).byte()), "5 images but 6 labels: give one label for each"),
        (dict(images=torch.zeros(0, 1, 8, 8).byte(), labels=torch.zeros(0).long()), "no images: give at least one"),
        (dict(labels=[0, 1, 2, 0, 1, 2]), "labels must be a tensor, not list: torch.as_tensor"),
        (dict(labels=torch.zeros(6)), r"labels must be int64 .*not torch.float32 of \(6,\): use labels.long\(\)"),
        (dict(labels=torch.zeros(6, 3).long()), r"labels must be int64 of shape \(N,\)"),
        (dict(labels=torch.arange(1, 7) % 4), "label 3 is none of the 3 classes in class_names: number them from 0 on"),
        (dict(labels=torch.arange(6) - 1), "label -1 is none of the 3 classes"),
        (dict(class_names=()), "class_names must name every class"),
        (dict(class_names=("a", "", "c")), "class_names must name every class"),
        (dict(class_names=("a", " ", "c")), "class_names must name every class"),
        (dict(class_names={"a", "b", "c"}), "class_names must be a tuple of texts"),
        (dict(class_names="abc"), "class_names must be a tuple of texts"),
        (dict(class_names=(0, 1, 2)), "class_names must be a tuple of texts"),
        (dict(class_names=None), "class_names must be a tuple of texts"),
        (dict(images=torch.zeros(6, 1, 0, 8, dtype=torch.uint8)), "images must have pixels"),
    ],
)
def test_data_that_are_not_as_they_must_be_are_refused_with_the_field_and_the_fix(fields, message):
    with pytest.raises(UserError, match=f"^mine: .*{message}"):
        image_data(**fields)


def test_data_are_equal_when_all_is_and_are_named_by_their_labels_and_pixels():
    data, again = image_data(), image_data()
    assert data == again
    assert hash(data) == hash(again)
    assert len(data.fingerprint) == 12
    pixel = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    pixel[5, 0, 7, 7] = 1
    others = (image_data(pixel), image_data(labels=(torch.arange(6) + 1) % 3), data.take(slice(5)), data.resized(16))
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 5
    for other in (*others, replace(data, name="yours"), replace(data, class_names=tuple("abd")), None):
        assert data != other


def test_resized_data_are_named_the_same_on_a_processor_that_rounds_otherwise(monkeypatch):
    here = image_data().resized(16)
    monkeypatch.setattr("cgan_lib.data.images.resize", lambda images, size: resize(images, size) ^ 1)
    there = image_data().resized(16)
    assert not torch.equal(there.images, here.images)
    assert there.fingerprint == there.to("cpu").fingerprint == here.fingerprint


def test_taking_some_images_takes_their_labels_along_and_the_same_size_is_the_same_data(digits):
    rows = torch.tensor([7, 3, 3])
    taken = digits.take(rows)
    assert torch.equal(taken.images, digits.images[rows])
    assert torch.equal(taken.labels, digits.labels[rows])
    assert digits.resized(28) is digits


# --- scaling


def test_scaling_maps_bytes_to_the_range_of_tanh_and_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    scaled = to_unit(pixels)
    assert scaled.dtype == torch.float32
    assert (scaled[0], scaled[255]) == (-1, 1)
    assert torch.equal(to_uint8(scaled), pixels)


def test_scaling_leaves_what_it_is_given_as_it_is():
    for given in (torch.tensor([0, 51, 255], dtype=torch.uint8), torch.tensor([0.0, 51.0, 255.0])):
        before = given.clone()
        assert to_unit(given).tolist() == pytest.approx([-1, -0.6, 1])
        assert torch.equal(given, before)


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
    orders = []
    for seed in (0, 1):
        for real, labels in islice(batches(numbered, 22, seed), 2):
            assert real.dtype == torch.float32
            assert torch.equal(to_uint8(real)[:, 0, 0, 0].long(), labels)
            orders.append(tuple(labels.tolist()))
    assert all(sorted(order) == list(range(22)) for order in orders)
    assert len(set(orders)) == 4  # each epoch and each seed has its own


def test_the_incomplete_last_batch_is_left_out(numbered):
    labels = [labels for _, labels in islice(batches(numbered, 5, seed=0), 8)]
    assert {len(batch) for batch in labels} == {5}
    for epoch in (labels[:4], labels[4:]):
        assert len(set(torch.cat(epoch).tolist())) == 20


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


@pytest.mark.parametrize("batch_size", [0, -3, 2.5, "4"])
def test_a_batch_size_that_is_none_is_an_error(numbered, batch_size):
    with pytest.raises(UserError, match=r"batch_size .* must be a whole number from 1 on"):
        next(batches(numbered, batch_size, seed=0))


def test_batches_that_are_sent_ahead_are_the_same_in_the_same_order(numbered):
    sent = ahead(batches(numbered, 5, seed=3, start=2), torch.device("cpu"))
    for (real, labels), (real_sent, labels_sent) in zip(
        islice(batches(numbered, 5, seed=3, start=2), 9), islice(sent, 9), strict=True
    ):
        assert torch.equal(labels, labels_sent)
        assert torch.equal(real, real_sent)
    sent.close()
    assert not any("ThreadPool" in thread.name for thread in threading.enumerate())


def test_what_goes_wrong_in_the_thread_is_raised(numbered):
    with pytest.raises(UserError, match="batch_size 23"):
        next(ahead(batches(numbered, 23, seed=0), torch.device("cpu")))


def test_data_lie_on_a_gpu_as_long_as_they_take_no_more_than_half_of_it(numbered, monkeypatch):
    gpu = torch.device("cuda")
    size = numbered.images.nbytes
    for free, there in ((2 * size, False), (2 * size + 1, True)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10 * size))
        assert fits(numbered, gpu) is there
        assert fits(numbered, torch.device("cpu"))


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


def put_online(folder, files, monkeypatch):
    """Write `files` gzipped, with their checksums in place of those of the real data set."""
    folder.mkdir()
    resources = []
    for name, content in files.items():
        packed = gzip.compress(content)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(datasets.MNIST, "resources", resources)


def test_finding_out_that_there_is_no_network_takes_seconds():
    assert 1 <= cgan_lib.idx.CONNECT_SECONDS <= 10


@pytest.mark.timeout(120)  # what is asked for an answer that never comes would wait for ever
@pytest.mark.parametrize("mirror", ["silent", "refusing"])
def test_without_a_mirror_mnist_falls_back_and_other_data_sets_say_what_to_do(mirror, request, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [request.getfixturevalue(mirror)] * 2)
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [request.getfixturevalue(mirror)])
    monkeypatch.setattr(cgan_lib.idx, "CONNECT_SECONDS", 0.5)
    with pytest.warns(UserWarning, match="no mirror answers.*Using the embedded 8×8 digits"):
        data = load_data("mnist")
    assert (data.name, *data.images.shape) == ("digits", 1500, 1, 28, 28)
    with pytest.raises(UserError, match=r"kmnist is not in .*: go online, or set CGAN_DATA"):
        load_data("kmnist")


def test_one_mirror_that_answers_is_enough_and_then_the_data_are_there_offline(home, refusing, serve, monkeypatch):
    files = idx_files()
    put_online(home / "mirror", files, monkeypatch)
    mirror = serve(partial(QuietFiles, directory=home / "mirror"))
    for mirrors in ([refusing, mirror], [refusing]):
        monkeypatch.setattr(datasets.MNIST, "mirrors", mirrors)
        data = load_data("mnist")
        assert data.images.numpy().tobytes() == files[IMAGES][16:]
        assert data.labels.tolist() == [i % 10 for i in range(30)]
    assert (home / "data" / "MNIST" / "raw" / IMAGES).read_bytes() == files[IMAGES]


def test_a_download_cut_short_falls_back_now_and_is_repaired_later(home, serve, monkeypatch):
    put_online(home / "mirror", idx_files(), monkeypatch)
    packed = home / "mirror" / f"{IMAGES}.gz"
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-20])
    monkeypatch.setattr(datasets.MNIST, "mirrors", [serve(partial(QuietFiles, directory=home / "mirror"))])
    with pytest.warns(UserWarning, match="downloading mnist to .* failed"):
        assert load_data("mnist").name == "digits"
    packed.write_bytes(whole)
    assert load_data("mnist").name == "mnist"


@pytest.mark.timeout(120)
def test_a_mirror_that_stalls_in_the_middle_does_not_hang(serve, monkeypatch):
    given_up = threading.Event()

    class Stalling(QuietFiles):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            given_up.wait()

    monkeypatch.setattr(datasets.MNIST, "mirrors", [serve(Stalling)])
    monkeypatch.setattr(cgan_lib.idx, "CONNECT_SECONDS", 1)
    before = socket.getdefaulttimeout()
    with pytest.warns(UserWarning, match="Using the embedded 8×8 digits"):
        load_data("mnist")
    given_up.set()
    assert socket.getdefaulttimeout() == before


def test_data_of_ones_own_are_a_function_in_the_registry(monkeypatch):
    def read(train):
        labels = torch.arange(26).repeat(4 if train else 1)
        return labels.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 20, 20), labels

    monkeypatch.setitem(DATASETS, "letters", (read, tuple("abcdefghijklmnopqrstuvwxyz")))
    data, test = load_data("letters"), load_data("letters", train=False, image_size=20)
    assert (data.name, len(data), data.num_classes, data.image_size) == ("letters", 104, 26, 28)
    assert torch.equal(test.images[:, 0, 0, 0], torch.arange(26, dtype=torch.uint8))


def test_a_class_of_torchvision_that_has_not_the_files_of_mnist_is_not_taken_for_it(home, monkeypatch):
    monkeypatch.setitem(DATASETS, "emnist", ("EMNIST", tuple("abcdefghijklmnopqrstuvwxyz")))
    with pytest.raises(UserError, match=r"emnist: torchvision's EMNIST is not read from four files .* give a function"):
        load_data("emnist")
