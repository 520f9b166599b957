"""What the page does with a drawing: send it, take it back, go on from it, play it, write with it, ask what is real."""

import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from drawn_page import opened, pixels, press, settled, share_read, slide
from PIL import Image

from cgan_lib import generate, load_generator
from cgan_lib.studio.latent import directions
from cgan_lib.studio.view import View

SET = "class=4&seed=77&index=2&toward=9&share=0.3&moves=0%2C-0.5%2C0%2C0.5&truncation=0.4"
PX = 12  # pixels of a saved number along each one of a digit


@pytest.fixture(scope="module")
def generator():
    return load_generator("relativistic")


def drawn(generator, view) -> torch.Tensor:
    """What the library draws: uint8 (1, 28, 28)."""
    z, weights = view.inputs(generator.config, directions(generator) if view.moves else ())
    return generate(generator, weights, z=z)[0]


def same(image, expected) -> bool:
    return bool((image.int() - expected.int()).abs().max() <= 1)  # the order of sums may differ


def saved(page, button) -> tuple[str, bytes]:
    """Name and content of the file that a button saves."""
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, download.value.path().read_bytes()


def changed(page, **changes):
    """The settings of the page are others than the service says; `models` may be a function of the list."""

    def answer(route):
        site = route.fetch().json()
        models = changes.get("models", lambda models: models)([model | changes for model in site["models"]])
        route.fulfill(json=site | {"models": [{k: v for k, v in model.items() if k != "models"} for model in models]})

    page.route("**/studio.json", answer)


# --- the address


def test_an_address_draws_what_it_says_and_is_kept_by_reloading(page, service, generator):
    opened(page, f"{service}?{SET}")
    (image,) = pixels(page)
    assert same(image, drawn(generator, View(4, 9, 0.3, (0, -0.5, 0, 0.5), seed=77, index=2, truncation=0.4)))
    names = [direction.name for direction in directions(generator)]
    said = f"{names[1]} −0.5 · {names[3]} +0.5 · variety 0.40 · seed 77, no. 3"
    assert page.inner_text("#caption") == f"a 4, 30% of the way to a 9 · {said}"
    file, _ = saved(page, "#download")
    parts = file.removesuffix(".png").split("_")
    assert parts[:2] == ["4", "to9-30"]
    assert parts[-4:] == ["truncation0.4", "seed77", "index2", "relativistic"]
    assert [part[-4:] for part in parts[2:-4]] == ["-0.5", "+0.5"]

    slide(page, "share", "ArrowRight", 3)
    page.wait_for_url("**share=0.33**")
    (image,) = pixels(page)
    page.reload()
    opened(page, page.url)
    assert torch.equal(pixels(page)[0], image)


def test_sliding_leaves_no_trail_and_back_leads_to_the_part_before(page, service):
    opened(page, service + "?seed=5", pixels=False)
    before = page.evaluate("history.length")
    slide(page, "move-0", "ArrowRight", 12)
    page.wait_for_url("**moves=1.2**")
    assert page.evaluate("history.length") == before
    page.click("#to-write")
    page.wait_for_selector("#write-part[data-state=ready]")
    page.go_back()
    settled(page)
    assert page.locator("#move-0").input_value() == "1.2"
    assert page.locator("#to-draw").get_attribute("aria-current") == "page"


def test_back_leads_to_what_was_drawn_before_another_hand_was_chosen(page, service):
    opened(page, service + "?seed=5", pixels=False)
    page.evaluate("""() => {
        document.querySelector("#digits button:nth-child(8)").click();
        document.getElementById("to-write").click(); // before the address could be written by and by
    }""")
    page.wait_for_selector("#write-part[data-state=ready]")
    page.click("#another-hand")
    page.wait_for_function("!location.search.includes('seed=5')")
    ours = page.url
    page.go_back()
    page.wait_for_selector("#caption:has-text('a 7 · seed 5')")
    assert page.locator("#to-draw").get_attribute("aria-current") == "page"
    page.go_forward()
    page.wait_for_selector("#write-part[data-state=ready]")
    page.wait_for_url(ours)


def test_a_reload_takes_what_was_just_set(page, service):
    opened(page, service + "?class=3&seed=5", pixels=False)
    assert page.evaluate("document.getElementById('digits').children[7].click(), location.search") == "?class=7&seed=5"
    page.click("#play")
    page.wait_for_url("**&share=**")  # while it plays
    assert page.locator("#play").inner_text() == "Stop"


