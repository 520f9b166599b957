"""People's own pictures: folders, tables and the sets of torchvision, in every real format, read by name or path."""

import bz2
import csv
import json
import os
import pickle
import re
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_lib import UserError, evaluate, generate, load_data, open_run, train
from cgan_lib.data import ImageData, add_data, dataset_names, is_local
from cgan_lib.data.collection import Item, divide
from cgan_lib.data.folder import open_folder
from cgan_lib.data.pictures import squared
from cgan_lib.data.tables import open_table
from cgan_lib.paths import check_name

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def picture(colour, size=(40, 30)):
    return Image.new("RGB", size, colour)


def lay(root, classes="ab", image=None, name="a.png", count=1):
    """Lay `count` copies of an image into a folder for each class below `root`, which is returned."""
    for each in classes:
        (root / each).mkdir(parents=True)
        for number in range(count):
            (image or picture(RED)).save(root / each / (f"{number}{name[-4:]}" if count > 1 else name))
    return root


@pytest.fixture
def fruit(home):
    """A folder of six red apples and six yellow bananas."""
    lay(home / "my fruit", ["apple"], count=6)
    return lay(home / "my fruit", ["ripe bananas"], picture((255, 255, 0)), count=6)


def mean_colour(image):
    """The mean of each channel of (C,H,W)."""
    return tuple(image.float().mean((1, 2)).round().int().tolist())


# --- folders


def test_a_folder_is_read_by_its_path_then_by_its_name(fruit):
    data = load_data(str(fruit), image_size=16)
    assert (data.name, data.class_names, tuple(data.images.shape)) == (
        "my_fruit",
        ("apple", "ripe bananas"),
        (10, 3, 16, 16),
    )
    test = load_data("my_fruit", train=False, image_size=16)
    assert test.labels.tolist() == [0, 1]
    assert mean_colour(test.images[0]) == RED
    assert "my_fruit" in dataset_names()


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "val"), ("train", "valid")])
def test_parts_that_are_there_are_kept(home, train, test):
    for part, count in ((train, 3), (test, 2)):
        lay(home / "set" / part, count=count)
    assert len(load_data(str(home / "set"), image_size=8)) == 6
    assert len(load_data(str(home / "set"), image_size=8, train=False)) == 4


def test_the_division_is_stratified_and_does_not_depend_on_order():
    items = [
        Item(f"{label}/{number}.png", lambda: None, label) for label in range(3) for number in range(12 * (label + 1))
    ]
    divided = divide(items)
    assert [sum(not item.train and item.label == label for item in divided) for label in range(3)] == [2, 4, 6]
    tested = {item.key for item in divided if not item.train}
    assert {item.key for item in divide(items[::-1]) if not item.train} == tested
    more = divide([*items, Item("0/new.png", lambda: None, 0)])
    assert len({item.key for item in more if not item.train} ^ tested) <= 2


def test_one_picture_in_a_class_is_trained_with(fruit):
    lay(fruit, ["kiwi"], picture(GREEN))
    assert load_data(str(fruit), image_size=8).labels.bincount().tolist() == [5, 1, 5]
    assert load_data(str(fruit), image_size=8, train=False).labels.tolist() == [0, 2]


def test_classes_are_in_the_order_of_their_numbers(home):
    lay(home / "set", ["10", "9", "2 x", "ä", "B"])
    assert open_folder(home / "set").class_names == ("2 x", "9", "10", "B", "ä")


def modes():
    """Red pictures as people have them: file name, how to save them."""
    red = picture(RED)
    clear = Image.new("RGBA", red.size, (*RED, 255))
    return {
        "png": ("a.png", red),
        "capital letters": ("a.JPG", red),
        "webp": ("a.webp", red),
        "gif": ("a.gif", red),
        "bmp": ("a.bmp", red),
        "tiff": ("a.tiff", red),
        "palette": ("a.png", red.convert("P", palette=Image.Palette.ADAPTIVE)),
        "alpha": ("a.png", clear),
        "cmyk": ("a.jpg", red.convert("CMYK")),
    }


