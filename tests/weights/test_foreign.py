"""Networks of other people: with `module=` they are generated from, measured, explored, served and exported."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from cgan_lib import UserError, evaluate, generate, load_generator
from cgan_lib.publish import export_onnx, publish
from cgan_lib.sampling import blend
from cgan_lib.service.app import create_app
from cgan_lib.studio.latent import directions
from cgan_lib.studio.widgets import explore
from cgan_lib.weights import save_generator


class Theirs(nn.Module):
    """A generator as in many tutorials; the label as an embedding, or as ones and zeros, which cannot be mixed."""

    def __init__(self, embedding=True, num_classes=10, end=nn.Tanh, side=16):
        super().__init__()
        self.num_classes, self.side = num_classes, side
        self.label = nn.Embedding(num_classes, num_classes) if embedding else None
        self.main = nn.Sequential(nn.Linear(6 + num_classes, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, side**2))
        self.end = end()

    def forward(self, z, labels):
        label = self.label(labels) if self.label else F.one_hot(labels, self.num_classes).float()
        return self.end(self.main(torch.cat([z, label], dim=1))).view(-1, 1, self.side, self.side)


@pytest.fixture(params=[True, False], ids=["mixes", "single classes"])
def theirs(request):
    torch.manual_seed(0)
    network = Theirs(request.param)
    network(torch.randn(20, 6), torch.arange(20) % 10)  # moves the statistics of BatchNorm
    return network.eval()


@pytest.fixture
def generator(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    return load_generator(tmp_path / "theirs.pth", module=Theirs(theirs.label is not None), latent_dim=6)


def test_a_foreign_network_generates_what_it_generates(theirs, generator):
    assert generator.config == dict(latent_dim=6, num_classes=10, channels=1, image_size=16)
    z, labels = torch.randn(10, 6), torch.arange(10)
    with torch.inference_mode():
        expected = theirs(z, labels)
        assert torch.equal(generator(z, labels), expected)
        torch.testing.assert_close(generator(z, torch.eye(10)), expected)
    assert generate(generator, [7, 7, 3]).shape == (3, 1, 16, 16)


def test_it_mixes_classes_where_it_has_an_embedding_and_else_says_that_it_cannot(theirs, generator):
    mixtures = blend(3, 8, torch.tensor([0.0, 0.5, 1.0]))
    assert generator.mixes == (theirs.label is not None)
    if generator.mixes:
        assert len(generate(generator, mixtures, z=torch.ones(3, 6)).flatten(1).unique(dim=0)) == 3
    else:
        assert len(generate(generator, mixtures[[0, 2]])) == 2
        with pytest.raises(UserError, match=r"Theirs cannot mix classes: .*nn\.Embedding"):
            generate(generator, mixtures)


def test_it_is_measured_explored_and_served(generator):
    assert evaluate(generator, "digits", count=100).count == 100
    assert len(directions(generator, 2)) == 2
    studio = explore(generator)
    studio.seed.value += 1
    assert bytes(studio.picture.value).startswith(b"\x89PNG")
    assert "/gen_images" in create_app(generator, "theirs").openapi()["paths"]


def test_it_is_exported_as_onnx(generator, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")
    session = onnxruntime.InferenceSession(export_onnx(generator, tmp_path / "g.onnx"))
    z, weights = torch.randn(10, 6), torch.eye(10)
    if generator.mixes:
        weights[5:] = 0.1
    with torch.inference_mode():
        expected = generator(z, weights)
    (images,) = session.run(None, {"z": z.numpy(), "class_weights": weights.numpy()})
    torch.testing.assert_close(torch.from_numpy(images), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "write",
    [
        lambda g, path: publish(g, path),
        lambda g, path: g.save_pretrained(path),
        lambda g, path: save_generator(g, path),
    ],
    ids=["publish", "save_pretrained", "save_generator"],
)
def test_what_nothing_could_read_back_is_not_written(generator, tmp_path, write):
    before = set(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"^Theirs is no family known here.*or write one ONNX file"):
        write(generator, tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_sizes_and_names_come_from_what_is_given_the_network_or_the_configuration(tmp_path):
    network = Theirs(num_classes=3)
    torch.save(
        {"state_dict": {f"G.{n}": t for n, t in AveragedModel(network).state_dict().items()}}, tmp_path / "w.ckpt"
    )
    with pytest.raises(UserError, match=r"neither Theirs nor the file says its latent_dim: .*latent_dim=…"):
        load_generator(tmp_path, module=network)
    (tmp_path / "config.json").write_text(json.dumps({"noise_dim": 6, "dataset": "abc", "class_names": list("abc")}))
    loaded = load_generator(tmp_path, module=network)
    assert (loaded.config["latent_dim"], loaded.dataset, loaded.class_names) == (6, "abc", ("a", "b", "c"))
    loaded = load_generator(tmp_path, module=network, class_names=("x", "y", "z"), dataset="xyz")
    assert (loaded.dataset, loaded.class_names) == ("xyz", ("x", "y", "z"))


class Flat(Theirs):
    def forward(self, z, labels):
        return super().forward(z, labels).flatten(1)


class Wide(Theirs):
    def forward(self, z, labels):
        return super().forward(z, labels)[:, :, :8]


WRONG = {
    "flat": (Flat(), {}, r"gives a tensor \(2, 256\) for 2 labels: .*view"),
    "not square": (Wide(), {}, r"gives a tensor \(2, 1, 8, 16\)"),
    "another latent_dim": (Theirs(), dict(latent_dim=7), r"fails on z \(2, 7\) .*check latent_dim=7, num_classes=10"),
    "too many classes": (Theirs(), dict(num_classes=11), "fails on .*num_classes=11"),
    "no number": (Theirs(), dict(latent_dim=-1), "latent_dim -1 must be a whole number"),
    "0 to 255": (Theirs(end=lambda: nn.Hardtanh(100, 255)), {}, r"numbers from 100 to .*nn\.Tanh"),
    "a class": (Theirs, {}, r"must be a network, such as MyGenerator\(\)"),
    "other names": (nn.LSTM(2, 2), {}, r"does not fit LSTM: 4 names are missing \(bias_hh_l0, .*are unknown"),
    "other shapes": (Theirs(side=8), {}, r"'main\.3\.weight' is \(256, 32\) in the file and \(64, 32\) in Theirs"),
    "a family too": (Theirs(), dict(model="bce"), "not both"),
}


@pytest.mark.parametrize(("module", "options", "message"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_one_line_with_the_fix(tmp_path, module, options, message):
    torch.save(Theirs().state_dict(), tmp_path / "theirs.pth")
    with pytest.raises(UserError, match=message):
        load_generator(tmp_path / "theirs.pth", module=module, **{"latent_dim": 6} | options)


def test_a_sigmoid_is_noticed(tmp_path):
    torch.save(Theirs().state_dict(), tmp_path / "theirs.pth")
    with pytest.warns(UserWarning, match=r"Theirs gives numbers from 0.* 2 \* images - 1"):
        load_generator(tmp_path / "theirs.pth", module=Theirs(end=nn.Sigmoid), latent_dim=6)


def test_without_a_network_sizes_are_not_asked_for(tmp_path):
    with pytest.raises(UserError, match="give them only with module="):
        load_generator("bce", latent_dim=100)