@pytest.mark.parametrize(
    "query",
    [
        "class=12&seed=-4&index=100&toward=x&share=2&moves=1,2&truncation=9&grid=11&text=<b>&model=none",
        "class=&seed=1e99&index=1.5&toward=3&share=0.5&moves=a,b,c,d&truncation=0&grid=0&hands=no",
        "class=%F0&moves=1,NaN,Infinity,9&seed=&grid=%",
    ],
)
def test_what_is_wrong_in_an_address_is_left_out(page, service, query):
    opened(page, f"{service}?{query}", pixels=False)
    page.wait_for_url("**?class=3&seed=426")
    assert page.inner_text("#caption") == "a 3 · seed 426"


def test_the_link_is_copied(open_page, service):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    opened(page, service, pixels=False)
    press(page, "7")
    page.click("#copy")
    page.wait_for_selector("#copy:has-text('Copied')")
    assert page.evaluate("navigator.clipboard.readText()") == f"{service}?class=7&seed=426"


# --- taking back, going on


def test_a_change_can_be_undone_and_a_slide_is_one_change(page, service):
    opened(page, service)
    seen = [pixels(page)[0]]
    press(page, "5")
    seen.append(pixels(page)[0])
    slide(page, "move-1", "ArrowRight", 9)
    seen.append(pixels(page)[0])
    for image in reversed(seen[:-1]):
        press(page, "Control+z")
        assert torch.equal(pixels(page)[0], image)
    assert page.locator("#undo").get_attribute("aria-disabled") == "true"
    press(page, "Control+Shift+z")
    page.click("#redo")
    settled(page)
    assert torch.equal(pixels(page)[0], seen[-1])
    page.click("#undo")
    settled(page)
    assert torch.equal(pixels(page)[0], seen[1])


def test_one_of_a_grid_is_gone_on_from(page, service, generator):
    opened(page, service + "?class=6&seed=9&grid=3")
    grid = pixels(page, 3)
    page.locator("#tiles button").nth(4).click()
    settled(page)
    assert torch.equal(pixels(page)[0], grid[4])
    assert same(grid[4], drawn(generator, View(6, seed=9, index=4)))
    assert page.evaluate("document.activeElement.id") == "single"
    press(page, "Control+z")
    assert torch.equal(torch.stack(pixels(page, 3)), torch.stack(grid))
    page.locator("#tiles button").first.focus()
    press(page, "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "Enter")  # the last one leads nowhere
    assert torch.equal(pixels(page)[0], grid[7])


def test_a_grid_offers_no_more_than_can_be_asked_for(page, service):
    opened(page, service + "?index=97&grid=2", pixels=False)
    assert page.locator("#tiles button").count() == 3


# --- two directions at once


def test_the_pad_moves_two_sliders(page, service):
    opened(page, service)
    (plain,) = pixels(page)
    page.locator("#plane").focus()
    press(page, "ArrowRight", "ArrowRight", "Shift+ArrowDown")
    assert [page.locator(f"#move-{k}").input_value() for k in range(4)] == ["0.2", "-1", "0", "0"]
    moved = page.locator("#plane").get_attribute("aria-valuetext")
    assert re.fullmatch(r".+ \+0\.2, .+ −1\.0", moved)
    press(page, "Home")
    assert torch.equal(pixels(page)[0], plain)
    page.select_option("#plane-x", "3")
    box = page.locator("#plane").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] - 50, steps=5)
    page.mouse.up()
    settled(page)
    assert page.locator("#move-3").input_value() == "1"
    assert page.locator("#move-1").input_value() == "2"  # no farther than the slider
    press(page, "Control+z")
    assert torch.equal(pixels(page)[0], plain)


# --- playing


def test_it_plays_until_it_is_stopped(page, service):
    opened(page, service, pixels=False)
    page.click("#play")
    page.wait_for_function("document.getElementById('share').value > 0.9")
    page.wait_for_function("document.getElementById('share').value < 0.1")  # and back
    page.click("#play")
    assert page.inner_text("#play") == "Play"
    stopped = page.locator("#share").input_value()
    settled(page)
    page.wait_for_timeout(200)
    assert page.locator("#share").input_value() == stopped
    page.click("#play")
    press(page, "1")  # another change stops it too
    page.wait_for_selector("#play:has-text('Play')")


def test_all_that_was_played_is_undone_at_once(page, service):
    opened(page, service + "?share=0.05", pixels=False)
    page.evaluate("""() => {
        const now = performance.now.bind(performance);
        performance.now = () => 20 * now(); // a slow machine: what is 60 ms apart seems 1200
    }""")
    page.click("#play")
    page.wait_for_function("Number(document.getElementById('share').value) > 0.2")
    page.click("#play")
    settled(page)
    page.keyboard.press("Control+z")
    settled(page)
    assert page.locator("#share").input_value() == "0.05"
    assert page.locator("#undo").get_attribute("aria-disabled") == "true"


