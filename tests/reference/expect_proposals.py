"""Proposals and detections as mmdetection makes them, with torchvision's suppression, in double.

Every discrete choice is checked to be the same in float. Usage: python tests/reference/expect_proposals.py
"""
import torch
import torchvision

from common import anchors, decode, random_boxes, write

LEVELS = [(6, 8, 4), (3, 4, 8), (2, 2, 16)]
SIZES = [(24, 32), (19, 27)]  # height, width


def propose(logits, deltas, size, per_level, per_image):
    boxes, scores, levels, first = [], [], [], 0
    every = anchors(LEVELS).to(logits.dtype)
    for level, (h, w, _) in enumerate(LEVELS):
        at = slice(first, first + h * w * 3)
        first = at.stop
        score, order = logits[at].sigmoid().sort(descending=True, stable=True)
        order = order[:per_level]
        boxes.append(decode(every[at][order], deltas[at][order], clip=size))
        scores.append(score[:per_level])
        levels.append(torch.full((len(order),), level))
    boxes, scores, levels = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
    real = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, scores, levels = boxes[real], scores[real], levels[real]
    keep = torchvision.ops.batched_nms(boxes, scores, levels, 0.7)[:per_image]
    return boxes[keep], scores[keep], levels[keep]


def detect(rois, probabilities, deltas, size, scale, per_image):
    classes = probabilities.shape[1] - 1
    boxes, scores, labels = [], [], []
    for c in range(classes):
        box = decode(rois, deltas[:, 4 * c:4 * c + 4], (0.1, 0.1, 0.2, 0.2), size)
        boxes.append(box * (1 / torch.tensor(scale * 2, dtype=box.dtype)))
        scores.append(probabilities[:, c])
        labels.append(torch.full((len(rois),), c))
    boxes, scores, labels = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    good = scores > 0.05
    boxes, scores, labels = boxes[good], scores[good], labels[good]
    keep = torchvision.ops.batched_nms(boxes, scores, labels, 0.5)[:per_image]
    return boxes[keep], scores[keep], labels[keep]


def both(function, tensors, *rest):
    """In double, after a look whether float decides the same."""
    want = function(*[t.double() for t in tensors], *rest)
    got = function(*tensors, *rest)
    assert all(a.shape == b.shape and (a.double() - b.double()).abs().max() < 1e-3
               for a, b in zip(want, got)), "another precision decides differently"
    return want


def main():
    g = torch.Generator().manual_seed(5)
    count = sum(h * w * 3 for h, w, _ in LEVELS)
    logits = torch.randperm(2 * count, generator=g).float().sub(count).div(64).view(2, count)
    deltas = torch.randn(2, count, 4, generator=g).mul(4).round().div(8)
    values = {"logits": logits, "deltas": deltas}
    for n in range(2):
        boxes, scores, levels = both(propose, (logits[n], deltas[n]), SIZES[n], 30, 40)
        print("proposals", len(boxes), levels.bincount().tolist())
        values[f"boxes{n}"], values[f"scores{n}"] = boxes.float(), scores.float()
    write("proposals.txt", values)

    rois = torch.stack([random_boxes(30, 40, g) for _ in range(2)])
    counts, scales = [30, 17], [[0.5, 0.75], [2.0, 2.0]]
    raw = torch.randn(2, 30, 3, generator=g) * 2
    raw[..., 1] -= 1
    probabilities = (raw.softmax(2) * 4096).round() / 4096
    deltas = torch.randn(2, 30, 8, generator=g).mul(8).round().div(8)
    values = {"rois": rois, "counts": torch.tensor(counts), "scales": torch.tensor(scales),
              "probabilities": probabilities, "deltas": deltas}
    for n in range(2):
        boxes, scores, labels = both(
            detect, (rois[n, :counts[n]], probabilities[n, :counts[n]], deltas[n, :counts[n]]),
            SIZES[n], scales[n], 20)
        print("detections", len(boxes), labels.bincount().tolist())
        values[f"boxes{n}"], values[f"scores{n}"] = boxes.float(), scores.float()
        values[f"labels{n}"] = labels
    write("detections.txt", values)


if __name__ == "__main__":
    main()
