#!/usr/bin/env python3
"""What ktrain's detector is expected to compute.

    python3 expect_detector.py [case ...]   writes detector_<case>.json, detector_r50_parameters.txt

Everything is computed in double; every discrete choice (proposals, assignments, detections) is
checked to be the same in float, so that a float implementation has no near tie to lose. A tensor is
written as its norm, its sum, the sum of its magnitudes and a few elements, in ktrain's layouts.
Needs torch and torchvision.
"""
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torchvision

import formula
from detector import DEFAULTS, Detector, NearTie, Samples, is_frozen, shapes, to_ktrain

HERE = pathlib.Path(__file__).parent
SMALL = dict(DEFAULTS, depth=18, width=0.25, channels=32, fc=64, nms_pre=200, nms_pre_test=100, proposals=100,
             rpn_samples=64, roi_samples=32, detections=20)
# Each box differs from its best anchor by less than that anchor's stride: otherwise several anchors would
# have the same IoU but for rounding, and "all anchors equal to the best" would mean something else in float.
TARGETS = [
    dict(boxes=[[10.5, 20.25, 34.6, 67.15], [60.3, 12.1, 91.2, 45.4], [3.1, 40.2, 90.4, 88.5]], labels=[0, 0, 0],
         ignore=[[90.7, 10.3, 119.1, 59.2]]),
    dict(boxes=[[30.0, 18.0, 52.0, 66.5]], labels=[0], ignore=[]),
]
NEGATIVE = [TARGETS[0], dict(boxes=[], labels=[], ignore=[[21.3, 10.9, 70.6, 69.7]])]
TWO_CLASSES = [dict(TARGETS[0], labels=[0, 1, 1]), dict(TARGETS[1], labels=[1])]
CASES = {
    "r18_concat": (SMALL, TARGETS),
    "r50_gated": (dict(SMALL, depth=50, width=0.125, fusion="gated", frozen_stages=2, classes=2), TWO_CLASSES),
    "r18_add_batch": (dict(SMALL, fusion="add", frozen_stages=-1, norm="batch"), NEGATIVE),
    "r34_thermal": (dict(SMALL, depth=34, width=0.125, streams="thermal", frozen_stages=0), TARGETS),
    "r18_shared": (dict(SMALL, shared=True), [NEGATIVE[1], NEGATIVE[1]]),
}
BATCH, HEIGHT, WIDTH = 2, 96, 128
VALID, SCALES = [(96, 128), (80, 90)], [(1.0, 1.0), (0.5, 0.625)]


def number(x):
    return float(f"{float(x.detach() if torch.is_tensor(x) else x):.9g}")


def numbers(t):
    return [number(x) for x in t.detach().reshape(-1).tolist()]