def test_who_wants_no_motion_sees_five_pictures(open_page, service):
    page = open_page(reduced_motion="reduce")
    opened(page, service, pixels=False)
    page.evaluate("""() => {
        window.shares = new Set();
        const share = document.getElementById("share");
        new MutationObserver(() => shares.add(share.value)).observe(share, { attributes: true });
    }""")
    page.click("#play")
    page.wait_for_selector("#play:has-text('Play')")
    assert page.evaluate("[...shares]") == ["0", "0.25", "0.5", "0.75", "1"]


@pytest.mark.parametrize("grid", ["", "&grid=2"])
def test_the_animation_is_saved(page, service, grid):
    opened(page, service + "?class=7&toward=1" + grid, pixels=False)
    name, content = saved(page, "#save-gif")
    gif = Image.open(io.BytesIO(content))
    assert name == f"7_to1-100_seed426_{'grid2_' if grid else ''}relativistic.gif"
    assert gif.n_frames == 30
    assert gif.info["loop"] == 0
    assert gif.size == ((337, 337) if grid else (336, 336))
    durations, images = [], []
    for number in range(gif.n_frames):
        gif.seek(number)
        durations.append(gif.info["duration"])
        images.append(torch.from_numpy(np.asarray(gif.convert("L").resize((28, 28), Image.BOX)).copy())[None])
    assert durations == [600, *[70] * 14, 600, *[70] * 14]
    assert all(torch.equal(images[k], images[30 - k]) for k in range(1, 15))  # the same way back
    if not grid:
        assert share_read([images[0], images[15]], [7, 1]) == 1


# --- writing


def written(page, address, query):
    page.goto(f"{address}?{query}#write")
    page.wait_for_selector("#write-part[data-state=ready]")
    return page


def digits_of(svg: bytes) -> list[float]:
    """Where each outline begins in an SVG, from left to right; strokes are none."""
    paths = ET.fromstring(svg).findall("{*}path")
    return [float(re.match(r"translate\(([-\d.]+)", p.get("transform"))[1]) for p in paths if p.get("fill") != "none"]


def ink(png: bytes, left: float) -> torch.Tensor:
    """The digit that begins there in a saved number: uint8 (1, 28, 28), white on black."""
    grey = Image.open(io.BytesIO(png)).convert("L")
    box = [round(PX * length) for length in (left, 4, left + 28, 32)]
    return 255 - torch.from_numpy(np.asarray(grey.crop(box).resize((28, 28), Image.BOX)).copy())[None]


def test_a_number_is_written_in_one_hand(page, service, generator):
    written(page, service, "seed=261&text=(012)+345-67:89")
    assert page.locator("#paper svg").get_attribute("aria-label") == "(012) 345-67:89, in handwriting"
    name, svg = saved(page, "#save-svg")
    assert name == "-012-345-67-89_seed261_relativistic.svg"
    assert len(svg) < 25_000
    png_name, png = saved(page, "#save-number")
    assert png_name == "-012-345-67-89_seed261_relativistic.png"
    places, ends = digits_of(svg), []
    assert len(places) == 10
    for digit, left in enumerate(places):
        outlined, expected = ink(png, left) > 128, drawn(generator, View(digit, seed=261)) > 100
        columns = expected.any(1)  # what lies beside them may be of the neighbour
        (inked,) = columns[0].nonzero(as_tuple=True)
        ends.append((left + inked[0].item(), left + inked[-1].item() + 1))
        both, either = (outlined & expected & columns[:, None]).sum(), ((outlined | expected) & columns[:, None]).sum()
        assert both / either > 0.75, digit
    gaps = [ends[digit + 1][0] - ends[digit][1] for digit in (0, 1, 3, 4, 6, 8)]  # no sign between them
    assert min(gaps) > 0.5
    assert max(gaps) < 4


def test_an_outline_is_as_large_whatever_the_pixels(page, service):
    page.goto(service)
    small, large = page.evaluate("""async () => {
        const { outline } = await import("./outline.js");
        const inside = (x) => x >= 9 && x < 20;
        return [28, 112].map((side) => {
            const at = (p) => 28 * p / side;
            const inked = (p) => inside(at(p % side)) && inside(at(Math.floor(p / side)));
            return outline(Uint8ClampedArray.from({ length: side * side }, (_, p) => 255 * inked(p)), side);
        });
    }""")
    for end, expected in (("left", 9), ("right", 20)):
        assert small[end] == pytest.approx(expected, abs=0.5)
        assert large[end] == pytest.approx(expected, abs=0.3)


