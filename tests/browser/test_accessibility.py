"""Whether everyone can use the page: WCAG 2.2 AA by axe, and by hand what axe cannot see."""

import pytest

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 860}},
    "dark": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "dark"},
    "forced colours": {"viewport": {"width": 1280, "height": 860}, "forced_colors": "active"},
    "phone": {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True},
    "400%": {"viewport": {"width": 320, "height": 256}},
}
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    "rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# Of what has the focus: its name, and whether its middle is in the window and nothing lies over it
SEEN = """() => {
    const element = document.activeElement, { left, top, width, height } = element.getBoundingClientRect();
    const over = document.elementFromPoint(left + width / 2, top + height / 2);
    const name = element.id || element.textContent.trim();
    return [name, Boolean(over) && (element.contains(over) || over.contains(element))];
}"""


@pytest.fixture(params=sorted(LOOKS))
def look(request, open_page):
    """A page that looks so."""
    return open_page(**LOOKS[request.param])


@pytest.fixture
def violations():
    """A function: what axe finds in a page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing: pip install axe-playwright-python"
    )

    def found(page) -> list[str]:
        result = axe.Axe().run(page, options=RULES)
        return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in result.response["violations"]]

    return found


def show(page, address, part, state="ready"):
    page.goto(f"{address}#{part}")
    page.wait_for_selector(f"#{part}-part[data-state={state}]" if part != "draw" else f"main[data-state={state}]")


def test_axe_finds_nothing(look, service, violations, problems):
    show(look, service + "?class=5&grid=4&share=0.3&moves=0,1,0,0", "draw")
    found = {"grid": violations(look)}
    show(look, service, "write")
    found["write"] = violations(look)
    show(look, service, "guess")
    found["guess"] = violations(look)
    if look.locator("#say-real").is_visible():
        look.click("#say-real")
        found["answered"] = violations(look)
    look.route("**/gen_images", lambda route: route.fulfill(status=422, json={"detail": "no"}))
    show(look, service, "draw", "error")
    found["error"] = violations(look)
    assert found == {state: [] for state in found}
    problems.clear()  # the browser says of the refusal too


@pytest.mark.parametrize("key", ["Shift+Tab", "Tab"])
@pytest.mark.parametrize("size", ["400%", "phone"])
def test_what_is_focused_is_seen(open_page, service, size, key):
    page = open_page(**LOOKS[size])
    show(page, service + "?grid=3&share=0.5", "draw")
    seen = {}
    for _ in range(60):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement === document.body"):
            break
        name, clear = page.evaluate(SEEN)
        seen[name] = clear
    assert {"to-draw", "pixels", "seed", "toward", "move-3", "truncation", "plane", "shortcuts", "docs"} <= seen.keys()
    assert [name for name, clear in seen.items() if not clear] == []