@pytest.mark.parametrize("kind", sorted(modes()))
def test_every_format_has_its_colours(home, kind):
    name, image = modes()[kind]
    lay(home / "set", "ab", image, name)
    found = mean_colour(load_data(str(home / "set"), image_size=8).images[0])
    assert found == pytest.approx(RED, abs=4)


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        (Image.fromarray(np.full((9, 9), 128 * 257, np.uint16)), 128),
        (Image.fromarray(np.full((9, 9), 128, np.uint8)), 128),
        (Image.fromarray(np.eye(9) > 2), 0),
        (Image.new("LA", (9, 9), (0, 0)), 255),  # nothing but glass: on white
    ],
    ids=["16 bits", "8 bits", "1 bit", "transparent"],
)
def test_grey_pictures_have_one_channel(home, image, grey):
    lay(home / "set", "ab", image)
    images = load_data(str(home / "set"), image_size=8).images
    assert tuple(images.shape) == (2, 1, 8, 8)
    assert images.float().mean() == grey


def test_what_the_camera_says_of_up_and_down_is_followed():
    upright = picture(RED, (40, 20))
    upright.paste(picture(BLUE, (20, 20)), (0, 0))  # blue on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° to the right: what was on the left comes up
    upright.info["exif"] = exif.tobytes()
    upright.getexif()[0x0112] = 6
    pixels = squared(upright, 8, "pad")
    assert tuple(pixels[:, 1, 4]) == BLUE
    assert tuple(pixels[:, 6, 4]) == RED


def test_pictures_that_are_not_square_are_cropped_or_padded(home):
    wide = picture(WHITE, (90, 30))
    wide.paste(picture(RED, (30, 30)), (30, 0))  # red in the middle
    lay(home / "set", "ab", wide)
    assert mean_colour(load_data(str(home / "set"), image_size=30).images[0]) == pytest.approx(RED, abs=9)
    padded = add_data(home / "set", fit="pad")
    assert padded == "set_pad"
    assert mean_colour(load_data(padded, image_size=30).images[0]) == pytest.approx((255, 227, 227), abs=3)


def test_colours_are_left_out_when_asked(fruit):
    name = add_data(fruit, grey=True)
    images = load_data(name, image_size=8).images
    assert images.shape[1] == 1
    assert images[0].unique().tolist() == [76]  # red, after ITU-R 601