def test_a_digit_of_which_nothing_is_seen_leaves_a_gap(page, service):
    page.goto(service)
    blank, whole = page.evaluate("""async () => {
        const { outline } = await import("./outline.js"), { setOut } = await import("./numbers.js");
        const blank = outline(new Uint8ClampedArray(28 * 28), 28);
        return [blank, setOut("1-1", () => blank)];
    }""")
    assert blank["d"] == ""
    assert 20 < whole["width"] < 80


def test_each_digit_can_have_a_hand_of_its_own(page, service):
    written(page, service, "text=777&moves=0,-0.5,0,0&truncation=0.4&index=2")
    _, same_hand = saved(page, "#save-svg")
    page.check("#each-hand")
    page.wait_for_selector("#write-part[data-state=drawing]")
    page.wait_for_selector("#write-part[data-state=ready]")
    name, own_hands = saved(page, "#save-svg")
    shapes = [len(set(re.findall(rb' d="([^"]+)"', svg))) for svg in (same_hand, own_hands)]
    assert shapes == [1, 3]
    assert re.fullmatch(r"777_[A-Z][\w-]*-0\.5_truncation0\.4_seed426_index2_each_relativistic\.svg", name)
    page.wait_for_url("**text=777&hands=each#write")


def test_what_cannot_be_written_is_not_taken(page, service):
    written(page, service, "text=12")
    page.locator("#text").press("End")
    page.locator("#text").press_sequentially("3a<")
    page.wait_for_selector("#live:has-text('digits, spaces')")
    assert page.input_value("#text") == "123"
    page.locator("#text").press("ArrowLeft")
    page.locator("#text").press_sequentially("x")
    assert page.evaluate("document.getElementById('text').selectionStart") == 2  # not at the end
    page.fill("#text", "1" * 25)
    assert page.input_value("#text") == "1" * 24
    assert page.locator("#text-hint.wrong").count() == 1  # nothing is cut in silence
    page.fill("#text", "+49\u00a030\u202f2026\u201311\u201127 ７")  # as it is copied from elsewhere
    assert page.input_value("#text") == "+49 30 2026-11-27 7"
    assert page.locator("#text-hint.wrong").count() == 0
    page.fill("#text", "")
    page.wait_for_selector("#paper:empty", state="attached")
    assert page.locator("#save-svg").get_attribute("aria-disabled") == "true"


def test_classes_that_are_no_digits_write_no_numbers(page, service):
    changed(page, class_names=["T-shirt", "trouser", *"abcdefgh"], mixes=False)
    opened(page, service + "#write", pixels=False)
    assert page.locator("#to-write").is_hidden()
    assert page.locator("#write-part").is_hidden()
    assert page.locator("#mixing").is_hidden()
    assert page.locator("#title").inner_text() == "Draw a picture"
    page.get_by_role("button", name="T-shirt").click()
    settled(page)
    assert page.inner_text("#caption") == "a T-shirt · seed 426"


@pytest.mark.parametrize("width", [360, 1100])
def test_long_and_strange_names_stick_out_nowhere_and_are_no_html(open_page, service, problems, width):
    page = open_page(viewport={"width": width, "height": 780})
    changed(page, class_names=["w" * 100, "<b onclick=alert()>&amp;", "🎉", "#?%41/.."], name="n" * 200)
    for value, called in (("w" * 100, "a " + "w" * 100), ("🎉", "🎉")):
        opened(page, f"{service}?class={value}&toward=%3Cb onclick=alert()%3E%26amp;&share=0.5", pixels=False)
        assert page.inner_text("#caption").startswith(f"{called}, 50% of the way to <b onclick=alert()>&amp;")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []


def test_without_javascript_it_says_so(open_page, service):
    page = open_page(java_script_enabled=False)
    page.goto(service)
    title, said = page.inner_text("body").split("\n\n")
    assert (title, said.strip()) == (
        "Draw a digit",
        "This page draws by JavaScript, which is switched off in this browser.",
    )


SPACED = "* { letter-spacing: .12em !important; word-spacing: .16em !important; line-height: 1.5 !important; }"


