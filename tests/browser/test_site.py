"""The demo site on a real nginx, at a sub-path, in a real browser: it draws what the library draws, offline too."""

import base64
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import demo_site
import numpy as np
import pytest
import torch
from nginx import nginx
from weights.test_weights import SMALL, build

from cgan_lib import generate, load_generator
from cgan_lib.models import MODELS
from cgan_lib.publish import publish
from cgan_lib.publish.compact import compact
from cgan_lib.publish.onnx import export_onnx
from cgan_lib.sampling import latents
from cgan_lib.studio.latent import directions
from cgan_lib.studio.view import View

pytest.importorskip("onnxruntime", reason="pip install onnx onnxruntime")

OPEN = """
async ([number, before]) => {
  const { openEngine } = await import("./engine.js");
  window.settings = (await (await fetch("studio.json")).json()).models;
  window.fractions = [];
  try {
    window.engine = await openEngine({ ...settings[number], ...before }, (fraction) => fractions.push(fraction));
    return "open";
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
}
"""
DRAW = """
async (view) => {
  const { tiles, side, columns } = await engine.draw(view);
  return [side, columns, tiles.map((planes) => planes.map((plane) => [...plane]))];
}
"""
GREYS = """
() => {
  const canvas = document.getElementById("picture"), { width, height } = canvas;
  return [...canvas.getContext("2d").getImageData(0, 0, width, height).data].filter((_, i) => i % 400 === 0);
}
"""
KEPT = """
async () => {
  const names = await caches.keys();
  return Object.fromEntries(await Promise.all(names.map(async (name) =>
    [name, (await (await caches.open(name)).keys()).map(({ url }) => url.split("/").at(-1))])));
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> list[str]:
    """Two generators of four classes, in colour: small ones, whose sites are made quickly."""
    folder = tmp_path_factory.mktemp("published")
    families = {"early": "bce", "late": "residual"}
    return [str(publish(build(model, **SMALL), folder / name)) for name, model in families.items()]


@contextmanager
def hosted(folder: Path, place: str = "a/b/"):
    """Address of a folder on nginx as Debian sets it up, below `place`."""
    with nginx(f"location /{place} {{ alias {folder}/; index index.html; }}") as port:
        yield f"http://127.0.0.1:{port}/{place}"


class Quiet(SimpleHTTPRequestHandler):
    """Python's own web server, without a line for each request."""

    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path, handler: type[Quiet] = Quiet, port: int = 0):
    """Port of a web server that closes with the block: by itself, or the one that is given."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def site(tmp_path_factory, small):
    """Address of the site of a shipped generator and a second one."""
    folder = demo_site.make_site(["relativistic", small[0]], tmp_path_factory.mktemp("demo") / "site")
    with hosted(folder) as address:
        yield address


@pytest.fixture
def at_site(open_page, site):
    """A page of the site's address that draws nothing by itself, and keeps nothing."""
    return bare(open_page(service_workers="block"), site)


def bare(page, address):
    """The page at a place of the site that is no page."""
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))  # for which browsers ask then
    page.goto(f"{address}studio.css")
    return page


def opened(page, number=0, **before) -> str:
    """Open the engine of a model: "open", or what went wrong."""
    return page.evaluate(OPEN, [number, before])


def drawn(page, value=3, **asked) -> torch.Tensor:
    """What the engine draws: uint8 (N, 3, H, W)."""
    view = dict(value=value, toward=8, share=0, moves=[], seed=1, index=0, truncation=None, grid=False, gridSize=3)
    side, columns, tiles = page.evaluate(DRAW, view | asked)
    assert len(tiles) == columns**2
    return torch.tensor(tiles, dtype=torch.uint8).view(len(tiles), 3, side, side)


def settled(page):
    page.wait_for_selector("main[data-state=ready]")


# --- what is drawn


