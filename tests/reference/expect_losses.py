"""Losses of logits and boxes with their gradients, SGD and clipping, by PyTorch.

Usage: python tests/reference/expect_losses.py
"""
import torch
import torch.nn.functional as F

from common import write


def bce_numbers():
    g = torch.Generator().manual_seed(1)
    x = (torch.randn(24, generator=g) * 40).round() / 8
    x[:4] = torch.tensor([100.0, -100.0, 100.0, -100.0])
    labels = torch.randint(-1, 2, (24,), generator=g)
    labels[:4] = torch.tensor([1, 0, 0, 1])
    x = x.double().requires_grad_()
    used = labels >= 0
    loss = F.binary_cross_entropy_with_logits(x[used], labels[used].double(), reduction="sum") / 7
    (dx,) = torch.autograd.grad(3 * loss, [x])
    write("bce.txt", {"x": x, "labels": labels, "loss": loss, "dx": dx})


def box_numbers():
    g = torch.Generator().manual_seed(2)
    target = torch.randn(8, 4, generator=g).mul(8).round().div(8).double()
    x = torch.randn(8, 12, generator=g).mul(8).round().div(8).double()
    slots = torch.tensor([0, -1, 2, 1, -1, 2, 0, 1])
    x[0, 0] = target[0, 0]  # the kink
    x.requires_grad_()
    used = slots >= 0
    got = x.view(8, 3, 4)[used, slots[used]]
    values = {"x": x, "target": target, "slots": slots}
    for name, beta in (("l1", 0.0), ("smooth", 0.75)):
        loss = F.smooth_l1_loss(got, target[used], reduction="sum", beta=beta) / 5
        values[name + "_loss"] = loss
        (values[name + "_dx"],) = torch.autograd.grad(2 * loss, [x], retain_graph=True)
    write("box_loss.txt", values)


def sgd_numbers():
    g = torch.Generator().manual_seed(3)
    w = torch.randn(10, generator=g).mul(64).round().div(64)
    grads = torch.randn(4, 10, generator=g).mul(64).round().div(64)
    values = {"weight": w.clone(), "gradients": grads}
    for name, dtype in (("float", torch.float32), ("double", torch.float64)):
        p = torch.nn.Parameter(w.clone().to(dtype))
        optimizer = torch.optim.SGD([p], lr=0.02, momentum=0.9, weight_decay=0.01)
        for i, lr in enumerate((0.02, 0.05, 0.001, 0.01)):
            optimizer.param_groups[0]["lr"] = lr
            p.grad = grads[i].to(dtype)
            optimizer.step()
        values[name] = p.detach().clone()
    write("sgd.txt", values)


def clip_numbers():
    g = torch.Generator().manual_seed(4)
    x = torch.randn(30, generator=g).mul(64).round().div(64).double()
    values = {"x": x}
    for name, most in (("tight", 1.5), ("loose", 100.0)):
        parts = [torch.nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (1, 20, 9)]
        for p, piece in zip(parts, x.split([1, 20, 9])):
            p.grad = piece.clone()
        values[name + "_norm"] = torch.nn.utils.clip_grad_norm_(parts, most)
        values[name + "_clipped"] = torch.cat([p.grad for p in parts])
    write("clip.txt", values)


if __name__ == "__main__":
    bce_numbers()
    box_numbers()
    sgd_numbers()
    clip_numbers()
