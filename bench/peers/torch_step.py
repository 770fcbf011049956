#!/usr/bin/env python3
"""One training step of the two-stream Faster R-CNN on PyTorch and torchvision: the peer of `ktrain bench-step`.

The same work as ktrain's step: two ResNet trunks with frozen statistics, stem and first stage frozen; two
feature pyramids; fusion of each level by concatenation and a 1x1 convolution; RPN and RoI head on the fused
pyramid (256 anchors, 512 regions an image); forward, backward, global-norm clipping, AdamW. Inputs are
normal random numbers drawn once from a fixed seed. torchvision's trunk keeps the batch norms' gains fixed,
ktrain trains them, so that the peer has a little less to do.

Recipes, each the best that it can be made without changing the model:
  plain    float, as written
  eager    bf16 autocast, channels_last, cudnn.benchmark, fused AdamW, batches pinned and copied ahead on a
           stream of their own, nothing that waits for the GPU inside a step
  compile  torch.compile on the whole model of `eager`
  public   trunks, pyramids, fusion and the RPN's head under torch.compile(mode="max-autotune"), which replays
           CUDA graphs; the rest, whose shapes depend on the data, eager: the strongest that is published

    python3 bench/peers/torch_step.py --batch 2 --threads 2 --steps 5 --channels-last
    python3 bench/peers/torch_step.py --device cuda --recipe public --batch 4,8,16,32 --steps 20

Prints one JSON object a line for each batch size: step times in ms (on a GPU between events, the copy of the
batch included), image pairs per second, peak memory in MiB (resident on a CPU, allocated on a GPU), seconds
until the first timed step, versions.
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

    def features(self, visible, thermal):
        v, t = self.visible(visible), self.thermal(thermal)
        return OrderedDict((name, self.fusion[name](torch.cat([v[name], t[name]], 1))) for name in v)

    def forward(self, visible, thermal, targets):
        fused = self.features(visible, thermal)
        images = ImageList(visible, [tuple(visible.shape[-2:])] * len(visible))
        proposals, losses = self.rpn(images, fused, targets)
        _, roi_losses = self.roi(fused, proposals, images.image_sizes, targets)
        return {**losses, **roi_losses}


def random_batch(args, batch, generator):
    size = (batch, 3, args.height, args.width)
    images = [torch.randn(size, generator=generator) for _ in range(2)]
    if args.channels_last:
        images = [x.contiguous(memory_format=torch.channels_last) for x in images]
    targets = []
    for _ in range(batch):
        corner = torch.rand(args.boxes, 2, generator=generator) * torch.tensor([0.8 * args.width, 0.6 * args.height])
        extent = torch.rand(args.boxes, 2, generator=generator) * torch.tensor([40.0, 90.0]) + torch.tensor([16.0, 40.0])
        limit = torch.tensor([args.width - 1.0, args.height - 1.0])
        targets.append(dict(boxes=torch.cat([corner, torch.minimum(corner + extent, limit)], 1),
                            labels=torch.ones(args.boxes, dtype=torch.long)))
    if args.device == "cuda":
        images = [x.pin_memory() for x in images]
        targets = [{key: x.pin_memory() for key, x in target.items()} for target in targets]
    return (*images, targets)


class Ahead:
    """Batches in turn; on a GPU the next one is copied while a step computes."""

    def __init__(self, batches, device):
        self.batches, self.device, self.index = batches, device, 0
        self.stream = torch.cuda.Stream() if device == "cuda" else None
        self.next = self.load()

    def load(self):
        visible, thermal, targets = self.batches[self.index % len(self.batches)]
        self.index += 1
        if self.stream is None:
            return visible, thermal, targets
        with torch.cuda.stream(self.stream):
            move = lambda x: x.to(self.device, non_blocking=True)
            return move(visible), move(thermal), [{key: move(x) for key, x in target.items()} for target in targets]

    def take(self):
        if self.stream is not None:
            torch.cuda.current_stream().wait_stream(self.stream)
            tensors = [*self.next[:2], *(x for target in self.next[2] for x in target.values())]
            for tensor in tensors:
                tensor.record_stream(torch.cuda.current_stream())
        batch, self.next = self.next, None
        return batch


def peak_rss_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compiled(model, recipe):
    if recipe == "compile":
        return torch.compile(model)
    if recipe == "public":
        model.features = torch.compile(model.features, mode="max-autotune")
        model.rpn.head = torch.compile(model.rpn.head, mode="max-autotune")
    return model


def measure(args, batch, imports):
    begun = time.perf_counter()
    cuda = args.device == "cuda"
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = TwoStream(args.depth, args.channels).train().to(args.device)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in model.parameters())
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, weight_decay=5e-4, foreach=False, fused=True)
    batches = Ahead([random_batch(args, batch, generator) for _ in range(2)], args.device)
    model = compiled(model, args.recipe)
    if cuda:
        torch.cuda.reset_peak_memory_stats()

    def step():
        if args.recipe == "public" and cuda:
            torch.compiler.cudagraph_mark_step_begin()
        inputs = batches.take()
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.recipe != "plain"):
            total = sum(model(*inputs).values())
        batches.next = batches.load()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(trained, 3.0)
        optimizer.step()
        return total.detach()

    def clock():
        if not cuda:
            return time.perf_counter() * 1e3
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    for _ in range(args.warmup):
        total = step()
    if cuda:
        torch.cuda.synchronize()
    first = time.perf_counter() - begun
    marks = [clock()]
    for _ in range(args.steps):
        total = step()
        marks.append(clock())
    if not torch.isfinite(total):
        raise SystemExit(f"batch {batch}: the last loss is {total.item()}")
    if cuda:
        torch.cuda.synchronize()
    times = [a.elapsed_time(b) if cuda else b - a for a, b in zip(marks, marks[1:])]
    peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else peak_rss_mib()
    print(json.dumps(dict(
        step_ms_median=round(statistics.median(times), 3), step_ms_min=round(min(times), 3),
        step_ms_max=round(max(times), 3), pairs_per_s=round(batch * 1e3 / statistics.median(times), 4),
        **{"peak_gpu_mib" if cuda else "peak_rss_mib": round(peak, 1)}, import_rss_mib=round(imports, 1),
        seconds_to_first_step=round(first, 1), batch=batch, recipe=args.recipe, parameters=parameters,
        device=torch.cuda.get_device_name() if cuda else "cpu", torch=torch.__version__,
        torchvision=torchvision.__version__, threads=torch.get_num_threads(), machine=platform.machine(),
        settings=vars(args))), flush=True)


def main():
    imports = peak_rss_mib()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in dict(depth=50, channels=256, height=512, width=640, boxes=6, steps=5, warmup=2,
                            threads=0).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--batch", default="2", help="one size, or several with commas")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--recipe", choices=["plain", "eager", "compile", "public"], default="plain")
    parser.add_argument("--channels-last", action="store_true", help="always so but with the recipe `plain`")
    args = parser.parse_args()
    args.channels_last |= args.recipe != "plain"
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: PyTorch sees no GPU")
    torch.backends.cudnn.benchmark = args.recipe != "plain"
    for batch in (int(size) for size in args.batch.split(",")):
        measure(args, batch, imports)
        torch._dynamo.reset()  # the next size is compiled for itself
        if args.device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