def test_files_that_cannot_be_read_are_named_and_left_out(fruit):
    (fruit / "apple" / "broken.jpg").write_bytes(b"no picture")
    (fruit / "apple" / "notes.txt").write_text("no picture, and no one's fault")
    (fruit / "apple" / ".hidden.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"my_fruit: 1 of 13 pictures were left out: apple/broken.jpg \("):
        data = load_data(str(fruit), image_size=8)
    assert len(data) + len(load_data("my_fruit", image_size=8, train=False)) == 12


def test_a_picture_more_is_noticed_and_what_did_not_change_is_read_once(fruit, monkeypatch):
    first = load_data(str(fruit), image_size=8)
    picture(GREEN).save(fruit / "apple" / "green.png")
    more = load_data("my_fruit", image_size=8)
    assert len(more) + len(load_data("my_fruit", image_size=8, train=False)) == 13
    assert more.fingerprint != first.fingerprint
    monkeypatch.setattr("cgan_lib.data.shelf.read_picture", None)  # nothing is read again
    assert load_data("my_fruit", image_size=8) == more
    assert len(list((fruit.parent / "data" / "prepared").glob("*.safetensors"))) == 1


def test_what_is_drawn_from_the_file_can_be_written_without_changing_it(fruit):
    data = load_data(str(fruit), image_size=8)
    data.images.zero_()
    assert load_data("my_fruit", image_size=8).images.any()


@pytest.mark.parametrize(
    ("lay", "message"),
    [
        (lambda root: None, r"holds no pictures: put the pictures of each class into a folder of its own"),
        (lambda root: picture(RED).save(root / "a.png"), r"holds 1 pictures, but no folder of a class"),
        (lambda root: (root / "a").mkdir(), "holds no pictures"),
    ],
)
def test_a_folder_without_classes_says_what_to_do(home, lay, message):
    (home / "set").mkdir()
    lay(home / "set")
    with pytest.raises(UserError, match=message):
        load_data(str(home / "set"))


def test_one_class_is_too_few(fruit):
    (fruit / "apple").rename(fruit.parent / "apple")
    with pytest.raises(UserError, match="has 1 classes: give 2 to 1,000"):
        load_data(str(fruit))


def test_nothing_that_can_be_read_is_an_error(home):
    for name in "ab":
        (home / "set" / name).mkdir(parents=True)
        (home / "set" / name / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match="none of its 2 pictures can be read"):
        load_data(str(home / "set"))
    assert [path.name for path in (home / "data" / "prepared").iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["nowhere/fruit", "fruit.npz", "./fruit"])
def test_a_path_that_is_not_there_is_named(home, name):
    with pytest.raises(UserError, match="is neither a folder nor a file"):
        load_data(name)


def test_a_folder_that_is_gone_is_named(fruit):
    load_data(str(fruit), image_size=8)
    fruit.rename(fruit.with_name("elsewhere"))
    with pytest.raises(UserError, match="is gone: bring it back"):
        load_data("my_fruit", image_size=8)


def test_a_part_to_validate_with_is_trained_with_beside_one_to_test_with(home):
    for part, count in (("train", 3), ("val", 2), ("test", 1)):
        lay(home / "set" / part, count=count)
    assert len(load_data(str(home / "set"), image_size=8)) == 10
    assert len(load_data(str(home / "set"), image_size=8, train=False)) == 2


def test_a_file_is_no_other_kind_of_document_whatever_its_name(fruit):
    (fruit / "apple" / "drawing.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.warns(UserWarning, match=r"1 of 13 pictures were left out: apple/drawing\.png"):
        load_data(str(fruit), image_size=8)


def test_a_dark_picture_of_16_bits_stays_dark(home):
    lay(home / "set", "ab", Image.fromarray(np.full((9, 9), 200, np.uint16)))
    assert load_data(str(home / "set"), image_size=8).images.max() == 0


def test_a_damaged_file_of_prepared_pictures_is_made_anew(fruit):
    before = load_data(str(fruit), image_size=8).images.clone()
    (prepared,) = (fruit.parent / "data" / "prepared").glob("*.safetensors")
    prepared.write_bytes(prepared.read_bytes()[:200])
    assert torch.equal(load_data("my_fruit", image_size=8).images, before)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("broken", [True, False])
def test_what_is_kept_beside_the_pictures_is_their_fingerprint(fruit, broken, grey, train):
    if broken:
        (fruit / "apple" / "0.png").write_bytes(b"no picture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load_data(add_data(fruit, grey=grey), train=train, image_size=7)
    assert data.fingerprint == ImageData("other", data.images, data.labels, data.class_names).fingerprint
    assert data.channels == (1 if grey else 3)


def test_more_pictures_than_are_in_memory_at_a_time(fruit, monkeypatch):
    whole = load_data(str(fruit), image_size=8)
    monkeypatch.setattr("cgan_lib.data.shelf.AT_ONCE", 3)
    monkeypatch.setattr("cgan_lib.data.shelf.PIECE", 50)
    monkeypatch.setattr("cgan_lib.data.shelf.VERSION", -1)
    assert load_data("my_fruit", image_size=8) == whole
    lay(fruit.parent / "grey", "ab", Image.effect_noise((9, 9), 99), count=9)
    kept = load_data(str(fruit.parent / "grey"), image_size=9).images
    assert tuple(kept.shape) == (16, 1, 9, 9)
    assert torch.equal(kept[0], torch.from_numpy(np.array(Image.open(fruit.parent / "grey/a/0.png")))[None])


def test_what_a_killed_process_left_half_made_is_cleared(fruit, home):
    (home / "data" / "prepared").mkdir(parents=True)
    left = home / "data" / "prepared" / ".other-64-0123456789ab.safetensors.4711-0123.partial"
    left.write_bytes(bytes(1000))
    load_data(str(fruit), image_size=8)
    assert not left.exists()


# --- names


def test_two_folders_of_one_name_get_two(home):
    for place in ("one", "two"):
        lay(home / place / "fruit")
    assert [add_data(home / place / "fruit") for place in ("one", "two", "one")] == ["fruit", "two_fruit", "fruit"]


def test_a_name_that_means_something_is_not_given_again(fruit):
    for name in ("mnist", "cifar10"):
        with pytest.raises(UserError, match=f"the name {name} is taken"):
            add_data(fruit, name)
    fruit.rename(fruit.with_name("mnist"))
    assert add_data(fruit.with_name("mnist")).endswith("_mnist")


def test_names_hold_on_a_damaged_list(home, fruit):
    add_data(fruit)
    (home / "data" / "sources.json").write_text("{")
    with pytest.raises(UserError, match=r"sources\.json cannot be read"):
        load_data("my_fruit")


@pytest.mark.parametrize("options", [dict(fit="stretch"), dict(name="a/b")])
def test_options_are_checked(fruit, options):
    with pytest.raises(UserError, match=r"crop or pad|names a folder"):
        add_data(fruit, **options)


@pytest.mark.parametrize("folder", ["con", "LPT1", "-x", "…", "絵" * 80, "a" * 200, "con.pictures", "né à la mer"])
def test_the_name_that_a_folder_gets_can_be_one_on_every_system(home, folder):
    lay(home / "here" / folder)
    for options in ({}, dict(fit="pad", grey=True)):
        name = add_data(home / "here" / folder, **options)
        assert check_name("name", name) == name
        assert not name.startswith("-")
        assert load_data(name, image_size=8).name == name


def test_who_adds_at_the_same_time_loses_nothing(home):
    places = [lay(home / f"set {number}") for number in range(8)]
    with ThreadPoolExecutor(8) as threads:  # a lock of the file system holds between threads as between processes
        names = list(threads.map(add_data, places))
    assert sorted(set(names)) == sorted(json.loads((home / "data" / "sources.json").read_text("utf-8")))
    assert len(set(names)) == 8


# --- files


def grey_images(count=12, side=6):
    labels = np.arange(count) % 3
    return np.stack([np.full((side, side), 60 * label + 10, np.uint8) for label in labels]), labels


def save_npz(path, images, labels):
    np.savez(path.with_suffix(".npz"), images=images, labels=labels)
    return path.with_suffix(".npz")


def save_keras(path, images, labels):
    path = path.with_suffix(".npz")
    np.savez(path, x_train=images[:9], y_train=labels[:9], x_test=images[9:], y_test=labels[9:])
    return path


def save_medmnist(path, images, labels):
    parts = {"train": slice(0, 6), "val": slice(6, 9), "test": slice(9, 12)}
    arrays = {f"{part}_images": images[rows] for part, rows in parts.items()}
    labels = {f"{part}_labels": labels[rows, None] for part, rows in parts.items()}
    np.savez(path.with_suffix(".npz"), **arrays, **labels)
    return path.with_suffix(".npz")


def save_npy(path, images, labels):
    np.save(path.with_name("images.npy"), images)
    np.save(path.with_name("labels.npy"), labels)
    return path.with_name("images.npy")


def save_csv(path, images, labels):
    with open(path.with_suffix(".csv"), "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *(f"pixel{number}" for number in range(36))])
        writer.writerows([label, *image.flatten()] for image, label in zip(images, labels, strict=True))
    return path.with_suffix(".csv")


SAVERS = [save_npz, save_keras, save_medmnist, save_npy, save_csv]


@pytest.mark.parametrize("save", SAVERS, ids=lambda save: save.__name__)
def test_a_file_of_pictures_is_read(home, save):
    path = save(home / "set", *grey_images())
    data, test = (load_data(str(path), train=train, image_size=6) for train in (True, False))
    assert data.class_names == ("0", "1", "2")
    assert len(data) + len(test) == 12
    assert len(test) == 3
    for part in (data, test):
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            assert image.unique().tolist() == [60 * label + 10]


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: images / 255,
        lambda images: (images / 127.5 - 1).astype(np.float32),
        lambda images: images.astype(np.int64),
        lambda images: images[..., None],
        lambda images: images[:, None],
        lambda images: np.repeat(images[..., None], 3, 3),
        lambda images: np.repeat(images[:, None], 3, 1),
    ],
)
def test_pixels_may_be_numbers_of_any_kind(home, convert):
    images, labels = grey_images()
    data = load_data(str(save_npz(home / "set", convert(images), labels)), image_size=6)
    assert tuple(data.images.shape[1:]) == (1, 6, 6)
    for image, label in zip(data.images, data.labels.tolist(), strict=True):
        assert (image.int() - (60 * label + 10)).abs().max() <= 1


def test_classes_of_a_file_may_have_names_and_labels_any_values(home):
    images, labels = grey_images()
    np.savez(home / "named.npz", images=images, labels=labels, class_names=np.array(["a", "b", "c"]))
    assert load_data(str(home / "named.npz"), image_size=6).class_names == ("a", "b", "c")
    np.savez(home / "odd.npz", images=images, labels=labels * 10 + 5)
    odd = load_data(str(home / "odd.npz"), image_size=6)
    assert odd.class_names == ("5", "15", "25")
    assert sorted(set(odd.labels.tolist())) == [0, 1, 2]


def test_a_table_that_did_not_change_is_not_read_again(home, monkeypatch):
    path = save_csv(home / "set", *grey_images())
    first = load_data(str(path), image_size=6)
    monkeypatch.setattr(np, "loadtxt", None)
    again = load_data("set", image_size=6)
    assert again == first
    assert again.class_names == ("0", "1", "2")


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("images.npy", "w") as file:
        file.write(bytes(2**20))
    content = path.read_bytes()  # the size that it declares is made a thousand times as large, in both places
    path.write_bytes(content.replace((2**20).to_bytes(4, "little"), (2**30).to_bytes(4, "little")))


def pickled(path):
    np.savez(path, images=np.array([object()], dtype=object), labels=np.zeros(1))


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def a_pickle(path):
    path.write_bytes(pickle.dumps(Bomb()))


@pytest.mark.parametrize(
    ("write", "suffix", "message"),
    [
        (pickled, ".npz", "cannot be read"),
        (a_pickle, ".npz", "cannot be read"),
        (bomb, ".npz", "declares 1,073,741,824 bytes, too many"),
        (lambda path: np.savez(path, a=np.zeros(3)), ".npz", "no images and labels|has no images"),
        (lambda path: np.savez(path, images=np.zeros((4, 5)), labels=np.zeros(4)), ".npz", "shape"),
        (lambda path: np.savez(path, images=np.zeros((4, 5, 5)), labels=np.zeros(3)), ".npz", "one label for each"),
        (lambda path: np.savez(path, images=np.full((4, 5, 5), 300), labels=np.zeros(4)), ".npz", "0 to 255"),
        (lambda path: np.savez(path, images=np.full((4, 5, 5), 7.5), labels=np.zeros(4)), ".npz", "fractions"),
        (lambda path: np.save(path, np.zeros((4, 5, 5))), ".npy", "labels"),
        (lambda path: path.write_text("a,b\n1,2\n"), ".csv", "no column label"),
        (lambda path: path.write_text("label,p0,p1\n1,2,3\n"), ".csv", "square"),
        (lambda path: path.write_text("label,p0\n1,x\n"), ".csv", "cannot be read"),
        (lambda path: path.write_bytes(b""), ".npz", "cannot be read"),
    ],
)
def test_a_file_that_holds_no_pictures_says_what_is_wrong(home, write, suffix, message):
    path = home / f"set{suffix}"
    write(path)
    with pytest.raises(UserError, match=message):
        load_data(str(path))


# --- the sets of torchvision, as small files in their real formats


def write_cifar(root, count=20):
    """CIFAR-10 as its authors pack it: pickled dictionaries, a byte for each pixel."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for part in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = np.zeros((count, 3, 32, 32), np.uint8)
        pixels[:, 0] = 200
        content = {"data": pixels.reshape(count, -1), "labels": [row % 10 for row in range(count)]}
        (folder / part).write_bytes(pickle.dumps(content))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def write_svhn(root, count=20):
    from scipy.io import savemat

    root.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        pixels = np.zeros((32, 32, 3, count), np.uint8)
        pixels[..., 2, :] = 100
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": np.arange(count)[:, None] % 10 + 1})


def write_emnist(root, variant="letters", classes=26, first=1):
    """A set of EMNIST, two pictures a class, each lying on its side; labels of the letters are counted from 1."""
    count = 2 * classes
    folder = root / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        pixels = np.zeros((count, 28, 28), np.uint8)
        pixels[:, :, 0] = 255  # as stored: a line down on the left; upright: a line across the top
        labels = (np.arange(count) % classes + first).astype(np.uint8)
        for what, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"emnist-{variant}-{part}-{what}-ubyte").write_bytes(head + array.tobytes())


def write_cifar100(root, count=200):
    """CIFAR-100: one pickled dictionary a part, and the names of its fine classes."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        pixels = np.zeros((count, 3, 32, 32), np.uint8)
        pixels[:, 1, :16] = 200  # green above
        labels = [row % 100 for row in range(count)]
        content = {"data": pixels.reshape(count, -1), "fine_labels": labels, "coarse_labels": [0] * count}
        (folder / part).write_bytes(pickle.dumps(content))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"fine {number}" for number in range(100)]}))


