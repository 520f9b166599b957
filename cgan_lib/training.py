"""The algorithm: one discriminator step and one generator step, in the precision that the hardware likes best."""

import copy
import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_lib import parallel
from cgan_lib.augment import augment
from cgan_lib.capture import Replayed, recorder_for, set_rate, with_plain_rates
from cgan_lib.data import ImageData, ahead, batches, fits
from cgan_lib.devices import AUTOCAST, pick_device, pick_precision
from cgan_lib.errors import UserError
from cgan_lib.finite import all_finite, gradient_norm
from cgan_lib.losses import LOSSES
from cgan_lib.models.dcgan import Growing, growth_at
from cgan_lib.models.layers import ConditionalGenerator
from cgan_lib.models.projection import FeatureDiscriminator
from cgan_lib.models.traits import best_memory_format, has_batch_norm
from cgan_lib.recipes import Recipe, current_profile
from cgan_lib.schedules import ema_decay, lr_factor, seed_of_step


class Diverged(ArithmeticError):
    """A loss or a weight is no longer a finite number; the message says what to try."""


class Trainer:
    """Two networks, two optimisers and a step counter: `fit` runs the algorithm, `state_dict` holds all of it.

    Every random number of step t comes from `(seed, t)`, the order of the images from `(seed, epoch)`. So weights,
    optimisers and the step number are the whole state, and a resumed run cannot differ from an uninterrupted one.
    Several processes (`cgan_lib.parallel`) have their rows of every batch, and compute what one would of all of it.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: ImageData,
        device: str = "auto",
        *,
        length: int | None = None,
        start: ConditionalGenerator | None = None,
    ):
        """`length`: steps of the whole run, over which learning rates fall; default: what the recipe says.

        The generator is a copy of `start`, which goes on from what it has learned; default: the recipe's, anew.
        """
        self.recipe = recipe
        self.length = recipe.length(current_profile(), len(data)) if length is None else length
        self.device = pick_device(device)
        self.precision = pick_precision(recipe.precision, self.device)
        self.data = data.to(self.device) if fits(data, self.device) else data
        self.step = 0
        new, discriminator = recipe.build(data.num_classes, data.channels, data.attribute_sizes)
        generator = copy.deepcopy(start).requires_grad_() if start else new
        generator.draws(data.name, data.class_names, data.attributes)
        self.classes = data.labels.unique().to(self.device)  # of which there are images: a red 7 may be kept back
        self.generator = generator.to(self.device).to(memory_format=best_memory_format(generator))
        self.discriminator = discriminator.to(self.device).to(memory_format=best_memory_format(discriminator))
        parallel.normalise_jointly(generator, discriminator)
        self.growing = [network for network in (generator, discriminator) if isinstance(network, Growing)]
        self._grow()
        self.averaged = copy.deepcopy(self.generator).requires_grad_(False).eval() if recipe.averages else None
        self.in_one_pass = not has_batch_norm(discriminator)
        self.loss = LOSSES[recipe.loss]
        self.parameters_g, self.parameters_d = list(self.generator.parameters()), list(self.discriminator.parameters())
        self.optimizer_g = self._adam(self.parameters_g, recipe.lr)
        self.optimizer_d = self._adam(self.parameters_d, recipe.lr if recipe.lr_d is None else recipe.lr_d)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        recorder = recorder_for(self.device, self.precision, grows=bool(self.growing))
        self.replayed = Replayed(recorder, [self.optimizer_g, self.optimizer_d])
        self.watched = False  # True while hooks of networks or optimisers look at every step: a replay calls none

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
            size, rows = self.recipe.batch_size, parallel.own_rows(self.recipe.batch_size)
            drawn = batches(self.data, size, self.recipe.seed, self.step, self.recipe.balanced, rows)
            if self.data.labels.device.type != self.device.type:
                drawn = ahead(drawn, self.device)
            for real, labels in drawn:
                if self.step >= until:
                    break
                measure = (self.step + 1) % self.recipe.log_every == 0 or self.step + 1 == until
                if not on_step(self.train_step(real, labels, measure)):
                    break

    def train_step(self, real: Tensor, labels: Tensor, measure: bool = False) -> dict[str, Tensor] | None:
        """One step of both networks on a real batch (B,C,H,W) with labels (B,); its metrics when `measure`."""
        torch.manual_seed(seed_of_step(self.recipe.seed, self.step))
        self._prepare()
        g_moves = (self.step + 1) % self.recipe.n_dis == 0
        move, metrics = partial(self._move, g_moves=g_moves, measure=measure), {}
        if measure or self.watched:
            metrics = move(real, labels)
        else:
            self.replayed((g_moves, self._penalty_is_due()), move, real, labels)
        if g_moves:
            self._update_average()
        self.scaler.update()
        self.step += 1
        return parallel.averaged(metrics) if measure else None

    def _move(self, real: Tensor, labels: Tensor, g_moves: bool, measure: bool) -> dict[str, Tensor]:
        """What a GPU does in one step: nothing in here may wait for it, or draw on the CPU."""
        z = parallel.drawn(lambda n: torch.randn(n, self.recipe.latent_dim, device=self.device), len(real))
        classes = parallel.drawn(lambda n: torch.randint(len(self.classes), (n,), device=self.device), len(real))
        fake_labels = labels if self.loss.paired else self.classes[classes]
        with self._autocast(), torch.set_grad_enabled(g_moves):
            fake = self.generator(z, fake_labels)  # one forward pass serves both networks
        real_logits, metrics = self.d_step(real, labels, fake.detach(), fake_labels, measure)
        return metrics | self.g_step(fake, fake_labels, real_logits, measure) if g_moves else metrics

    def d_step(
        self, real: Tensor, labels: Tensor, fake: Tensor, fake_labels: Tensor, measure: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Move the discriminator towards telling `real` from `fake`; no gradient reaches the generator.

        Returns its logits of the reals (B,), and the metrics.
        """
        real, fake = (augment(images, self.recipe.augment) for images in (real, fake))
        with self._autocast():
            real_logits, fake_logits, of_classes = self._judge(real, labels, fake, fake_labels)
        loss = self.loss.d(real_logits, fake_logits)
        extra = of_classes + self._penalty(real, fake, labels)  # 0, except where the recipe asks for it
        self._descend(loss + extra, self.parameters_d, self.optimizer_d)
        real_logits, fake_logits = real_logits.detach(), fake_logits.detach()
        if not measure:
            return real_logits, {}
        verdicts = self.loss.verdicts(real_logits, fake_logits)
        norm = {"gradient_norm/D": gradient_norm(self.parameters_d)}
        return real_logits, {"loss/D": loss.detach()} | verdicts | norm

    def g_step(
        self, fake: Tensor, fake_labels: Tensor, real_logits: Tensor, measure: bool = False
    ) -> dict[str, Tensor]:
        """Move the generator towards images that the discriminator takes for real; `fake` carries its graph.

        `real_logits` (B,) are those of `d_step`: only a loss that compares fakes with reals looks at them.
        """
        with self._autocast():
            logits = self.discriminator(augment(fake, self.recipe.augment), fake_labels).float()
        loss = self.loss.g(logits, real_logits) if self.loss.relative else self.loss.g(logits)
        self._descend(loss, self.parameters_g, self.optimizer_g)
        return {"loss/G": loss.detach(), "gradient_norm/G": gradient_norm(self.parameters_g)} if measure else {}

    def _prepare(self) -> None:
        """Bring networks and optimisers to what this step is due: mode, size and learning rates."""
        for network in (self.generator, self.discriminator):
            if not network.training:  # (setting it visits every layer, 0.1 ms)
                network.train()
        self._grow()
        recipe, factor = self.recipe, lr_factor(self.recipe, self.step, self.length)
        for optimizer, lr in ((self.optimizer_g, recipe.lr), (self.optimizer_d, recipe.lr_d or recipe.lr)):
            set_rate(optimizer, lr * factor, self.device)

    def learning_rates(self) -> dict[str, float]:
        """Learning rates in force, by the name of their curve."""
        return {
            "learning_rate/G": float(self.optimizer_g.param_groups[0]["lr"]),
            "learning_rate/D": float(self.optimizer_d.param_groups[0]["lr"]),
        }

    def check_metrics(self, values: Mapping[str, float]) -> None:
        """Raise `Diverged` when one of the metrics of a step is NaN or infinite."""
        for name, value in values.items():
            # a scaled fp16 gradient may overflow: the scaler skips that step and lowers its scale
            if not math.isfinite(value) and not (self.precision == "fp16" and name.startswith("gradient_norm")):
                raise self.diverged(name)

    def check_finite(self) -> None:
        """Raise `Diverged` when a weight, a statistic or an optimiser's average is NaN or infinite."""
        if not all_finite(part.state_dict() for part in self._parts().values()):
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
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        rates = {name: with_plain_rates(parts[name]) for name in ("optimizer_g", "optimizer_d")}
        return parts | rates | {"step": self.step, "length": self.length}

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state_dict()` of a trainer of the same recipe; `UserError` where its length may not change."""
        if self.recipe.lr_to_zero and state["length"] != self.length:
            raise UserError(
                f"the learning rates of this run fall to zero at step {state['length']}: go on with "
                f"steps={state['length']} (not {self.length}), or train anew under another name."
            )
        for name, part in self._parts().items():
            if name != "scaler" or state[name]:  # a checkpoint of another precision has none
                part.load_state_dict(state[name])
        self.replayed.forget()  # optimisers have other tensors now
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
        if self.loss.penalty is None or not self._penalty_is_due():
            return 0.0
        with torch.autocast(self.device.type, enabled=False):  # second derivatives want full precision
            penalty = self.loss.penalty(self.discriminator, real, fake.float(), labels)
        return self.recipe.penalty_every * self.recipe.weight_of_penalty * penalty

    def _penalty_is_due(self) -> bool:
        return self.recipe.weight_of_penalty > 0 and (self.step + 1) % self.recipe.penalty_every == 0

    def _judge(
        self, real: Tensor, labels: Tensor, fake: Tensor, fake_labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | float]:
        """Logits of reals (B,) and fakes (B,), and what wrong guesses at the classes of the reals cost.

        Both in one pass, which is faster, unless BatchNorm would mix them.
        """
        if self.in_one_pass:
            both, of_both = parallel.alternated(real, fake), parallel.alternated(labels, fake_labels)  # (2B, …)
            logits, guesses = self._look(both, of_both)
            real_logits, fake_logits = logits[::2], logits[1::2]
            guesses = None if guesses is None else guesses[::2]
        else:
            real_logits, guesses = self._look(real, labels)
            fake_logits, _ = self._look(fake, fake_labels)
        cost = 0.0 if guesses is None else F.cross_entropy(guesses, labels)
        return real_logits, fake_logits, self.recipe.auxiliary * cost

    def _look(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """The discriminator's logits (N,), and its guesses (N, num_classes) where the recipe has it guess."""
        if not (self.recipe.auxiliary and isinstance(self.discriminator, FeatureDiscriminator)):
            return self.discriminator(images, labels).float(), None
        logits, guesses = self.discriminator.with_guesses(images, labels)
        return logits.float(), guesses.float()

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
        parallel.average_gradients(parameters)
        self.scaler.unscale_(optimizer)
        self.scaler.step(optimizer)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Averaged weights move towards the current ones; buffers (BatchNorm statistics) are copied."""
        if self.averaged is None:
            return
        decay = ema_decay(self.recipe, self.step)
        torch._foreach_lerp_([*self.averaged.parameters()], [*self.parameters_g], 1 - decay)
        for mine, theirs in zip(self.averaged.buffers(), self.generator.buffers(), strict=True):
            mine.copy_(theirs)
