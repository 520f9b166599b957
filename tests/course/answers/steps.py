"""Notebook 01: the steps."""

import torch
import torch.nn.functional as F

from cgan_lib.course import broken, by_hand
from cgan_lib.losses import bce_d, bce_g, hinge_d, hinge_g, minimax_g


def d_step(loss=bce_d, drawn=None, judged=None, clear=True):
    """A discriminator's step written otherwise, or with another loss."""

    def step(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
        if clear:
            optimizer_d.zero_grad(set_to_none=False)
        with torch.no_grad():
            fake = generator(z, labels if drawn else fake_labels)
        on_fake = discriminator(fake, labels if judged else fake_labels)
        value = loss(discriminator(real, labels), on_fake)
        value.backward()
        optimizer_d.step()
        return value.item()

    return step


def d_two_backwards(optimizer_d, discriminator, generator, labels, real, fake_labels, z):
    discriminator.zero_grad()
    logits = discriminator(real, labels)
    on_real = F.binary_cross_entropy_with_logits(logits, torch.ones(len(real)))
    on_real.backward()
    logits = discriminator(generator(z, fake_labels).detach(), fake_labels)
    on_fake = F.binary_cross_entropy_with_logits(logits, torch.zeros(len(z)))
    on_fake.backward()
    optimizer_d.step()
    return on_real + on_fake


def d_by_grad(g, d, optimizer, x, y, noise, wanted):
    loss = -(F.logsigmoid(d(x, y)).mean() + F.logsigmoid(-d(g(noise, wanted), wanted)).mean())
    for weight, gradient in zip(d.parameters(), torch.autograd.grad(loss, [*d.parameters()]), strict=True):
        weight.grad = gradient
    optimizer.step()
    return loss


def d_clears_all(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    generator.zero_grad()
    discriminator.zero_grad()
    fake = generator(z, fake_labels)
    loss = bce_d(discriminator(real, labels), discriminator(fake.detach(), fake_labels))
    loss.backward()
    optimizer_d.step()
    optimizer_d.zero_grad()
    return loss


def d_frozen_g(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    generator.requires_grad_(False)
    loss = by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    generator.requires_grad_(True)
    return float(loss)


def d_leaks(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    loss = bce_d(discriminator(real, labels), discriminator(generator(z, fake_labels), fake_labels))
    optimizer_d.zero_grad()
    loss.backward()
    optimizer_d.step()
    return loss


def d_clears_late(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    loss = bce_d(discriminator(real, labels), discriminator(generator(z, fake_labels).detach(), fake_labels))
    loss.backward()
    optimizer_d.zero_grad()
    optimizer_d.step()
    return loss


def d_clears_only_after(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    value = d_step(clear=False)(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    optimizer_d.zero_grad()
    return value


def d_moves_g(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    loss = by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    with torch.no_grad():
        next(generator.parameters()).add_(0.01)
    return loss


def d_own_z(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    z = torch.randn_like(z)
    return by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)


def d_own_optimizer(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
    return by_hand.discriminator_step(generator, discriminator, optimizer, real, labels, z, fake_labels)


def d_frozen(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    loss = by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    discriminator.requires_grad_(False)
    return loss


def d_joint(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    fake = generator(z, fake_labels).detach()
    logits = discriminator(torch.cat([real, fake]), torch.cat([labels, fake_labels]))
    loss = bce_d(*logits.chunk(2))
    optimizer_d.zero_grad()
    loss.backward()
    optimizer_d.step()
    return loss


def in_eval(part, step, back=True):
    """A step while one network is in evaluation mode."""

    def changed(generator, discriminator, *rest):
        network = (generator, discriminator)[part]
        network.eval()
        value = step(generator, discriminator, *rest)
        network.train(back)
        return value

    return changed


def d_in_place(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    return by_hand.discriminator_step(generator, discriminator, optimizer_d, real.mul_(0.5), labels, z, fake_labels)


def d_no_return(*given):
    by_hand.discriminator_step(*given)


def d_wrong_loss_returned(generator, discriminator, optimizer_d, real, labels, z, fake_labels):
    by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    return bce_d(discriminator(real, labels), discriminator(generator(z, fake_labels), fake_labels))


def g_step(loss=bce_g, clear="before"):
    def step(generator, discriminator, optimizer_g, z, fake_labels):
        value = loss(discriminator(generator(z, fake_labels), fake_labels))
        if clear == "before":
            generator.zero_grad(set_to_none=False)
        value.backward()
        if clear == "between":
            optimizer_g.zero_grad()
        optimizer_g.step()
        if clear == "after":
            optimizer_g.zero_grad()
        return value

    return step


def g_by_grad(z, fake_labels, generator, discriminator, optimizer_g):
    logits = discriminator(generator(z, fake_labels), fake_labels)
    loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    for weight, gradient in zip(
        generator.parameters(), torch.autograd.grad(loss, [*generator.parameters()]), strict=True
    ):
        weight.grad = gradient
    optimizer_g.step()
    return loss.item()


def g_frozen_d(g, d, optimizer, noise, wanted):
    d.requires_grad_(False)
    loss = by_hand.generator_step(g, d, optimizer, noise, wanted)
    d.requires_grad_(True)
    return loss.numpy()


def g_left_d_frozen(generator, discriminator, optimizer_g, z, fake_labels):
    discriminator.requires_grad_(False)
    return by_hand.generator_step(generator, discriminator, optimizer_g, z, fake_labels)


def g_detached(generator, discriminator, optimizer_g, z, fake_labels):
    loss = bce_g(discriminator(generator(z, fake_labels).detach(), fake_labels))
    optimizer_g.zero_grad()
    loss.backward()
    optimizer_g.step()
    return loss


def g_moves_d(generator, discriminator, optimizer_g, z, fake_labels):
    loss = by_hand.generator_step(generator, discriminator, optimizer_g, z, fake_labels)
    torch.optim.SGD(discriminator.parameters(), lr=0.01).step()
    return loss


def g_other_labels(generator, discriminator, optimizer_g, z, fake_labels):
    loss = bce_g(discriminator(generator(z, fake_labels), fake_labels.flip(0)))
    optimizer_g.zero_grad()
    loss.backward()
    optimizer_g.step()
    return loss


def g_half(generator, discriminator, optimizer_g, z, fake_labels):
    half = len(z) // 2
    return by_hand.generator_step(generator, discriminator, optimizer_g, z[:half], fake_labels[:half])


def mended(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    fake = generator(z, fake_labels)
    loss_d = bce_d(discriminator(real, labels), discriminator(fake.detach(), fake_labels))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    loss_g = bce_g(discriminator(fake, fake_labels))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


def mended_by_clearing(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    optimizer_d.zero_grad()
    fake = generator(z, fake_labels)
    loss_d = bce_d(discriminator(real, labels), discriminator(fake, fake_labels))
    loss_d.backward(retain_graph=True)
    optimizer_d.step()
    optimizer_g.zero_grad()
    loss_g = bce_g(discriminator(fake, fake_labels))
    loss_g.backward()
    optimizer_g.step()
    return [loss_d.item(), loss_g.item()]


def mended_in_two(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    return (
        by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels),
        by_hand.generator_step(generator, discriminator, optimizer_g, z, fake_labels),
    )


def mended_inputs(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    optimizer_g.zero_grad()
    optimizer_d.zero_grad()
    fake = generator(z, fake_labels)
    loss_d = bce_d(discriminator(real, labels), discriminator(fake, fake_labels))
    loss_d.backward(retain_graph=True, inputs=[*discriminator.parameters()])
    optimizer_d.step()
    loss_g = bce_g(discriminator(fake, fake_labels))
    loss_g.backward()
    optimizer_g.step()
    return torch.stack([loss_d, loss_g])


def mended_too_much(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    fake = generator(z, fake_labels).detach()
    loss_d = d_step()(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    loss_g = bce_g(discriminator(fake, fake_labels))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


def mended_backwards(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    loss_g = by_hand.generator_step(generator, discriminator, optimizer_g, z, fake_labels)
    return by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels), loss_g


def mended_backwards_as_taken(*given):
    return mended_backwards(*given)[::-1]


def g_of_old_d(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    fake = generator(z, fake_labels)
    on_fake = discriminator(fake, fake_labels)
    loss_g = bce_g(on_fake)
    optimizer_g.zero_grad()
    loss_g.backward(inputs=[*generator.parameters()])
    loss_d = by_hand.discriminator_step(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    optimizer_g.step()
    return loss_d, loss_g


def clears_at_the_start(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    optimizer_g.zero_grad()
    optimizer_d.zero_grad()
    return clears()(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels)


def clears(d=False, g=False):
    def step(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
        fake = generator(z, fake_labels)
        loss_d = bce_d(discriminator(real, labels), discriminator(fake.detach(), fake_labels))
        if d:
            optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        loss_g = bce_g(discriminator(fake, fake_labels))
        if g:
            optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        return loss_d, loss_g

    return step


def never_clears(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    loss_d = d_step(clear=False)(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    return loss_d, g_step()(generator, discriminator, optimizer_g, z, fake_labels)


def only_one(*given):
    return mended(*given)[0]


def only_d(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    loss_d = d_step()(generator, discriminator, optimizer_d, real, labels, z, fake_labels)
    return loss_d, bce_g(discriminator(generator(z, fake_labels), fake_labels))


def simultaneous(generator, discriminator, optimizer_g, optimizer_d, real, labels, z, fake_labels):
    fake = generator(z, fake_labels)
    on_fake = discriminator(fake.detach(), fake_labels)
    loss_d = bce_d(discriminator(real, labels), on_fake)
    loss_g = bce_g(discriminator(fake, fake_labels))
    for optimizer, loss in ((optimizer_g, loss_g), (optimizer_d, loss_d)):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss_d, loss_g


RIGHT = [
    ("discriminator_step", by_hand.discriminator_step),
    ("discriminator_step", d_step()),
    ("discriminator_step", d_two_backwards),
    ("discriminator_step", d_by_grad),
    ("discriminator_step", d_clears_all),
    ("discriminator_step", d_frozen_g),
    ("generator_step", by_hand.generator_step),
    ("generator_step", g_step()),
    ("generator_step", g_step(clear="after")),
    ("generator_step", g_by_grad),
    ("generator_step", g_frozen_d),
    ("mended_step", mended),
    ("mended_step", mended_by_clearing),
    ("mended_step", clears_at_the_start),
    ("mended_step", mended_inputs),
]
WRONG = [
    ("discriminator_step", d_leaks, "detach()"),
    ("discriminator_step", d_clears_late, "D did not move"),
    ("discriminator_step", d_clears_only_after, "not only after"),
    ("discriminator_step", d_step(clear=False), "Gradients add up"),
    ("discriminator_step", d_moves_g, "The generator moved"),
    ("discriminator_step", d_step(lambda r, f: bce_d(f, r)), "large logits for reals"),
    ("discriminator_step", d_step(lambda r, f: -bce_d(r, f)), "The sign"),
    ("discriminator_step", d_step(lambda r, f: bce_d(r, f) / 2), "half as fast"),
    ("discriminator_step", d_step(lambda r, f: F.softplus(-r).sum() + F.softplus(f).sum()), "not the sum"),
    ("discriminator_step", d_step(lambda r, f: F.softplus(-r).mean()), "no fakes"),
    ("discriminator_step", d_step(lambda r, f: F.softplus(f).mean()), "no reals"),
    ("discriminator_step", d_step(lambda r, f: bce_d(r.sigmoid(), f.sigmoid())), "sigmoid too many"),
    ("discriminator_step", d_step(hinge_d), "line by line"),
    ("discriminator_step", d_step(drawn=True), "drawn for fake_labels"),
    ("discriminator_step", d_step(judged=True), "by the labels of the reals"),
    ("discriminator_step", d_step(drawn=True, judged=True), "drawn and judged"),
    ("discriminator_step", d_own_z, "draw none"),
    ("discriminator_step", d_own_optimizer, "line by line"),
    ("discriminator_step", d_frozen, "requires_grad on again"),
    ("discriminator_step", d_joint, "BatchNorm mixed them"),
    ("discriminator_step", in_eval(0, by_hand.discriminator_step), "generator was in eval()"),
    ("discriminator_step", in_eval(1, by_hand.discriminator_step), "discriminator was in eval()"),
    ("discriminator_step", in_eval(0, by_hand.discriminator_step, back=False), "in another mode"),
    ("discriminator_step", d_in_place, "not in place"),
    ("discriminator_step", d_no_return, "end with return"),
    ("discriminator_step", d_wrong_loss_returned, "return the loss, too"),
    ("discriminator_step", lambda *given: torch.zeros(()), "D did not move"),
    ("discriminator_step", lambda *given: (by_hand.discriminator_step(*given), 0), "one loss"),
    ("generator_step", g_step(clear="never"), "Gradients add up"),
    ("generator_step", g_step(clear="between"), "zero_grad after backward"),
    ("generator_step", g_detached, "G did not move"),
    ("generator_step", g_moves_d, "The discriminator moved"),
    ("generator_step", g_left_d_frozen, "requires_grad on again"),
    ("generator_step", g_step(minimax_g), "minimax"),
    ("generator_step", g_step(lambda fake: -bce_g(fake)), "The sign"),
    ("generator_step", g_step(lambda fake: F.softplus(fake).mean()), "what D pays"),
    ("generator_step", g_step(lambda fake: F.softplus(-fake).sum()), "not the sum"),
    ("generator_step", g_step(lambda fake: bce_g(fake) / 2), "without a factor"),
    ("generator_step", g_step(lambda fake: F.softplus(-fake.mean())), "then the mean"),
    ("generator_step", g_step(hinge_g), "loss of a critic"),
    ("generator_step", g_step(lambda fake: bce_g(fake.sigmoid())), "sigmoid too many"),
    ("generator_step", g_other_labels, "line by line"),
    ("generator_step", g_half, "line by line"),
    ("generator_step", in_eval(0, by_hand.generator_step), "generator was in eval()"),
    ("generator_step", in_eval(1, by_hand.generator_step), "discriminator was in eval()"),
    ("mended_step", mended_in_two, "draw them once"),
    ("mended_step", clears(g=True), "Here those of D"),
    ("mended_step", clears(d=True), "Here those of G"),
    ("mended_step", clears(), "Here those of both"),
    ("mended_step", broken.careless_step, "As it was given"),
    ("mended_step", mended_too_much, "G no longer moves"),
    ("mended_step", mended_backwards, "D is to move first"),
    ("mended_step", mended_backwards_as_taken, "line by line"),
    ("mended_step", g_of_old_d, "ask the new D"),
    ("mended_step", simultaneous, "ask the new D"),
    ("mended_step", never_clears, "Here those of D"),
    ("mended_step", only_one, "2 losses"),
    ("mended_step", only_d, "G no longer moves"),
    ("mended_step", lambda *given: mended(*given)[::-1], "exchanged"),
]
NOT_ATTEMPTED: list = []