def test_on_a_stock_server_at_a_sub_path_the_page_draws(page, site):
    types = {}
    page.on("response", lambda answer: types.update({answer.url.split(".")[-1]: answer.headers["content-type"]}))
    page.goto(site)
    settled(page)
    assert "relativistic" in page.inner_text("#about")
    assert {"javascript" in kind for ending, kind in types.items() if ending == "js"} == {True}
    assert np.asarray(page.evaluate(GREYS)).std() > 20


def test_the_site_draws_what_the_library_draws(at_site):
    assert opened(at_site) == "open"
    generator = load_generator("relativistic")
    own = directions(generator)
    views = {
        View(4, seed=77): {},
        View(4, 9, 0.3, seed=77): dict(toward=9, share=0.3),
        View(4, 9, 0.3, (0, -0.5, 0, 0.5), seed=77, truncation=0.4): dict(
            toward=9, share=0.3, moves=[0, -0.5, 0, 0.5], truncation=0.4
        ),
        View(7, seed=2**53 - 1, count=9, index=5): dict(index=5, grid=True, gridSize=3),
    }
    for view, asked in views.items():
        z, weights = view.inputs(generator.config, own)
        expected = generate(generator, weights, z=z).int()
        difference = (drawn(at_site, view.label, seed=view.seed, **asked).int() - expected).abs()
        assert difference.max() <= 1, view  # the order of sums may differ


def test_ten_digits_asked_for_at_once_are_those_asked_for_one_by_one(at_site):
    opened(at_site)
    at_once = at_site.evaluate(
        """async (view) => {
          const digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
          const pictures = await Promise.all(digits.map((value) => engine.draw({ ...view, value })));
          return pictures.map(({ tiles: [[red]] }) => [...red]);
        }""",
        dict(toward=8, share=0, moves=[], seed=1, index=0, truncation=None, grid=False, gridSize=3),
    )
    one_by_one = torch.cat([drawn(at_site, value)[:, 0].flatten(1) for value in range(10)])
    assert torch.equal(torch.tensor(at_once, dtype=torch.uint8), one_by_one)


def test_the_page_goes_on_while_it_draws(at_site):
    opened(at_site)
    turns = at_site.evaluate("""async () => {
        let turns = 0, drawing = true;
        const turn = () => { turns += 1; if (drawing) setTimeout(turn); };
        const view = { value: 3, share: 0, moves: [], seed: 1, index: 0, truncation: null, grid: true, gridSize: 10 };
        const picture = engine.draw(view).then(() => { drawing = false; });
        turn();
        await picture;
        return turns;
    }""")
    assert turns > 10  # a page that draws itself has two


def test_a_seed_means_the_same_numbers_as_in_python(at_site):
    seeds, counts = [0, 1, 77, 2**31 - 1, 2**32, 2**32 + 1, 2**53 - 1], [1, 2, 7, 1999]
    draws = at_site.evaluate(
        """async ([seeds, counts]) => {
            const { normals } = await import("./latents.js");
            return seeds.map((seed) => counts.map((count) => [...normals(count, seed)]));
        }""",
        [seeds, counts],
    )
    for seed, own in zip(seeds, draws, strict=True):
        expected = latents(1, counts[-1], seed).numpy()[0]
        for count, draw in zip(counts, own, strict=True):
            np.testing.assert_array_max_ulp(np.array(draw, np.float32), expected[:count], maxulp=1)


def test_truncation_is_that_of_the_library(at_site):
    z, limits = latents(5, 100, seed=3).flatten(), [0.2, 0.4, 1, 2.95]
    there = at_site.evaluate(
        """async ([z, limits]) => {
            const { truncated } = await import("./latents.js");
            return limits.map((limit) => [...truncated(Float32Array.from(z), limit)]);
        }""",
        [z.tolist(), limits],
    )
    expected = torch.stack([latents(5, 100, seed=3, truncation=limit).flatten() for limit in limits])
    assert (torch.tensor(there) - expected).abs().max() < 1e-4


