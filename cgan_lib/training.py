"""The algorithm: one discriminator step and one generator step, in the precision that the hardware likes best."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from cgan_lib.augment import augment
from cgan_lib.data import ImageData, ahead, batches, fits
from cgan_lib.errors import UserError, unknown
from cgan_lib.losses import LOSSES
from cgan_lib.models.dcgan import Growing
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.recipes import Precision, Recipe

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def pick_device(name: str = "auto") -> torch.device:
    """`auto`: cuda, else mps, else cpu. `UserError` for a device that this machine has not got."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in available.items() if there))
    kind, _, index = name.partition(":")
    if kind not in available or not (index.isdigit() or name == kind):
        raise unknown("device", name, ["auto", *available])
    count = torch.cuda.device_count() if kind == "cuda" else int(available[kind])
    if int(index or 0) >= count:
        raise UserError(f"device {name!r} is not on this machine: use auto or cpu.")
    return torch.device(name)


def pick_precision(name: Precision, device: torch.device) -> str:
    """`auto`: bf16 where `device` computes it natively, fp16 on older CUDA GPUs, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp16"
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return "bf16"
    return "fp32"


class Diverged(ArithmeticError):
    """A loss or a weight is no longer a finite number; the message says what to try."""


class Trainer:
    """Two networks, two optimisers and a step counter: `fit` runs the algorithm, `state_dict` holds all of it.

    Every random number of step t comes from `(seed, t)`, the order of the images from `(seed, epoch)`. So weights,
    optimisers and the step number are the whole state, and a resumed run cannot differ from an uninterrupted one.
    """

    def __init__(
        self, recipe: Recipe, data: ImageData, device: str = "auto", start: ConditionalGenerator | None = None
    ):
        """The generator is a copy of `start`, which goes on from what it has learned; default: the recipe's, anew."""
        self.recipe = recipe
        self.device = pick_device(device)
        self.precision = pick_precision(recipe.precision, self.device)
        self.data = data.to(self.device) if fits(data, self.device) else data
        self.step = 0
        new, discriminator = recipe.build(data.num_classes, data.channels, data.attribute_sizes)
        generator = copy.deepcopy(start).requires_grad_() if start else new
        generator.draws(data.name, data.class_names, data.attributes)
        self.classes = data.labels.unique().to(self.device)  # of which there are images: a red 7 may be kept back
        self.generator = generator.to(self.device).to(memory_format=_best_memory_format(generator))
        self.discriminator = discriminator.to(self.device).to(memory_format=_best_memory_format(discriminator))
        self.growing = [network for network in (generator, discriminator) if isinstance(network, Growing)]
        self._grow()
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False).eval() if recipe.ema else None
        self.loss = LOSSES[recipe.loss]
        self.parameters_g, self.parameters_d = list(self.generator.parameters()), list(self.discriminator.parameters())
        self.optimizer_g = self._adam(self.parameters_g, recipe.lr)
        self.optimizer_d = self._adam(self.parameters_d, recipe.lr if recipe.lr_d is None else recipe.lr_d)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    @property
    def sampler(self) -> ConditionalGenerator:
        """The generator to make samples with: the averaged one when the recipe has one."""
        return self.generator if self.averaged is None else self.averaged

    @property
    def grown(self) -> bool:
        """Whether the networks work at full size: always, except in a growing recipe before its time."""
        every, last_step = self.recipe.grow_every, self.step - 1
        return not every or all(growth_at(last_step / every) >= network.grown for network in self.growing)

    def fit(self, until: int, on_step: Callable[[dict[str, Tensor] | None], bool] = lambda metrics: True) -> None:
        """Train up to step `until`. After each step `on_step(metrics)` is called; False from it ends the training.

        `metrics` is None except every `log_every` steps and at the end, so that most steps wait for nothing.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            recipe = self.recipe
            drawn = batches(self.data, recipe.batch_size, recipe.seed, self.step, recipe.balanced)
            if self.data.labels.device.type != self.device.type:
                drawn = ahead(drawn, self.device)
            for real, labels in drawn:
                if self.step >= until:
                    break
                measure = (self.step + 1) % self.recipe.log_every == 0 or self.step + 1 == until
                metrics = self.train_step(real, labels, measure)
                if not on_step(metrics):
                    break

    def train_step(self, real: Tensor, labels: Tensor, measure: bool = False) -> dict[str, Tensor] | None:
        """One step of both networks on a real batch (B,C,H,W) with labels (B,); its metrics when `measure`."""
        torch.manual_seed(_seed_of_step(self.recipe.seed, self.step))
        self._prepare()
        g_moves = (self.step + 1) % self.recipe.n_dis == 0
        z = torch.randn(len(real), self.recipe.latent_dim, device=self.device)
        random_labels = self.classes[torch.randint(len(self.classes), (len(real),), device=self.device)]
        fake_labels = labels if self.loss.paired else random_labels
        with self._autocast(), torch.set_grad_enabled(g_moves):
            fake = self.generator(z, fake_labels)  # one forward pass serves both networks
        metrics = self.d_step(real, labels, fake.detach(), fake_labels, measure)
        if g_moves:
            metrics |= self.g_step(fake, fake_labels, real, measure)
            self._update_average()
        self.scaler.update()
        self.step += 1
        return metrics if measure else None

    def d_step(
        self, real: Tensor, labels: Tensor, fake: Tensor, fake_labels: Tensor, measure: bool = False
    ) -> dict[str, Tensor]:
        """Move the discriminator towards telling `real` from `fake`; no gradient reaches the generator."""
        real, fake = (augment(images, self.recipe.augment) for images in (real, fake))
        with self._autocast():
            real_logits = self.discriminator(real, labels)
            fake_logits = self.discriminator(fake, fake_labels)
        loss = self.loss.d(real_logits.float(), fake_logits.float())
        penalty = self._penalty(real, fake, labels)  # 0, except in losses that have one
        self._descend(loss + penalty, self.parameters_d, self.optimizer_d)
        if not measure:
            return {}
        verdicts = self.loss.verdicts(real_logits.detach().float(), fake_logits.detach().float())
        return {"loss/D": loss.detach(), **verdicts, "gradient_norm/D": _gradient_norm(self.parameters_d)}

    def g_step(self, fake: Tensor, fake_labels: Tensor, real: Tensor, measure: bool = False) -> dict[str, Tensor]:
        """Move the generator towards images that the discriminator takes for real; `fake` carries its graph."""
        with self._autocast():
            logits = [self.discriminator(augment(fake, self.recipe.augment), fake_labels)]
            if self.loss.relative:  # then the reals of the batch have the labels of the fakes
                logits.append(self.discriminator(augment(real, self.recipe.augment), fake_labels).detach())
        loss = self.loss.g(*(part.float() for part in logits))
        self._descend(loss, self.parameters_g, self.optimizer_g)
        return {"loss/G": loss.detach(), "gradient_norm/G": _gradient_norm(self.parameters_g)} if measure else {}

    def _prepare(self) -> None:
        """Bring networks and optimisers to what this step is due: mode, size and learning rates.

        The rates fall as 1/t in the long run, what stochastic approximation asks for (TTUR, 2017).
        """
        for network in (self.generator, self.discriminator):
            if not network.training:  # (setting it visits every layer, 0.1 ms)
                network.train()
        self._grow()
        halved_at, recipe = self.recipe.lr_halved_at, self.recipe
        factor = 1 / (1 + self.step / halved_at) if halved_at else 1.0
        for optimizer, lr in ((self.optimizer_g, recipe.lr), (self.optimizer_d, recipe.lr_d or recipe.lr)):
            optimizer.param_groups[0]["lr"] = lr * factor

    def learning_rates(self) -> dict[str, float]:
        """Learning rates in force, by the name of their curve."""
        return {
            "learning_rate/G": self.optimizer_g.param_groups[0]["lr"],
            "learning_rate/D": self.optimizer_d.param_groups[0]["lr"],
        }

    def check_metrics(self, values: Mapping[str, float]) -> None:
        """Raise `Diverged` when one of the metrics of a step is NaN or infinite."""
        for name, value in values.items():
            # a scaled fp16 gradient may overflow: the scaler skips that step and lowers its scale
            if not math.isfinite(value) and not (self.precision == "fp16" and name.startswith("gradient_norm")):
                raise self.diverged(name)

    def check_finite(self) -> None:
        """Raise `Diverged` when a weight, a statistic or an optimiser's average is NaN or infinite."""
        tensors = [t for part in self._parts().values() for t in _tensors(part.state_dict())]
        if not math.isfinite(get_total_norm([t for t in tensors if t.is_floating_point()])):
            raise self.diverged("a weight or a running average")

    def diverged(self, what: str) -> Diverged:
        """The error for `what` having become NaN or infinite, with what to try."""
        other = "" if self.precision == "fp32" else f", or precision=fp32 (now {self.precision})"
        return Diverged(
            f"{what} became NaN or infinite at step {self.step}. "
            f"Try a new run with lr={self.recipe.lr / 4:g} (now {self.recipe.lr:g}){other}."
        )

    def state_dict(self) -> dict:
        """Everything that the next step depends on."""
        return {name: part.state_dict() for name, part in self._parts().items()} | {"step": self.step}

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state_dict()` of a trainer of the same recipe."""
        for name, part in self._parts().items():
            if name != "scaler" or state[name]:  # a checkpoint of another precision has none
                part.load_state_dict(state[name])
        self.step = state["step"]

    def _parts(self) -> dict:
        parts = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            "scaler": self.scaler,
        }
        return parts if self.averaged is None else parts | {"averaged": self.averaged}

    def _adam(self, parameters: list[nn.Parameter], lr: float) -> torch.optim.Adam:
        betas = (self.recipe.beta1, self.recipe.beta2)
        return torch.optim.Adam(parameters, lr, betas, fused=self.device.type in ("cpu", "cuda"))

    def _penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor | float:
        """The discriminator's gradient penalty, every `penalty_every` steps and then as many times as strong."""
        every, weight = self.recipe.penalty_every, self.recipe.weight_of_penalty
        if self.loss.penalty is None or not weight or (self.step + 1) % every:
            return 0.0
        with torch.autocast(self.device.type, enabled=False):  # second derivatives want full precision
            return every * weight * self.loss.penalty(self.discriminator, real, fake.float(), labels)

    def _grow(self) -> None:
        """Bring growing networks to the size that this step is due."""
        if every := self.recipe.grow_every:
            for network in self.growing:
                network.grow(growth_at(self.step / every))

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, AUTOCAST[self.precision], enabled=self.precision != "fp32")

    def _descend(self, loss: Tensor, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
        """One optimiser step on `parameters` alone, whose gradients are left as they were used."""
        optimizer.zero_grad()
        # `inputs`: the generator's loss also flows through the discriminator, whose weights need no gradient from it
        self.scaler.scale(loss).backward(inputs=parameters)
        self.scaler.unscale_(optimizer)
        self.scaler.step(optimizer)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Averaged weights move towards the current ones; buffers (BatchNorm statistics) are copied.

        The decay ramps up, min(ema, (1 + t) / (10 + t)), so that the random start is soon forgotten.
        """
        if self.averaged is None:
            return
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_([*self.averaged.parameters()], [*self.parameters_g], 1 - decay)
        for mine, theirs in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            mine.copy_(theirs)


def growth_at(stage: float) -> float:
    """How far networks have grown when `stage` image sizes have had their time (Karras et al. 2018, section 2).

    The first size is trained alone; every further one is faded in during the first half of its time.
    """
    whole, part = divmod(stage, 1)
    return whole - 1 + min(1.0, 2 * part) if whole else 0.0


def _best_memory_format(network: nn.Module) -> torch.memory_format:
    """Channels last is what convolutions in reduced precision want, on CPUs and GPUs; InstanceNorm wants it first."""
    by_channel = any(isinstance(layer, nn.InstanceNorm2d) for layer in network.modules())
    return torch.contiguous_format if by_channel else torch.channels_last


def _gradient_norm(parameters: list[nn.Parameter]) -> Tensor:
    """The norm of all gradients together; a network that is not grown yet has weights that no gradient reaches."""
    return get_total_norm([p.grad for p in parameters if p.grad is not None])


def _tensors(state: dict | list | Tensor) -> Iterator[Tensor]:
    """All tensors of a nested state dict."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, (dict, list)):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _tensors(part)


def _seed_of_step(seed: int, step: int) -> int:
    """32 bits, different for every step of a run: the odd multiplier is 2³² divided by the golden ratio."""
    return (seed * 0x85EBCA6B + step * 0x9E3779B1) % 2**32