def write_stl10(root, count=20):
    """STL-10: bytes column by column, labels from 1 on, names of classes line by line."""
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    for part in ("train", "test"):
        pixels = np.zeros((count, 3, 96, 96), np.uint8)
        pixels[:, 0, :48] = 200  # red: the first 48 columns, that is on the left
        (folder / f"{part}_X.bin").write_bytes(pixels.tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(row % 10 + 1 for row in range(count)))
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    (folder / "class_names.txt").write_text("\n".join(names), "utf-8")
    (folder / "fold_indices.txt").write_text("0", "utf-8")


def write_usps(root, count=20):
    """USPS: a line of text a picture, its label from 1 on and each pixel from −1 to 1, in bzip2."""
    root.mkdir(parents=True)
    pixels = [1.0] * 16 + [-1.0] * 240  # white above
    values = " ".join(f"{place}:{value}" for place, value in enumerate(pixels, 1))
    text = "".join(f"{row % 10 + 1} {values}\n" for row in range(count))
    for name in ("usps.bz2", "usps.t.bz2"):
        (root / name).write_bytes(bz2.compress(text.encode()))


@pytest.fixture
def unchecked(monkeypatch):
    """Small files in place of those whose sums torchvision knows."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *_: True)
    monkeypatch.setattr("torchvision.datasets.stl10.check_integrity", lambda *_: True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["cifar10", "CIFAR-10", "cifar_10"])
def test_cifar_by_its_name(home, name):
    write_cifar(home / "data")
    data, test = (load_data(name, train=train, image_size=32) for train in (True, False))
    assert (data.name, len(data), len(test)) == ("cifar10", 100, 20)
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert mean_colour(data.images[0]) == (200, 0, 0)
    assert load_data("cifar10", image_size=16).images.shape[2:] == (16, 16)


@pytest.mark.usefixtures("unchecked")
def test_house_numbers_by_their_name(home, monkeypatch):
    monkeypatch.setenv("CGAN_DATA", str(home / "there"))
    write_svhn(home / "there" / "svhn")
    data = load_data("svhn", image_size=32)
    assert data.class_names == tuple("0123456789")
    assert data.labels.bincount().tolist() == [2] * 10
    assert mean_colour(data.images[0]) == (0, 0, 100)


def test_letters_stand_upright_and_are_counted_from_0(home):
    write_emnist(home / "data")
    data = load_data("emnist/letters")
    assert (data.name, data.class_names) == ("emnist_letters", tuple("abcdefghijklmnopqrstuvwxyz"))
    assert data.labels.bincount().tolist() == [2] * 26
    assert data.images[0, 0, 0].float().mean() == 255
    assert data.images[0, 0, 1:].max() == 0
    assert load_data("emnist_letters") == data


def test_letters_and_digits_of_emnist_have_their_names(home):
    write_emnist(home / "data", "balanced", 47, first=0)
    data = load_data("emnist/balanced")
    assert "".join(data.class_names) == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"
    assert data.labels.bincount().tolist() == [2] * 47
    assert data.images[0, 0, 0].float().mean() == 255
    assert is_local("emnist/balanced")
    assert not is_local("emnist/letters")


@pytest.mark.usefixtures("unchecked")
def test_the_hundred_classes_of_cifar(home):
    write_cifar100(home / "data")
    data = load_data("cifar100", image_size=32)
    assert data.class_names == tuple(f"fine {number}" for number in range(100))
    assert data.labels.bincount().tolist() == [2] * 100
    assert data.images[0, 1, :, 0].tolist() == [200] * 16 + [0] * 16
    assert not data.images[:, [0, 2]].any()


@pytest.mark.usefixtures("unchecked")
def test_pictures_that_are_stored_by_columns_stand_upright(home):
    write_stl10(home / "data")
    data, test = (load_data("stl10", train=train, image_size=96) for train in (True, False))
    assert (len(data), len(test), data.class_names[7]) == (20, 20, "monkey")
    assert data.labels.bincount().tolist() == [2] * 10
    assert data.images[0, 0, 0].tolist() == [200] * 48 + [0] * 48
    assert not data.images[:, 1:].any()


def test_zip_codes_by_their_name(home):
    write_usps(home / "data" / "USPS")
    data = load_data("usps", image_size=16)
    assert (data.channels, data.class_names) == (1, tuple("0123456789"))
    assert data.labels.bincount().tolist() == [2] * 10
    assert data.images[0, 0, :, 5].tolist() == [255] + [0] * 15


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore:FID of", "ignore:cifar10 has only")
def test_cifar_trains_and_is_measured(home, monkeypatch):
    monkeypatch.setattr("cgan_lib.evaluation.classifier.LEAST_STEPS", 5)
    write_cifar(home / "data")
    small = dict(batch_size=16, base_channels=8, base_channels_d=8, device="cpu", steps=2)
    run = train("relativistic", dataset="cifar10", image_size=32, profile="ci", **small)
    assert generate(run.generator, [0, 9]).shape == (2, 3, 32, 32)
    scores = evaluate(run.generator, count=100)
    assert (scores.dataset, len(scores.as_requested_by_class)) == ("cifar10", 10)
    assert open_run(run.folder).generator.class_names[0] == "airplane"


def test_emnist_asks_which_of_its_sets_is_meant():
    with pytest.raises(UserError, match="emnist/balanced"):
        load_data("emnist")


def test_a_set_that_cannot_be_downloaded_says_where_it_is_looked_for(monkeypatch):
    monkeypatch.setattr("torchvision.datasets.usps.download_url", _offline, raising=False)
    monkeypatch.setattr("torchvision.datasets.utils.urlretrieve", _offline, raising=False)
    monkeypatch.setattr("urllib.request.urlopen", _offline)
    with pytest.raises(UserError, match=r"USPS is not in .* and cannot be downloaded"):
        load_data("usps")


def _offline(*arguments, **options):
    raise OSError("there is no network")


@pytest.mark.parametrize(("name", "near"), [("cifar", "cifar10"), ("svnh", "svhn"), ("mnits", "mnist")])
def test_names_near_to_one_are_suggested(name, near):
    with pytest.raises(UserError, match=f"did you mean '{near}'"):
        load_data(name)


# --- the whole way


@pytest.mark.filterwarnings("ignore:FID of", "ignore:my_fruit has only")
def test_a_folder_trains_and_is_measured_under_its_own_names(fruit, monkeypatch):
    monkeypatch.setattr("cgan_lib.evaluation.classifier.LEAST_STEPS", 30)
    small = dict(image_size=16, steps=3, batch_size=4, base_channels=8, base_channels_d=8, device="cpu")
    run = train("relativistic", dataset=str(fruit), score="losses", **small)
    assert run.folder.parent.parent.name == "my_fruit"
    again = open_run(run.folder)
    assert (again.generator.dataset, again.generator.class_names) == ("my_fruit", ("apple", "ripe bananas"))
    for label in ("apple", "ripe bananas"):
        picture(BLUE).save(fruit / label / "more.png")
        for number in range(10, 30):
            picture((number, 0, 200)).save(fruit / label / f"{number}.png")
    with warnings.catch_warnings():
        scores = evaluate(again.generator, count=20)
    assert scores.dataset == "my_fruit"
    assert 0 <= scores.classifier_accuracy <= 100
    with pytest.raises(UserError, match="my_fruit"):
        train("relativistic", dataset="my_fruit", score="losses", **small)  # the pictures are others now
    torch.testing.assert_close(run.step, 3)


def test_the_command_says_what_is_in_a_folder_and_how_to_go_on(fruit, capsys):
    from cgan_lib.cli import main

    assert main(["data", str(fruit), "--name", "market", "--image-size", "16"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"apple +5 +1\nripe bananas +5 +1\n", said)
    assert "10 pictures of 16×16 in colour, known as market:" in said
    assert "train relativistic --dataset market --image-size 16" in said
    assert main(["data", "nowhere/at/all"]) != 0
    assert "neither a folder nor a file" in capsys.readouterr().err


# --- what goes wrong in silence


def test_a_class_may_be_called_train(home):
    lay(home / "vehicles", ["car", "ship", "train"])
    assert open_folder(home / "vehicles").class_names == ("car", "ship", "train")


def test_classes_with_one_number_have_one_order(home):
    names = ("00007", "0007", "007", "07", "7")
    lay(home / "set", names)
    assert open_folder(home / "set").class_names == names


def test_labels_that_were_corrected_beside_their_pictures_are_read_again(home):
    np.save(home / "images.npy", np.zeros((8, 6, 6), np.uint8))
    states = set()
    for labels in ([0, 1] * 4, [1, 0] * 4):
        np.save(home / "labels.npy", np.array(labels))
        states.add(open_table(home / "images.npy").state)
    assert len(states) == 2


def test_a_name_that_is_made_here_is_taken(fruit, home):
    with pytest.raises(UserError, match="is taken"):
        add_data(fruit, "coloured_digits")
    fruit.rename(home / "emnist")
    assert add_data(home / "emnist") != "emnist"


def test_a_path_is_not_taken_for_a_set_of_torchvision(fruit, home, monkeypatch):
    fruit.rename(home / "svhn")
    monkeypatch.chdir(home)
    assert load_data("./svhn", image_size=8).class_names == ("apple", "ripe bananas")


def test_suffixes_may_be_in_capitals_and_pictures_go_before_rows_of_numbers(home):
    arrays = dict(data=np.zeros((4, 36)), images=np.zeros((4, 6, 6), np.uint8), target=np.array([0, 1, 0, 1]))
    with open(home / "A.NPZ", "wb") as file:
        np.savez(file, **arrays)
    assert len(open_table(home / "A.NPZ").items) == 4


def test_a_disk_that_is_too_small_is_a_line(fruit, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"GB are free"):
        load_data(str(fruit), image_size=16)


def test_what_is_made_ready_of_one_set_leaves_that_of_a_longer_name_alone(fruit, home):
    add_data(fruit, "fruit-8-large")
    load_data("fruit-8-large", image_size=16)
    add_data(fruit, "fruit")
    load_data("fruit", image_size=8)
    assert len(list((home / "data" / "prepared").glob("fruit-8-large-16-*.safetensors"))) == 1


@pytest.mark.parametrize("name", [["mnist"], {}, 5])
def test_a_name_that_is_no_text_is_a_line(fruit, name):
    with pytest.raises(UserError):
        load_data(name)
    with pytest.raises(UserError):
        add_data(fruit, name)