# --- networks


def network_draws(page, generator, folder) -> float:
    """The largest difference of a number in [-1, 1] between images of network.js and of PyTorch: classes, mixtures."""
    small = compact(export_onnx(generator, folder / "generator.onnx"))
    classes = generator.config["num_classes"]
    weights = torch.cat([torch.eye(classes)[:2], latents(2, classes).softmax(1)])
    z = latents(len(weights), generator.config["latent_dim"], seed=5)
    content, rows = base64.b64encode(small.content()).decode(), list(zip(z.tolist(), weights.tolist(), strict=True))
    there = page.evaluate(
        """async ([description, content, rows]) => {
            const { network } = await import("./network.js");
            const draw = network(description, Uint8Array.from(atob(content), (c) => c.charCodeAt(0)).buffer);
            return rows.map(([z, weights]) => [...draw(Float32Array.from(z), Float32Array.from(weights))]);
        }""",
        [small.description(), content, rows],
    )
    with torch.inference_mode():
        expected = generator(z, weights).flatten(1)
    return (torch.tensor(there) - expected).abs().max().item()


def test_every_family_is_drawn_as_in_pytorch(at_site, tmp_path):
    differences = {}
    for model in MODELS:
        generator = build(model, **SMALL)
        differences[model, "as it is"] = network_draws(at_site, generator, tmp_path) / 2e-3
        generator.half().float()  # then nothing is lost in the file
        differences[model, "rounded"] = network_draws(at_site, generator, tmp_path) / 1e-4
    assert {name: share for name, share in differences.items() if not share <= 1} == {}


def test_a_generator_that_still_grows_is_drawn_as_in_pytorch(at_site, tmp_path):
    generator = build("growing", **SMALL)
    for growth in (0, 0.25, 1.5):
        generator.grow(growth)
        assert network_draws(at_site, generator, tmp_path) <= 2e-3, growth


# --- several generators, loading


def test_another_generator_is_loaded_when_it_is_first_chosen(at_site, small):
    asked = []
    at_site.on("request", lambda request: asked.append(request.url.split("/")[-1].split("-")[0]))
    assert opened(at_site, 0) == "open"
    assert "early" not in asked
    assert opened(at_site, 1) == "open"
    assert asked.count("early") == 1
    generator = load_generator(small[0])
    z, weights = View(3, seed=8).inputs(generator.config)
    expected = generate(generator, weights, z=z).int()  # in colour
    assert (drawn(at_site, 3, seed=8, toward=0).int() - expected).abs().max() <= 1


def test_it_says_how_much_is_loaded(at_site):
    opened(at_site)
    fractions = at_site.evaluate("fractions")
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] <= fractions[-1] == 1


def test_nothing_is_kept_for_a_page_of_the_service(open_page, site):
    page = bare(open_page(), site)
    assert opened(page, network=None) == "open"
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then(({ length }) => length)") == 0


# --- when things go wrong


def failing(route, how):
    if how == "status":
        route.fulfill(status=404)
    elif how == "connection":
        route.abort()
    else:
        content = route.fetch().body()
        route.fulfill(body=content[:1000] if how == "short" else content + b"more")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("status", r"cannot be had (status 404)"),
        ("connection", "cannot be loaded: no connection"),
        ("short", "ended early, after 1000 of 1536836 bytes"),
        ("long", "is another one than expected"),
    ],
)
def test_weights_that_do_not_come_are_told_of_and_can_be_asked_for_again(at_site, problems, how, message):
    at_site.route("**/*.bin", lambda route: failing(route, how))
    said = opened(at_site)
    assert said.startswith("Trouble: ")
    assert message in said
    at_site.unroute("**/*.bin")
    assert opened(at_site) == "open"
    assert drawn(at_site).float().std() > 20
    problems.clear()  # the browser says so too