@pytest.mark.parametrize("style", [SPACED, "html { font-size: 200% !important; }"])
def test_larger_text_sticks_out_nowhere(open_page, service, style):
    page = open_page(viewport={"width": 360, "height": 640})
    changed(page, models=lambda models: [models[0], models[0] | {"name": "a generator of a long name"}])
    for part in ("draw", "write", "guess"):
        page.goto(f"{service}?grid=3#{part}")
        page.add_style_tag(content=style)
        page.wait_for_selector(f"#{part}-part:visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, part


def test_with_one_class_there_is_nothing_to_become(page, service):
    changed(page, class_names=["rose"])
    opened(page, service, pixels=False)
    assert page.inner_text("#caption") == "a rose · seed 426"
    assert page.locator("#mixing").is_hidden()


# --- real or drawn


def asked(page, address, real):
    """The quiz, whose next images are all real or all drawn: `Math.random` is below one half, or not."""
    page.add_init_script(f"let turn = 0; Math.random = () => (turn++ % 10) / 20 + {0 if real else 0.5};")
    page.goto(address + "#guess")
    page.wait_for_selector("#guess-part[data-state=ready]")
    if page.locator("#quiz-missing").is_visible():
        pytest.skip("no real images: the data set is not on this machine")


@pytest.mark.parametrize("real", [True, False])
def test_the_quiz_keeps_the_score(page, service, real):
    asked(page, service, real)
    page.click("#say-real")
    assert page.inner_text("#verdict") == ("Right: a person wrote it." if real else "No: the generator drew it.")
    assert page.inner_text("#score") == f"{int(real)} of 1 right"
    page.click("#next")
    page.wait_for_selector("#guess-part[data-state=ready]")
    page.click("#say-drawn")
    page.reload()
    page.wait_for_selector("#guess-part[data-state=ready]")
    assert page.inner_text("#score") == "1 of 2 right"
    other = page.context.new_page()
    other.goto(service + "#guess")
    other.wait_for_selector("#guess-part[data-state=ready]")
    page.click("#reset-score")
    other.wait_for_selector("#score:has-text('No answer yet')")
    assert page.inner_text("#score") == "No answer yet"


def test_real_images_are_of_the_class_that_is_said(page, service):
    asked(page, service, real=True)
    images, labels = [], []
    for _ in range(6):
        said = page.locator("#quiz-picture").get_attribute("aria-label")
        shot = Image.open(io.BytesIO(page.locator("#quiz-picture").screenshot())).convert("L")
        images.append(torch.from_numpy(np.asarray(shot.resize((28, 28), Image.BOX)).copy())[None])
        labels.append(int(said[-1]))
        page.click("#say-real")
        page.click("#next")
        page.wait_for_selector("#guess-part[data-state=ready]")
    assert share_read(images, labels) >= 0.8
    assert len(set(labels)) > 1


def test_real_images_that_cannot_be_loaded_are_asked_for_once_more(page, service, problems):
    page.route("**/real-*", lambda route: route.abort())
    page.add_init_script("Math.random = () => 0.1;")
    page.goto(service + "#guess")
    page.wait_for_selector(
        "#message:has-text('The real images cannot be loaded: no connection.'), #quiz-missing:visible"
    )
    if page.locator("#quiz-missing").is_visible():
        pytest.skip("no real images: the data set is not on this machine")
    page.unroute("**/real-*")
    page.click("#retry")
    page.wait_for_selector("#guess-part[data-state=ready]")
    problems.clear()


def test_without_real_images_it_says_why_there_is_no_quiz(page, service):
    changed(page, real=None)
    page.goto(service + "#guess")
    page.wait_for_selector("#quiz-missing:has-text('data set')")
    assert page.locator("#quiz-game").is_hidden()


# --- several generators, the way to the API


def test_one_of_several_generators_is_chosen(page, service):
    changed(page, models=lambda models: [models[0], models[0] | {"name": "other", "directions": []}])
    opened(page, service + "?class=2&moves=1,0,0,0", pixels=False)
    page.select_option("#model", label="other")
    settled(page)
    assert page.inner_text("#caption") == "a 2 · seed 426 · other"
    assert page.locator("#move-0").count() == 0
    assert page.locator("#plane-card").is_hidden()
    page.wait_for_url("**model=other&class=2&seed=426")
    page.reload()
    settled(page)
    assert page.locator("#model option:checked").inner_text() == "other"
    press(page, "3", "Control+z", "Control+z")  # before the reload there is nothing
    assert page.inner_text("#caption") == "a 2 · seed 426 · other"


def test_the_page_leads_to_the_interface(page, service):
    opened(page, service, pixels=False)
    assert page.get_by_role("link", name="API").get_attribute("href") == "docs"
    site = json.loads(page.request.get(service + "studio.json").text())
    page.route("**/studio.json", lambda route: route.fulfill(json=site | {"docs": None}))
    opened(page, service, pixels=False)
    assert page.get_by_role("link", name="API").count() == 0
