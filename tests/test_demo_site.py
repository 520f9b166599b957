"""A demo site is whole, or not there; that it works is seen in tests/browser."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import demo_site
import numpy as np
import pytest
import torch
from PIL import Image
from weights.test_weights import SMALL, build

from cgan_lib import UserError, load_generator
from cgan_lib.publish import publish
from cgan_lib.service.static import page_files
from cgan_lib.studio.latent import directions

pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")

ALWAYS = {*page_files(), "studio.json", "preview.png"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def models(folder: Path) -> list[dict]:
    said = json.loads((folder / "studio.json").read_text(encoding="utf-8"))
    return said["models"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> list[str]:
    """Two published generators, small ones: clothes and numbers."""
    folder = tmp_path_factory.mktemp("published")
    generators = {"clothes": build("bce", **SMALL), "Numbers 2": build("residual", seed=1, **SMALL)}
    generators["clothes"].class_names = ("coat", "bag", "boot", "hät")
    return [str(publish(generator, folder / name)) for name, generator in generators.items()]


@pytest.fixture(scope="module")
def site(small, tmp_path_factory) -> Path:
    """The site of both."""
    return demo_site.make_site(small, tmp_path_factory.mktemp("demo") / "site", "https://name.example/digits")


def test_a_site_is_complete_and_describes_its_generators(site, small):
    clothes, numbers = models(site)
    assert names(site) == ALWAYS | {clothes["weights"]["file"], numbers["weights"]["file"]}
    assert [model["name"] for model in (clothes, numbers)] == ["clothes", "Numbers 2"]
    assert clothes["class_names"] == ["coat", "bag", "boot", "hät"]
    for source, model in zip(small, (clothes, numbers), strict=True):
        generator = load_generator(source)
        assert {key: model[key] for key in ("latent_dim", "channels", "image_size")}.items() <= generator.config.items()
        assert (site / model["weights"]["file"]).stat().st_size == model["weights"]["length"]
        for described, direction in zip(model["directions"], directions(generator), strict=True):
            assert torch.equal(torch.tensor(described["vector"]), direction.vector)


def test_files_have_names_and_endings_that_every_web_server_knows(site):
    assert all(re.fullmatch(r"[a-z0-9-]+\.(html|css|js|json|png|bin)", name) for name in names(site))


def test_weights_are_named_by_what_they_hold(site, small, tmp_path):
    (model,) = models(demo_site.make_site(small[:1], tmp_path / "site"))
    assert model["weights"] == models(site)[0]["weights"]
    other = str(publish(build("bce", seed=2, **SMALL), tmp_path / "clothes"))
    assert models(demo_site.make_site([other], tmp_path / "other"))[0]["weights"] != model["weights"]


def test_a_site_of_a_run_has_its_name(finished, tmp_path, capsys):
    assert demo_site.main(["--source", str(finished.folder), "--out", str(tmp_path / "site")]) == 0
    assert "http.server" in capsys.readouterr().out
    assert models(tmp_path / "site")[0]["name"] == "bce"


def test_what_the_page_refers_to_is_in_the_site_and_nothing_elsewhere(site):
    for path in site.glob("*.html"):
        references = re.findall(r'(?:src|href)="([^"#:]+)"', path.read_text())
        assert {"studio.js", "studio.css"} <= set(references) <= names(site) | {"docs"}
    for path in [*site.glob("*.js"), *site.glob("*.css")]:  # but for namespaces of SVG
        assert set(re.findall(r"https?://[\w.]+", path.read_text())) <= {"http://www.w3.org"}, path.name


class Head(HTMLParser):
    """The properties that a page names in its head."""

    def __init__(self, page: str):
        super().__init__()
        self.properties: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "meta" and "property" in given:
            self.properties[given["property"]] = given["content"]


def test_who_shows_a_link_finds_title_description_and_picture(site, small, tmp_path):
    said = Head((site / "index.html").read_text()).properties
    assert said["og:url"] == "https://name.example/digits/"
    assert said["og:image"] == "https://name.example/digits/preview.png"
    assert said["og:title"] == "Draw a picture"
    assert said["og:description"]
    with Image.open(site / "preview.png") as preview:
        assert preview.size == (1200, 630) == (int(said["og:image:width"]), int(said["og:image:height"]))
        assert np.asarray(preview).std() > 20
    elsewhere = demo_site.make_site(small[1:], tmp_path / "site")
    said = Head((elsewhere / "index.html").read_text()).properties
    assert "og:url" not in said
    assert (said["og:image"], said["og:title"]) == ("preview.png", "Draw a digit")


@pytest.mark.parametrize("url", ["name.example", "ftp://name.example/", "https://", "https://name.example/?a=b"])
def test_an_address_that_is_none_is_refused(tmp_path, url, capsys):
    assert demo_site.main(["--out", str(tmp_path / "site"), "--url", url]) == 2
    assert "such as https://name.example/digits/" in capsys.readouterr().err
    assert names(tmp_path) == set()


def test_a_site_is_replaced_and_an_empty_folder_filled(small, tmp_path):
    (tmp_path / "site").mkdir()
    demo_site.make_site(small[:1], tmp_path / "site")
    (tmp_path / "site" / "old").touch()
    (model,) = models(demo_site.make_site(small[1:], tmp_path / "site"))
    assert names(tmp_path / "site") == ALWAYS | {model["weights"]["file"]}
    assert names(tmp_path) == {"site"}


@pytest.mark.parametrize("content", ["thesis.txt", "studio.json", "file"])
def test_what_is_no_site_is_not_touched(tmp_path, contents, content, capsys):
    target = tmp_path / "site"
    if content == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / content).write_text('{"models": []}')
    before = contents(tmp_path)
    assert demo_site.main(["--out", str(target)]) == 2
    assert "no site made by this tool" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [UserError("no such operator"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_the_site_before(small, tmp_path, monkeypatch, contents, error):
    def fail(path):
        raise error

    demo_site.make_site(small[:1], tmp_path / "site")
    before = contents(tmp_path / "site")
    monkeypatch.setattr(demo_site, "compact", fail)
    with pytest.raises(type(error)):
        demo_site.make_site(small[1:], tmp_path / "site")
    assert contents(tmp_path / "site") == before
    assert names(tmp_path) == {"site"}


def test_two_generators_of_one_name_are_refused(small, tmp_path):
    with pytest.raises(UserError, match="two generators are named 'clothes'"):
        demo_site.make_site([small[0], small[1], small[0]], tmp_path / "site")
    assert names(tmp_path) == set()


def test_real_images_lie_beside_where_the_data_are_at_hand(small, tmp_path, monkeypatch):
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "PNG")
    monkeypatch.setattr(demo_site, "real_sheet", lambda generator: ("real-digits-28.png", picture.getvalue()))
    folder = demo_site.make_site(small[:1], tmp_path / "site")
    assert models(folder)[0]["real"] == "real-digits-28.png"
    assert (folder / "real-digits-28.png").read_bytes() == picture.getvalue()
