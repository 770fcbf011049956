#!/usr/bin/env python3
"""One training step of the two-stream Faster R-CNN on PyTorch and torchvision: the peer of `ktrain bench-step`.

The same work as ktrain's step: two ResNet trunks with frozen statistics, stem and first stage frozen; two
feature pyramids; fusion of each level by concatenation and a 1x1 convolution; RPN and RoI head on the fused
pyramid (256 anchors, 512 regions an image); forward, backward, global-norm clipping, AdamW. Inputs are
normal random numbers drawn once from a fixed seed. torchvision's trunk keeps the batch norms' gains fixed,
ktrain trains them, so that the peer has a little less to do.

    python3 bench/peers/torch_step.py --batch 2 --threads 2 --steps 5 --channels-last

Prints one JSON object: step times in ms, image pairs per second, peak resident memory in MiB, versions.
"""
import argparse
import json
import platform
import resource
import statistics
import time
from collections import OrderedDict

import torch
import torchvision
from torch import nn
from torchvision.models import resnet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

TRUNKS = {
    18: (resnet.resnet18, [64, 128, 256, 512]),
    34: (resnet.resnet34, [64, 128, 256, 512]),
    50: (resnet.resnet50, [256, 512, 1024, 2048]),
    101: (resnet.resnet101, [256, 512, 1024, 2048]),
}


class Stream(nn.Module):
    """One modality: trunk (stem and first stage frozen) and pyramid."""

    def __init__(self, depth, channels):
        super().__init__()
        build, widths = TRUNKS[depth]
        net = build(weights=None, norm_layer=FrozenBatchNorm2d)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.stages = nn.ModuleList([net.layer1, net.layer2, net.layer3, net.layer4])
        self.pyramid = FeaturePyramidNetwork(widths, channels, LastLevelMaxPool())
        for part in (self.stem, self.stages[0]):
            for parameter in part.parameters():
                parameter.requires_grad_(False)

    def forward(self, images):
        levels, x = OrderedDict(), self.stem(images)
        for index, stage in enumerate(self.stages):
            x = levels[str(index)] = stage(x)
        return self.pyramid(levels)


class TwoStream(nn.Module):
    def __init__(self, depth, channels):
        super().__init__()
        self.visible, self.thermal = Stream(depth, channels), Stream(depth, channels)
        names = ["0", "1", "2", "3", "pool"]
        self.fusion = nn.ModuleDict({name: nn.Conv2d(2 * channels, channels, 1) for name in names})
        anchors = AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)
        self.rpn = RegionProposalNetwork(
            anchors, RPNHead(channels, 3), 0.7, 0.3, 256, 0.5,
            dict(training=2000, testing=1000), dict(training=1000, testing=1000), 0.7)
        self.roi = RoIHeads(MultiScaleRoIAlign(names[:4], 7, 0), TwoMLPHead(channels * 49, 1024),
                            FastRCNNPredictor(1024, 2), 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 100)

    def forward(self, visible, thermal, targets):
        v, t = self.visible(visible), self.thermal(thermal)
        fused = OrderedDict((name, self.fusion[name](torch.cat([v[name], t[name]], 1))) for name in v)
        images = ImageList(visible, [tuple(visible.shape[-2:])] * len(visible))
        proposals, losses = self.rpn(images, fused, targets)
        _, roi_losses = self.roi(fused, proposals, images.image_sizes, targets)
        return {**losses, **roi_losses}


def random_batch(args, generator):
    size = (args.batch, 3, args.height, args.width)
    images = [torch.randn(size, generator=generator) for _ in range(2)]
    if args.channels_last:
        images = [x.to(memory_format=torch.channels_last) for x in images]
    targets = []
    for _ in range(args.batch):
        corner = torch.rand(args.boxes, 2, generator=generator) * torch.tensor([0.8 * args.width, 0.6 * args.height])
        extent = torch.rand(args.boxes, 2, generator=generator) * torch.tensor([40.0, 90.0]) + torch.tensor([16.0, 40.0])
        limit = torch.tensor([args.width - 1.0, args.height - 1.0])
        targets.append(dict(boxes=torch.cat([corner, torch.minimum(corner + extent, limit)], 1),
                            labels=torch.ones(args.boxes, dtype=torch.long)))
    return (*images, targets)


def peak_rss_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    imports = peak_rss_mib()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(depth=50, channels=256, batch=2, height=512, width=640, boxes=6, steps=5, warmup=2,
                            threads=0).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = TwoStream(args.depth, args.channels).train()
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, weight_decay=5e-4, foreach=False, fused=True)
    batches = [random_batch(args, generator) for _ in range(2)]

    times = []
    for index in range(args.warmup + args.steps):
        begin = time.perf_counter()
        total = sum(model(*batches[index % 2]).values())
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(trained, 3.0)
        optimizer.step()
        times.append((time.perf_counter() - begin) * 1e3)
        if not torch.isfinite(total):
            raise SystemExit(f"step {index}: the loss is {total.item()}")
    times = times[args.warmup:]
    print(json.dumps(dict(
        step_ms_median=round(statistics.median(times), 1), step_ms_min=round(min(times), 1),
        step_ms_max=round(max(times), 1), pairs_per_s=round(args.batch * 1e3 / statistics.median(times), 4),
        peak_rss_mib=round(peak_rss_mib(), 1), import_rss_mib=round(imports, 1),
        parameters=sum(p.numel() for p in model.parameters()), torch=torch.__version__,
        torchvision=torchvision.__version__, threads=torch.get_num_threads(), machine=platform.machine(),
        settings=vars(args))))


if __name__ == "__main__":
    main()
