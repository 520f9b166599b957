"""Requests beside each other: one pass for many, limits, failures, and those who have gone."""

import asyncio
import threading

import httpx
import pytest
from pictures import pixels, post, same
from torch import nn

from cgan_lib import generate, load_generator
from cgan_lib.sampling import latents
from cgan_lib.service import create_app
from cgan_lib.service.batching import BATCH


class Gated(nn.Module):
    """A generator whose passes wait at a gate, and raise the next of `errors`; `sizes` are those of its passes."""

    mixes = True

    def __init__(self, inner):
        super().__init__()
        self.inner, self.config, self.class_names = inner, inner.config, inner.class_names
        self.sizes: list[int] = []
        self.errors: list[Exception | None] = []
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, z, labels):
        self.sizes.append(len(z))
        assert self.gate.wait(60)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return self.inner(z, labels)


@pytest.fixture
def gated(generator):
    """A gated generator, and its app; the gate is shut."""
    gated = Gated(generator)
    app = create_app(gated, max_waiting=600)
    gated.sizes.clear()  # those of its directions
    gated.gate.clear()
    yield gated, app
    gated.gate.set()


def together(app, scenario):
    """What `scenario(client)` returns, a coroutine that can ask for several things at once."""

    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as c:
            return await scenario(c)

    return asyncio.run(run())


async def health(client) -> dict:
    return (await client.get("/healthz")).json()


async def until_waiting(client, count: int) -> None:
    """Until so many images have been asked for and are not there."""
    while (await health(client))["waiting"] != count:
        await asyncio.sleep(0.001)


def ask(client, value: int = 1, **wanted) -> asyncio.Task:
    return asyncio.ensure_future(client.post("/gen_images", json={"value": value, "scale": 1} | wanted))


def test_those_who_come_during_a_pass_are_drawn_in_the_next_one(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client, 0, seed=0)]
        await until_waiting(client, 1)
        tasks += [ask(client, value=i % 10, seed=i) for i in range(1, 40)]
        await until_waiting(client, 40)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return [pixels(answer.content) for answer in answers], await health(client)

    pictures, after = together(app, scenario)
    assert generator.sizes == 11 * [BATCH]  # of 1 and of 39
    assert (after["passes"], after["images"], after["waiting"]) == (2, 40, 0)
    for i, picture in enumerate(pictures):  # each got its own
        assert same(picture, generate(generator.inner, [i % 10], z=latents(1, 100, i))[0, 0])


