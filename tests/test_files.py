"""Pictures and animations as files."""

import io
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from cgan_lib import UserError
from cgan_lib.files import png, save_gif


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_picture_as_png_has_its_own_pixels_enlarged(channels, mode):
    picture = torch.randint(256, (channels, 5, 7), generator=torch.Generator().manual_seed(0)).byte()
    files = [png(picture, scale=3, quick=quick) for quick in (False, True)]
    for file in files:
        with Image.open(io.BytesIO(file)) as image:
            assert (image.format, image.mode, image.size) == ("PNG", mode, (21, 15))
            pixels = torch.from_numpy(np.array(image)).view(15, 21, channels).permute(2, 0, 1)
        assert torch.equal(pixels, picture.repeat_interleave(3, 1).repeat_interleave(3, 2))


def pictures(count=4):
    return [torch.full((3, 5, 7), 60 * number, dtype=torch.uint8) for number in range(count)]


def frames_of(path):
    """The brightness and the milliseconds of each frame."""
    with Image.open(path) as animation:
        frames = ImageSequence.Iterator(animation)
        return [(frame.convert("RGB").getpixel((0, 0))[0], frame.info["duration"]) for frame in frames]


def test_an_animation_goes_there_and_back_for_ever(home):
    path = save_gif(pictures(), home / "new" / "folder" / "walk.gif", seconds=3.0)
    assert path == home / "new" / "folder" / "walk.gif"
    assert frames_of(path) == [(0, 500), (60, 500), (120, 500), (180, 500), (120, 500), (60, 500)]
    with Image.open(path) as animation:
        assert animation.size == (14, 10)
        assert animation.info["loop"] == 0
    assert list(path.parent.iterdir()) == [path]


def test_an_animation_may_go_one_way_from_a_path_as_text_and_in_another_size(home):
    path = save_gif(pictures(), str(home / "walk.gif"), seconds=1.0, there_and_back=False, scale=3)
    assert frames_of(path) == [(0, 250), (60, 250), (120, 250), (180, 250)]
    with Image.open(path) as animation:
        assert animation.size == (21, 15)
    assert len(frames_of(save_gif(pictures(2), path))) == 2


def test_pixels_are_enlarged_and_not_blurred(home):
    picture = torch.zeros(3, 2, 2, dtype=torch.uint8)
    picture[0, 0, 1] = 255
    path = save_gif([picture, 255 - picture], home / "walk.gif", scale=4)
    with Image.open(path) as animation:
        pixels = np.asarray(animation.convert("RGB"))
    assert (pixels[:4, 4:] == [255, 0, 0]).all()
    assert (pixels[:, :4] == 0).all()


def test_no_frame_is_shorter_than_browsers_show(home):
    assert {milliseconds for _, milliseconds in frames_of(save_gif(pictures(), home / "a.gif", seconds=0.01))} == {20}


@pytest.mark.parametrize("name", ["walk.png", "walk", "walk.gif.png"])
def test_another_ending_is_an_error_and_nothing_is_written(home, name):
    with pytest.raises(UserError, match=r"must end in \.gif"):
        save_gif(pictures(), home / "sub" / name)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_pictures_are_an_error_and_nothing_is_written(home, count):
    with pytest.raises(UserError, match=f"needs two pictures or more, got {count}"):
        save_gif(pictures(count), home / "sub" / "walk.gif")
    assert list(home.iterdir()) == []


def test_an_animation_is_there_whole_or_not_at_all(home, monkeypatch):
    path = save_gif(pictures(), home / "walk.gif")
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        save_gif(pictures(3), path)
    assert path.read_bytes() == before
    assert list(home.iterdir()) == [path]
