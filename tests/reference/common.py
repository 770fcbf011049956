"""What the expect_*.py scripts share; writes files that tests/support/reference.h reads."""
import pathlib

import torch


def number(value):
    if isinstance(value, bool):
        return str(int(value))
    return str(value) if isinstance(value, int) else repr(value)


def shortest(tensor):
    """The shortest decimals that read back as the same numbers of the tensor's type."""
    if tensor.dtype == torch.float32:
        return [str(v) for v in tensor.flatten().numpy()]
    return [number(v) for v in tensor.flatten().tolist()]


def write(file, values):
    path = pathlib.Path(__file__).parent / "data" / file
    with open(path, "w", encoding="ascii") as out:
        for name, value in values.items():
            tensor = value.detach() if torch.is_tensor(value) else torch.tensor(value)
            out.write(f"{name} {tensor.numel()}\n{' '.join(shortest(tensor))}\n")
    print(f"{path}: {path.stat().st_size} bytes, torch {torch.__version__}")


def random_boxes(count, size, generator, largest=None):
    """x1 y1 x2 y2 inside size x size, corners on eighths of a pixel so that the text stays short."""
    largest = largest or size
    corner = torch.rand(count, 2, generator=generator) * size * 0.8
    side = torch.rand(count, 2, generator=generator) * largest * 0.6 + 2
    boxes = torch.cat([corner, torch.minimum(corner + side, torch.tensor(float(size)))], 1)
    return (boxes * 8).round() / 8


def overlaps(a, b, mode="iou"):
    """mmdetection's bbox_overlaps, restated."""
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    side = (high - low).clamp(min=0)
    common = side[..., 0] * side[..., 1]
    if mode == "iou":
        whole = area_a[:, None] + area_b[None, :] - common
    else:
        whole = area_a[:, None].expand_as(common)
    return common / whole.clamp(min=1e-6)


def anchors(levels):
    """levels: (height, width, stride). mmdetection's AnchorGenerator: scale 8, ratios 0.5, 1, 2."""
    result = []
    for height, width, stride in levels:
        root = torch.tensor([0.5, 1.0, 2.0]).sqrt()
        w, h = stride * (1 / root) * 8, stride * root * 8
        base = torch.stack([-0.5 * w, -0.5 * h, 0.5 * w, 0.5 * h], 1)
        y, x = torch.meshgrid(torch.arange(height) * stride, torch.arange(width) * stride,
                              indexing="ij")
        shift = torch.stack([x, y, x, y], -1).reshape(-1, 1, 4).float()
        result.append((base[None] + shift).reshape(-1, 4))
    return torch.cat(result)


def decode(boxes, deltas, stds=(1.0, 1.0, 1.0, 1.0), clip=None):
    """mmdetection's delta2bbox, restated; clip = (height, width)."""
    d = deltas * torch.tensor(stds, dtype=deltas.dtype)
    limit = abs(torch.log(torch.tensor(16 / 1000, dtype=torch.float64)).item())
    centre = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    size = boxes[:, 2:] - boxes[:, :2]
    new_centre = centre + size * d[:, :2]
    new_size = size * d[:, 2:].clamp(-limit, limit).exp()
    out = torch.cat([new_centre - new_size * 0.5, new_centre + new_size * 0.5], 1)
    if clip is not None:
        out[:, 0::2] = out[:, 0::2].clamp(0, clip[1])
        out[:, 1::2] = out[:, 1::2].clamp(0, clip[0])
    return out