def test_a_pass_has_a_largest_size_and_nobody_is_passed_over(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        finished, waiting = [], 1
        for number, columns in enumerate((10, 10, 10, 7, 1)):
            tasks.append(ask(client, grid=True, grid_size=columns))
            tasks[-1].add_done_callback(lambda _, number=number: finished.append(number))
            waiting += columns**2
            await until_waiting(client, waiting)
        generator.gate.set()
        assert all(answer.status_code == 200 for answer in await asyncio.gather(*tasks))
        return finished, (await health(client))["passes"]

    finished, passes = together(app, scenario)
    assert sorted(finished[:2]) == [0, 1]
    assert passes == 3  # 1, 200 and 150: at most 256, in the order of their coming


def test_pictures_do_not_depend_on_what_else_is_drawn():
    generator = Gated(load_generator("relativistic"))
    app = create_app(generator)
    drawn: dict[bytes, set[bytes]] = {}  # to the last bit: of few pictures is a pixel so near to the next grey level

    @generator.inner.register_forward_hook
    def _(_, inputs, images):
        for z, image in zip(inputs[0], images, strict=True):
            drawn.setdefault(z.numpy().tobytes(), set()).add(image.numpy().tobytes())

    wanted = [dict(value=3, seed=5), dict(value=9, seed=6, toward=4, share=0.3, truncation=0.7, moves=[1, -1])]
    wanted += [dict(value=7, seed=1, grid=True, grid_size=10)]

    async def scenario(client):
        alone = [await ask(client, **asked) for asked in wanted]
        generator.gate.clear()
        tasks = [ask(client)]
        await until_waiting(client, 1)
        tasks += [ask(client, value=i % 10) for i in range(30)] + [ask(client, **asked) for asked in wanted]
        tasks += [ask(client, value=4, grid=True)]
        await until_waiting(client, 158)
        generator.gate.set()
        return alone, (await asyncio.gather(*tasks))[31:34]

    alone, among = together(app, scenario)
    assert [one.content for one in alone] == [other.content for other in among]
    assert len(drawn) >= 102 + 56
    assert all(len(images) == 1 for images in drawn.values())


def test_too_many_are_turned_away_and_it_recovers(gated):
    generator, app = gated

    async def scenario(client):
        tasks = [ask(client, grid=True, grid_size=10) for _ in range(6)]
        await until_waiting(client, 600)
        refused = await ask(client)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return refused, [*answers, await ask(client)], await health(client)

    refused, answers, after = together(app, scenario)
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json() == {"detail": "600 images are waiting: try again in 1 s"}
    assert [answer.status_code for answer in answers] == 7 * [200]
    assert (after["waiting"], after["images"]) == (0, 601)


def test_a_failure_is_that_of_its_pass_alone(gated, caplog):
    generator, app = gated
    generator.errors = [None, RuntimeError("secret of /home/someone"), None]

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        tasks += [ask(client, grid=True, grid_size=10) for _ in range(3)]  # two of them fit into a pass
        await until_waiting(client, 301)
        generator.gate.set()
        return await asyncio.gather(*tasks, ask(client)), await health(client)

    answers, after = together(app, scenario)
    assert [answer.status_code for answer in answers] == [200, 500, 500, 200, 200]
    assert answers[1].json() == {"detail": "internal error: the log of the service says more"}
    assert (after["waiting"], after["passes"], after["images"]) == (0, 2, 102)
    assert [record.getMessage() for record in caplog.records] == ["a pass of 2 requests failed"]
    assert "secret of /home/someone" in caplog.text


def test_who_has_gone_is_not_drawn(gated):
    generator, app = gated
    messages = [{"type": "http.request", "body": b'{"value": 1}', "more_body": False}]

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        leaving = asyncio.ensure_future(post(app, receive))
        await until_waiting(client, 2)
        tasks.append(ask(client))
        await until_waiting(client, 3)
        generator.gate.set()
        answers = await asyncio.gather(*tasks)
        return [answer.status_code for answer in answers], await leaving, await health(client)

    statuses, (start, _), after = together(app, scenario)
    assert statuses == [200, 200]
    assert start["status"] == 499
    assert generator.sizes == [BATCH, BATCH]
    assert (after["images"], after["waiting"]) == (2, 0)


def test_a_request_that_is_cancelled_during_its_pass_stops_nobody_else(gated):
    generator, app = gated

    async def scenario(client):
        leaving, staying = ask(client), ask(client)
        while not generator.sizes:
            await asyncio.sleep(0.001)
        leaving.cancel()
        await until_waiting(client, 1)
        generator.gate.set()
        return [answer.status_code for answer in await asyncio.gather(staying, ask(client))]

    assert together(app, scenario) == [200, 200]


def test_who_waits_when_it_stops_is_told_so(gated):
    generator, app = gated

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
            async with app.router.lifespan_context(app):
                tasks = [ask(client), ask(client)]
                await until_waiting(client, 2)
                threading.Timer(0.2, generator.gate.set).start()  # a pass is not broken off
            answers = [*await asyncio.gather(*tasks), await ask(client)]
            return [(answer.status_code, answer.json()["detail"]) for answer in answers]

    *waited, late = asyncio.run(run())
    assert waited == 2 * [(503, "the service has stopped")]
    assert late[0] == 503


def test_a_connection_that_raises_an_error_fails_its_own_request_alone(gated, caplog):
    """As one in a middleware of an app that this one is mounted in."""
    generator, app = gated
    messages = [{"type": "http.request", "body": b'{"value": 1}', "more_body": False}]

    async def receive():
        return messages.pop()  # `IndexError` when it is asked for more

    async def scenario(client):
        tasks = [ask(client)]
        await until_waiting(client, 1)
        failing = asyncio.ensure_future(post(app, receive))
        await until_waiting(client, 2)
        generator.gate.set()
        with pytest.raises(IndexError):
            await failing
        return [answer.status_code for answer in await asyncio.gather(*tasks, ask(client))]

    assert together(app, scenario) == [200, 200]
