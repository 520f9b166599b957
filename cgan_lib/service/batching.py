"""One pass for many requests: those that come while the generator is busy wait, and are drawn together."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect
from torch import Tensor

from cgan_lib.files import png
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.sampling import generate, tile
from cgan_lib.service.request import ImageRequest
from cgan_lib.studio.latent import Direction

MAX_PASS = 256  # images that are drawn together
# Images of each forward pass, never fewer or more: another size rounds otherwise, and a seed would not draw the very
# same again. Costs a sixth to a quarter of the requests a second; with 8, one image alone would take half as long
# again.
BATCH = 4
MAX_WAITING = 2048  # images asked for and not there yet; while there are so many, requests are turned away
RETRY_AFTER = 1  # seconds
FAILED = "internal error: the log of the service says more"
STOPPED = "the service has stopped"


class Picture(NamedTuple):
    """A PNG file."""

    content: bytes
    width: int
    height: int


@dataclass(eq=False)
class _Job:
    wanted: ImageRequest
    seed: int
    request: Request
    done: asyncio.Future[Picture]

    @property
    def count(self) -> int:
        return self.wanted.columns**2

    def answer(self, result: Picture | Exception) -> None:
        if self.done.done():  # its request was cancelled
            return
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


class Batcher:
    """Generates what was asked for meanwhile in one go, in a thread of its own."""

    def __init__(self, generator: ConditionalGenerator, directions: Sequence[Direction], max_waiting: int):
        self.generator, self.directions, self.max_waiting = generator, directions, max_waiting
        self.jobs: deque[_Job] = deque()  # that no pass has taken yet
        self.unanswered: set[_Job] = set()
        self.any_jobs = asyncio.Event()
        self.waiting = self.passes = self.images = 0

    async def generate(self, wanted: ImageRequest, seed: int, request: Request) -> Picture:
        """`HTTPException` 503 when too many wait, 500 when the pass failed; `ClientDisconnect` when nobody waits."""
        if self.waiting >= self.max_waiting:
            message = f"{self.waiting} images are waiting: try again in {RETRY_AFTER} s"
            raise HTTPException(503, message, {"Retry-After": str(RETRY_AFTER)})
        job = _Job(wanted, seed, request, asyncio.get_running_loop().create_future())
        self.waiting += job.count
        self.unanswered.add(job)
        self.jobs.append(job)
        self.any_jobs.set()
        try:
            return await job.done
        finally:
            self.waiting -= job.count
            self.unanswered.discard(job)

    async def run(self) -> None:
        """Work until cancelled; a pass that fails fails only those who were in it."""
        loop = asyncio.get_running_loop()
        threads = torch.get_num_threads()  # a new thread would begin with all cores
        with ThreadPoolExecutor(1, "generator", torch.set_num_threads, (threads,)) as thread:
            while True:
                await self.any_jobs.wait()
                jobs = [job for job in self._next() if not await _dropped(job)]
                if not jobs:
                    continue
                results: Sequence[Picture | Exception]
                try:
                    results = await loop.run_in_executor(thread, self._pass, jobs)
                except Exception:
                    logging.getLogger("uvicorn.error").exception("a pass of %d requests failed", len(jobs))
                    results = [HTTPException(500, FAILED) for _ in jobs]
                else:
                    self.passes += 1
                    self.images += sum(job.count for job in jobs)
                for job, result in zip(jobs, results, strict=True):
                    job.answer(result)

    def _next(self) -> list[_Job]:
        """Those who came first, as many as fit into a pass."""
        jobs: list[_Job] = []
        count = 0
        while self.jobs and count + self.jobs[0].count <= MAX_PASS:
            jobs.append(self.jobs.popleft())
            count += jobs[-1].count
        if not self.jobs:
            self.any_jobs.clear()
        return jobs

    def _pass(self, jobs: list[_Job]) -> list[Picture]:
        inputs = [job.wanted.view(job.seed).inputs(self.generator.config, self.directions) for job in jobs]
        z, weights = (torch.cat(parts) for parts in zip(*inputs, strict=True))
        images = generate(self.generator, _filled(weights), z=_filled(z), batch_size=BATCH)[: len(z)]
        parts = images.split([job.count for job in jobs])
        return [_picture(own_images, job.wanted) for own_images, job in zip(parts, jobs, strict=True)]


@asynccontextmanager
async def batching(
    generator: ConditionalGenerator, directions: Sequence[Direction], max_waiting: int
) -> AsyncIterator[Batcher]:
    """A `Batcher` of this event loop that works meanwhile."""
    batcher = Batcher(generator, directions, max_waiting)
    worker = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        for job in batcher.unanswered:
            job.answer(HTTPException(503, STOPPED))


def _filled(rows: Tensor) -> Tensor:
    """Rows (N, …) → rows (M, …), M the next multiple of `BATCH`: the last one is repeated."""
    return torch.cat([rows, rows[-1:].expand(-len(rows) % BATCH, -1)])


async def _dropped(job: _Job) -> bool:
    try:
        if not job.done.done() and await job.request.is_disconnected():
            job.answer(ClientDisconnect())
    except Exception as error:  # of its connection, or of what the app is mounted in: nobody else's
        job.answer(error)
    return job.done.done()


def _picture(images: Tensor, wanted: ImageRequest) -> Picture:
    """Images uint8 (N,C,H,W) as what was asked for; grey when C is 1."""
    tiled = tile(images, wanted.columns)[: images.shape[1]] if wanted.grid else images[0]  # a tiled grey is RGB
    height, width = tiled.shape[1:]
    return Picture(png(tiled, wanted.scale, quick=True), wanted.scale * width, wanted.scale * height)