class Torn(Quiet):
    """It closes the connection in the middle of weights, once."""

    torn = False

    def copyfile(self, source, outputfile):
        if not self.path.endswith(".bin") or Torn.torn:
            return super().copyfile(source, outputfile)
        Torn.torn = True
        outputfile.write(source.read(900_000))
        self.close_connection = True


def test_a_connection_that_breaks_in_the_middle_is_told_of(open_page, tmp_path, problems):
    folder = demo_site.make_site(["relativistic"], tmp_path / "site")
    with served(folder, Torn) as port:
        page = bare(open_page(service_workers="block"), f"http://127.0.0.1:{port}/")
        assert opened(page).startswith("Trouble: The generator stopped loading at ")
        assert 0 < page.evaluate("fractions.at(-1)") < 0.6
        assert opened(page) == "open"
    problems.clear()  # the browser says so too


def test_a_worker_that_cannot_start_is_told_of_and_the_next_picture_tries_again(at_site, problems):
    at_site.route("**/network.js", lambda route: route.fulfill(status=404))
    opened(at_site)
    view = dict(value=3, share=0, moves=[], seed=1, index=0, truncation=None)
    said = at_site.evaluate("(view) => engine.draw(view).catch(String)", view)
    assert "What draws in this browser has failed" in said
    at_site.unroute("**/network.js")
    assert drawn(at_site).float().std() > 20
    problems.clear()  # the browser says so too


# --- without a connection


def kept(page, right) -> dict[str, list[str]]:
    """What lies in each cache, by its name, once it is `right`."""
    for _ in range(200):
        caches = page.evaluate(KEPT)
        if right(caches):
            return caches
        page.wait_for_timeout(100)
    raise AssertionError(f"kept are {caches}")


def weights_of(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.bin")]


def test_a_reload_works_without_a_connection_and_with_one_takes_what_is_new(open_page, small, tmp_path):
    page, folder = open_page(), demo_site.make_site(small[:1], tmp_path / "site")
    with served(folder) as port:
        page.goto(f"http://127.0.0.1:{port}/")
        settled(page)
        needed = {*weights_of(folder), "", "worker.js", "network.js", *(path.name for path in folder.glob("real-*"))}
        kept(page, lambda caches: needed <= set(*caches.values()))
    page.goto(f"http://127.0.0.1:{port}/?seed=5")  # nothing listens there any more
    settled(page)
    assert "early" in page.inner_text("#about")
    assert np.asarray(page.evaluate(GREYS)).std() > 3  # it has learned nothing
    demo_site.make_site(small[1:], folder)
    with served(folder, port=port):
        page.reload()
        settled(page)
        assert "late" in page.inner_text("#about")


ACTIVATE = """
async () => {
  const site = JSON.parse((await (await fetch("sw.js")).text()).split(";")[0].split("= ")[1]);
  const [file, other] = site.weights;
  const older = await caches.open(`cgan ${location.origin}/a/b/ older`);
  await older.put(file, new Response("weights"));
  await older.put("weights-of-before.bin", new Response("weights"));
  await (await caches.open("cgan of a neighbour")).put(other, new Response("weights"));
  const handlers = {}, worker = {
    registration: { scope: `${location.origin}/a/b/` }, clients: { claim() {} },
    addEventListener(kind, handler) { handlers[kind] = handler; },
  };
  new Function("self", await (await fetch("sw.js")).text())(worker);
  let done;
  handlers.activate({ waitUntil(promise) { done = promise; } });
  await done;
  return site.version;
}
"""


def test_an_updated_site_takes_over_weights_that_are_in_use_and_drops_what_is_not(at_site):
    """By the handler itself: as long as Playwright watches service workers, Chromium may let a newer one wait."""
    version = at_site.evaluate(ACTIVATE)
    caches = {name.split()[-1]: files for name, files in at_site.evaluate(KEPT).items()}
    assert set(caches) == {version, "neighbour"}
    (file,) = caches[version]
    assert file.startswith("relativistic-")
