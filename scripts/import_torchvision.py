#!/usr/bin/env python3
"""ImageNet weights of a torchvision ResNet as initial weights of ktrain's streams.

    python3 scripts/import_torchvision.py resnet50.pth resnet50_two_stream.safetensors [--streams visible thermal]

resnet50.pth is torchvision's state dict (torch.save(resnet50(weights="IMAGENET1K_V1").state_dict(), "resnet50.pth")).
Wants the PyPI packages torch and safetensors. Filters go from KCRS to KRSC; the classifier (fc.*) and the counters
num_batches_tracked are left out; every other tensor is copied into each stream under `<stream>.backbone.`.
"""
import argparse
import sys

import torch
from safetensors.torch import save_file


def convert(state, streams):
    out = {}
    for name, value in state.items():
        if name.startswith("fc.") or name.endswith("num_batches_tracked"):
            continue
        value = value.float()
        if value.dim() == 4:
            value = value.permute(0, 2, 3, 1)
        for stream in streams:
            out[f"{stream}.backbone.{name}"] = value.contiguous().clone()
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--streams", nargs="+", default=["visible", "thermal"], choices=["visible", "thermal", "shared"])
    args = parser.parse_args()
    state = torch.load(args.source, map_location="cpu", weights_only=True)
    if "conv1.weight" not in state:
        sys.exit(f"{args.source}: no tensor 'conv1.weight'; wanted the state dict of a torchvision ResNet")
    tensors = convert(state, args.streams)
    save_file(tensors, args.target)
    print(f"{args.target}: {len(tensors)} tensors for {', '.join(args.streams)}")


if __name__ == "__main__":
    main()
