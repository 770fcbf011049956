"""Boxes as mmdetection treats them: coder, suppression, assignment."""
import math

import torch
import torchvision


def encode(boxes, gt):
    pw, ph = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    gw, gh = gt[:, 2] - gt[:, 0], gt[:, 3] - gt[:, 1]
    dx = ((gt[:, 0] + gt[:, 2]) - (boxes[:, 0] + boxes[:, 2])) / 2 / pw
    dy = ((gt[:, 1] + gt[:, 3]) - (boxes[:, 1] + boxes[:, 3])) / 2 / ph
    return torch.stack([dx, dy, torch.log(gw / pw), torch.log(gh / ph)], 1)


def decode(boxes, deltas, size):
    limit = abs(math.log(16 / 1000))
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    cx, cy = (boxes[:, 0] + boxes[:, 2]) / 2 + deltas[:, 0] * w, (boxes[:, 1] + boxes[:, 3]) / 2 + deltas[:, 1] * h
    w, h = w * torch.exp(deltas[:, 2].clamp(-limit, limit)), h * torch.exp(deltas[:, 3].clamp(-limit, limit))
    x = torch.stack([cx - w / 2, cx + w / 2], 1).clamp(0, size[1])
    y = torch.stack([cy - h / 2, cy + h / 2], 1).clamp(0, size[0])
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], 1)


def grouped_nms(boxes, scores, groups, threshold):
    """Indices kept, best score first; only boxes of one group suppress each other."""
    keep = []
    for g in groups.unique():
        at = (groups == g).nonzero().squeeze(1)
        order = at[torch.sort(scores[at], descending=True, stable=True)[1]]
        iou = torchvision.ops.box_iou(boxes[order], boxes[order])
        dead = torch.zeros(len(order), dtype=torch.bool)
        for i in range(len(order)):
            if not dead[i]:
                keep.append(int(order[i]))
                dead |= (iou[i] > threshold) & (torch.arange(len(order)) > i)
    keep = torch.tensor(sorted(keep), dtype=torch.long)
    return keep[torch.sort(scores[keep], descending=True, stable=True)[1]]


def assign(boxes, gt, ignore, positive, negative, min_positive, low_quality):
    """0 background, k > 0 the k-th ground truth, -1 neither."""
    result = torch.full((len(boxes),), -1, dtype=torch.long)
    if len(gt):
        iou = torchvision.ops.box_iou(gt, boxes)
    else:
        iou = torch.zeros(1, len(boxes), dtype=boxes.dtype)
    if len(ignore):
        lt = torch.maximum(boxes[:, None, :2], ignore[None, :, :2])
        rb = torch.minimum(boxes[:, None, 2:], ignore[None, :, 2:])
        overlap = (rb - lt).clamp(min=0).prod(2)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        iou[:, (overlap / area[:, None]).max(1)[0] > 0.5] = -1
    best, which = iou.max(0)
    result[(best >= 0) & (best < negative)] = 0
    if len(gt):
        result[best >= positive] = which[best >= positive] + 1
        if low_quality:
            for k in range(len(gt)):
                top = iou[k].max()
                if top >= min_positive:
                    result[iou[k] == top] = k + 1
    return result
