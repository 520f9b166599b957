"""The page for classes other than the ten digits: of several attributes, very many, with names of any script."""

import threading
from functools import partial
from http.server import ThreadingHTTPServer

import demo_site
import numpy as np
import pytest
from drawn_page import opened, press, settled
from test_accessibility import LOOKS, violations  # noqa: F401
from test_site import DRAW, OPEN, Quiet
from weights.test_weights import SMALL, build

from cgan_lib import generate
from cgan_lib.attributes import joint_names
from cgan_lib.data import DIGITS
from cgan_lib.sampling import latents
from cgan_lib.weights import save_generator

pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")

COLOURED = {"digit": DIGITS, "colour": ("red", "green", "blue")}
FRUIT = ("'ripe' & <b>red</b>", "תפוח ירוק", "🍎 #1?", "w" * 100)
BIRDS = [f"{number:03}.a bird of a long name" for number in range(200)]
MODEL = {"coloured": 0, "birds": 1, "fruit": 2}


@pytest.fixture(scope="module")
def generators():
    """Digits × colours, two hundred birds, and fruit of awkward names; quite untrained."""
    sizes = SMALL | dict(image_size=16)
    coloured = build("bce", **sizes | dict(num_classes=30, attributes=[10, 3]))
    coloured.draws("", joint_names(COLOURED), COLOURED)
    birds, fruit = (build("bce", **sizes | dict(num_classes=len(names))) for names in (BIRDS, FRUIT))
    birds.class_names, fruit.class_names = BIRDS, FRUIT
    return {"coloured": coloured, "birds": birds, "fruit": fruit}


@pytest.fixture(scope="module")
def site(generators, tmp_path_factory):
    """Address of the site of all three."""
    folder = tmp_path_factory.mktemp("classes")
    files = [str(save_generator(one, folder / f"{name}.safetensors")) for name, one in generators.items()]
    made = demo_site.make_site(files, folder / "site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=made)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def caption(page):
    settled(page)
    return page.inner_text("#caption")


def test_each_attribute_has_a_control_of_its_own(page, site):
    opened(page, f"{site}?model=coloured&class=1 red", pixels=False)
    page.get_by_role("button", name="blue").click()
    assert caption(page).startswith("1, blue · seed 426")
    press(page, "7")  # a digit, not the class of that number
    assert caption(page).startswith("7, blue")
    assert page.locator("#classes [aria-pressed=true]").all_inner_texts() == ["7", "blue"]
    page.select_option("#toward", label="4")
    page.select_option("#toward-1", label="green")
    page.locator("#share").press("End")
    assert caption(page).startswith("7, blue, 100% of the way to 4, green")
    page.wait_for_url("**class=7+blue&seed=426&toward=4+green&share=1")
    page.reload()
    assert caption(page).startswith("7, blue, 100% of the way to 4, green")


def test_what_is_made_of_attributes_is_drawn_as_the_library_draws_it(page, site, generators):
    opened(page, site, pixels=False)
    assert page.evaluate(OPEN, [MODEL["coloured"], {}]) == "open"
    view = {"value": 21, "toward": 11, "share": 0.0, "moves": [0] * 4, "seed": 5, "index": 0}
    view |= {"truncation": None, "grid": False, "gridSize": 1}
    z = latents(1, generators["coloured"].config["latent_dim"], seed=5)
    for share, labels in ((0, ["7,red"]), (1, ["3,blue"])):
        _, _, (planes,) = page.evaluate(DRAW, view | {"share": share})
        expected = generate(generators["coloured"], labels, z=z)[0]
        assert np.abs(np.array(planes).reshape(expected.shape) - expected.numpy().astype(int)).max() <= 2


def test_many_classes_are_a_list_and_another_model_keeps_what_has_the_same_name(page, site):
    opened(page, f"{site}?model=birds", pixels=False)
    page.select_option("#digits", label=BIRDS[150])
    assert caption(page).startswith(BIRDS[150])
    assert page.locator("#classes button").count() == 0
    page.select_option("#model", label="fruit")
    assert page.locator("#digits button").all_inner_texts() == list(FRUIT)
    page.get_by_role("button", name=FRUIT[1]).click()
    assert FRUIT[1] in caption(page)


@pytest.mark.parametrize("look", ["dark", "phone"])
@pytest.mark.parametrize("model", sorted(MODEL))
def test_everyone_can_choose(open_page, site, violations, model, look):  # noqa: F811
    page = opened(open_page(**LOOKS[look]), f"{site}?model={model}&share=0.4", pixels=False)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page) == []
