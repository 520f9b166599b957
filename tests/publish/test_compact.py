"""What network.js is told about a generator; that it draws the same is seen in tests/browser/test_site.py."""

import numpy as np
import pytest
import torch
from torch import nn
from weights.test_weights import SMALL, build

from cgan_lib import RECIPES, UserError, get_recipe
from cgan_lib.models import MODELS
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.publish import export_onnx
from cgan_lib.publish.compact import COUNT, compact

pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")


def compacted(generator, folder):
    return compact(export_onnx(generator.eval(), folder / "generator.onnx"))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_can_be_drawn_by_the_page(name, tmp_path):
    small = compacted(get_recipe(name, base_channels=8).build()[0], tmp_path)
    (length,) = {small.sizes[0]}
    assert length == get_recipe(name).latent_dim
    assert small.sizes[1] == 10
    assert small.sizes[small.output] == get_recipe(name).image_size ** 2
    assert all(max(step["from"]) < step["to"] < len(small.sizes) for step in small.steps)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_classes_of_attributes_are_one_constant(model, tmp_path):
    generator = build(model, **SMALL | dict(num_classes=6, attributes=[2, 3]))
    small = compacted(generator, tmp_path)  # which has compared the images
    assert small.sizes[1] == 6
    assert any(getattr(layer, "compositional", False) for layer in generator.modules())  # it is as it was


def test_the_file_holds_what_the_description_says(tmp_path):
    small = compacted(build("dropout", **SMALL), tmp_path)
    tensors, content = small.description()["tensors"], small.content()
    types = [tensor["type"] for tensor in tensors]
    assert types == sorted(types, reverse=True)  # those of 32 bits first
    assert set(types) == {"float32", "float16"}
    assert len(content) == sum(t["length"] * np.dtype(t["type"]).itemsize for t in tensors)
    first = small.description()["steps"][0]["weights"]["weight"]
    start = sum(t["length"] * np.dtype(t["type"]).itemsize for t in tensors[:first])
    kept = np.frombuffer(content, "<f2", tensors[first]["length"], start)
    (embedding,) = (value for value in small.tensors if value.size == 4 * 5)  # classes × embed_dim
    assert np.array_equal(kept, embedding.reshape(-1))


def test_numbers_too_large_for_halves_stay_whole(tmp_path):
    generator = build("bce", **SMALL)
    with torch.no_grad():
        generator.label_embedding.weight[0, 0] = 1e5
    small = compacted(generator, tmp_path)
    (embedding,) = (value for value in small.tensors if value.size == 4 * 5)
    assert embedding.dtype == np.float32
    assert embedding.max() == 1e5


class Foreign(ConditionalGenerator):
    """A generator of one layer, whose output goes through `change`."""

    def __init__(self, change):
        nn.Module.__init__(self)
        self.layer, self.other, self.change, self.mixes = nn.Linear(6, 16), nn.Linear(3, 16), change, True
        self.config = dict(latent_dim=6, num_classes=3, channels=1, image_size=4)
        self.dataset, self.class_names = "", ("a", "b", "c")

    def forward(self, z, weights):
        return torch.tanh(self.change((self.layer(z) + self.other(weights)).view(-1, 1, 4, 4)))


class BatchAside(nn.Module):
    """The axis of the batch changes places with one of as many numbers as the pass that finds the shapes has images."""

    def forward(self, x):
        return torch.relu(x.transpose(0, 2)).transpose(0, 2)


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (torch.sigmoid, "the operator Sigmoid"),
        (lambda x: x + 1, "Add with a constant"),
        (nn.Conv2d(1, 1, 3, padding=2, dilation=2), "Conv with groups or dilation"),
        (nn.Upsample(size=4, mode="bilinear"), "Resize with anything but nearest"),
        (nn.Sequential(nn.Flatten(2), nn.Upsample(scale_factor=2)), "Resize with other than two dimensions"),
        (nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 1, 3)), "Conv with other than two dimensions"),
        (nn.Sequential(nn.Flatten(2), nn.ConvTranspose1d(1, 1, 3)), "ConvTranspose with other than two dimensions"),
        (nn.Linear(4, 4, bias=False), "MatMul with a sequence of vectors"),
        (lambda x: x.clamp(min=-0.5), "Clip with one bound alone"),
        (lambda x: x.clamp(max=0.5), "Clip with one bound alone"),
        (nn.Sequential(nn.ConvTranspose2d(1, 1, COUNT - 3), BatchAside()), "Transpose with the axis of the batch"),
    ],
)
def test_what_the_page_cannot_do_is_refused(change, lacks, tmp_path):
    with pytest.raises(UserError, match=f"{lacks}.* is not in network.js.*: add it there"):
        compacted(Foreign(change), tmp_path)