def summary(t):
    """norm, sum, sum of magnitudes, and elements at eight places spread over the tensor."""
    flat = t.detach().reshape(-1).double()
    at = [(2 * i + 1) * len(flat) // 16 for i in range(8)] if len(flat) > 16 else range(len(flat))
    return [number(flat.norm()), number(flat.sum()), number(flat.abs().sum())] + [number(flat[i]) for i in at]


def nearest_kink(high, low):
    """How far the closest ReLU is from its kink, in units of its layer's rounding in float. Below about
    5, another float implementation may fall on the other side, and its gradients differ visibly."""
    nearest = math.inf
    for a, b in zip(high, low):
        error = (a - b).double().pow(2).mean().sqrt()
        if error > 0:
            nearest = min(nearest, float(a.abs()[a != 0].min() / error))
    return nearest


def run(name, o, targets):
    """Writes the file of a case and returns True, or returns False when a float implementation could
    come to another choice somewhere: then other weights are wanted."""
    targets = [dict(boxes=torch.tensor(t["boxes"], dtype=torch.float64).reshape(-1, 4),
                    ignore=torch.tensor(t["ignore"], dtype=torch.float64).reshape(-1, 4),
                    labels=torch.tensor(t["labels"], dtype=torch.long)) for t in targets]
    images = {b: formula.image(b + "_image", BATCH, HEIGHT, WIDTH) for b in ("visible", "thermal")}
    samples, result = Samples(o), {}
    for dtype in (torch.float64, torch.float32):
        net = Detector(o, dtype)
        try:
            losses = net.losses(images, VALID, targets, samples)
        except NearTie:
            return False
        relus = net.before_relu[:]
        grads = torch.autograd.grad(sum(losses.values()), [net.p[n] for n in net.trainable])
        buffers = {n: t.clone() for n, t in net.p.items() if n.endswith(("running_mean", "running_var"))}
        found = net.predict(images, VALID, SCALES)
        result[dtype] = (net, losses, grads, found, buffers, relus)
    net, losses, grads, found, buffers, relus = result[torch.float64]
    low, _, low_grads, low_found, _, low_relus = result[torch.float32]
    worst = max(float((a - b).norm() / a.norm().clamp(min=1e-300)) for a, b in zip(grads, low_grads) if a.norm() > 0)
    same = [4 < len(a[0]) == len(b[0]) and bool((a[0] - b[0]).abs().max() < 1e-2)
            for a, b in zip(net.found + found, low.found + low_found)]
    kink = nearest_kink(relus, low_relus)
    if not all(same) or kink < 5:
        return False
    counts = {k: (len(p), len(n)) for k, (p, n) in samples.store.items()}
    print(name, {k: number(v) for k, v in losses.items()}, counts, "float error", f"{worst:.1e}",
          "nearest kink", f"{kink:.1f}", "salt", o["salt"],
          "feature", f"{net.fused[0].std():.2f}", [len(f[0]) for f in found], [len(f[0]) for f in net.found])
    out = dict(
        options=o, batch=BATCH, height=HEIGHT, width=WIDTH, valid=VALID, scales=SCALES,
        targets=[dict(boxes=t["boxes"].tolist(), labels=t["labels"].tolist(), ignore=t["ignore"].tolist()) for t in targets],
        samples={f"{k[0]}_{k[1]}": [p.tolist(), n.tolist()] for k, (p, n) in samples.store.items()},
        losses={k: number(v) for k, v in losses.items()},
        fused=[summary(x.permute(0, 2, 3, 1)) for x in net.fused],
        pooled=summary(net.pooled_train),
        proposals=[dict(boxes=numbers(b[:32]), scores=numbers(s[:32]), count=len(b)) for b, s in net.found],
        detections=[dict(boxes=numbers(b), scores=numbers(s), labels=l.tolist()) for b, s, l in found],
        gradients={n: summary(to_ktrain(n, g, o)) for n, g in zip(net.trainable, grads)},
        buffers={n: summary(t) for n, t in buffers.items()} if o["norm"] == "batch" else {})
    text = json.dumps(out, separators=(",", ":"))
    text = text.replace('],"', '],\n"')
    (HERE / f"detector_{name}.json").write_text(text + "\n")
    return True


def check_backbone():
    """This file's ResNet-50 against torchvision's, same weights."""
    o = dict(DEFAULTS, streams="visible")
    net, peer = Detector(o, torch.float64), torchvision.models.resnet50(weights=None).double().eval()
    state = {k[len("visible.backbone."):]: v.detach() for k, v in net.p.items() if k.startswith("visible.backbone.")}
    missing, unexpected = peer.load_state_dict(state, strict=False)
    assert not unexpected and all(m.startswith("fc.") or m.endswith("num_batches_tracked") for m in missing)
    x = torch.from_numpy(formula.values("probe", 3 * 64 * 64)).view(1, 3, 64, 64)
    with torch.no_grad():
        y = peer.maxpool(peer.relu(peer.bn1(peer.conv1(x))))
        for layer in (peer.layer1, peer.layer2, peer.layer3, peer.layer4):
            y = layer(y)
        net.training = False
        seen = []
        net.conv = lambda n, x, *a, f=net.conv: (seen.append(x) if "lateral_convs.3" in n else None, f(n, x, *a))[1]
        net.pyramid("visible", x)
    assert torch.allclose(seen[0], y, rtol=1e-10), "ResNet-50 differs from torchvision's"


def write_parameters():
    o = dict(DEFAULTS)
    table = shapes(o)
    lines = [f"{n} {'x'.join(map(str, s))} {k}{' frozen' if k == 'parameter' and is_frozen(n, o) else ''}"
             for n, (s, k) in table.items()]
    (HERE / "detector_r50_parameters.txt").write_text("\n".join(lines) + "\n")

    def count(prefix, keep=lambda n: True):
        return sum(int(np.prod(s)) for n, (s, k) in table.items() if k == "parameter" and n.startswith(prefix) and keep(n))
    got = [count("visible.backbone"), count("visible.neck"), count("rpn_head"), count("roi_head"),
           count("visible.backbone", lambda n: is_frozen(n, o))]
    assert got == [23508032, 3344384, 593935, 13901830, 225344], got


def main():
    torch.manual_seed(0)
    torch.set_num_threads(2)
    check_backbone()
    write_parameters()
    for name, (o, targets) in CASES.items():
        if len(sys.argv) < 2 or name in sys.argv[1:]:
            salts = (f"{i}." for i in range(1000))
            assert any(run(name, dict(o, salt=salt), targets) for salt in salts), name


if __name__ == "__main__":
    main()
