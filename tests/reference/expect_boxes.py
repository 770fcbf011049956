"""Anchors, codec, overlaps, assignment and suppression. Usage: python tests/reference/expect_boxes.py"""
import torch
import torchvision

from common import anchors, decode, overlaps, random_boxes, write


def anchor_numbers():
    full = anchors([(128, 160, 4), (64, 80, 8), (32, 40, 16), (16, 20, 32), (8, 10, 64)])
    small = anchors([(3, 5, 4), (2, 3, 8)])
    rows = torch.tensor([0, 1, 2, 61439, 61440, 81839])
    # Cells of a 500 x 601 image (height x width) in the 512 x 640 batch, three anchors each.
    valid = [min(h, -(-500 // s)) * min(w, -(-601 // s)) * 3
             for h, w, s in [(128, 160, 4), (64, 80, 8), (32, 40, 16), (16, 20, 32), (8, 10, 64)]]
    write("anchors.txt", {"count": len(full), "sum": full.double().sum(0),
                          "rows": rows, "at_rows": full[rows], "small": small, "valid": valid})


def codec_numbers():
    g = torch.Generator().manual_seed(1)
    boxes, targets = random_boxes(12, 96, g), random_boxes(12, 96, g)
    stds = (0.1, 0.1, 0.2, 0.2)
    centre = lambda b: (b[:, :2] + b[:, 2:]) * 0.5
    side = lambda b: b[:, 2:] - b[:, :2]
    delta = torch.cat([(centre(targets) - centre(boxes)) / side(boxes),
                       (side(targets) / side(boxes)).log()], 1)
    wild = torch.randn(12, 4, generator=g).mul(8).round() / 2  # far beyond the clamp
    write("box_codec.txt", {
        "boxes": boxes, "targets": targets, "encoded": delta,
        "encoded_roi": delta / torch.tensor(stds), "deltas": wild,
        "decoded": decode(boxes, wild), "decoded_roi": decode(boxes, wild, stds),
        "clipped": decode(boxes, wild, clip=(80, 96))})


def overlap_numbers():
    g = torch.Generator().manual_seed(2)
    a, b = random_boxes(9, 64, g), random_boxes(7, 64, g)
    a[3] = torch.tensor([10.0, 10.0, 10.0, 30.0])  # no width
    b[2] = a[4]
    iou, vision = overlaps(a, b), torchvision.ops.box_iou(a, b)
    assert torch.allclose(iou, vision, atol=1e-6)
    write("iou.txt", {"a": a, "b": b, "iou": iou, "iof": overlaps(a, b, "iof")})


def assign_one(boxes, valid, targets, ignored, positive, negative, low, low_quality):
    """MaxIoUAssigner: -1 negative, -2 unused, else the target."""
    match = torch.full((len(boxes),), -2)
    open_ = valid.clone()
    if len(ignored):
        open_ &= overlaps(boxes, ignored, "iof").max(1).values <= 0.5
    if not len(targets):
        match[open_] = -1
        return match
    matrix = overlaps(targets, boxes)
    matrix[:, ~open_] = -1
    best, which = matrix.max(0)
    match[(best >= 0) & (best < negative)] = -1
    match[best >= positive] = which[best >= positive]
    if low_quality:
        for t, row in enumerate(matrix):
            if row.max() >= low:
                match[row == row.max()] = t
    return match


def assign_numbers():
    g = torch.Generator().manual_seed(3)
    levels = [(12, 16, 4), (6, 8, 8), (3, 4, 16), (2, 2, 32)]
    all_anchors = anchors(levels)
    valid = torch.cat([torch.ones(h, w, 3, dtype=torch.bool).reshape(-1) for h, w, _ in levels])
    valid[50:200] = False
    targets = torch.tensor([[4, 4, 30, 44], [6, 3, 31, 42], [40, 8, 60, 47], [2, 30, 9, 44],
                            [33.5, 20, 47.25, 46], [0, 0, 63, 47.5]])
    ignored = torch.tensor([[44, 0, 64, 20.0], [0, 36, 64, 48]])
    none = torch.zeros(0, 4)
    rpn, roi = (0.7, 0.3, 0.3, True), (0.5, 0.5, 0.5, False)
    proposals = random_boxes(60, 64, g, 48)
    every = torch.ones(60, dtype=torch.bool)
    proposals[::4] = (targets[torch.arange(15) % 6] * 8 + torch.randn(15, 4, generator=g) * 24
                      ).round() / 8
    write("assign.txt", {
        "valid": valid.int(), "targets": targets, "ignored": ignored, "proposals": proposals,
        "rpn": assign_one(all_anchors, valid, targets, none, *rpn),
        "rpn_ignore": assign_one(all_anchors, valid, targets, ignored, *rpn),
        "rpn_three_targets": assign_one(all_anchors, valid, targets[:3], ignored[:1], *rpn),
        "rpn_no_target": assign_one(all_anchors, valid, none, ignored, *rpn),
        "roi": assign_one(proposals, every, targets, none, *roi),
        "roi_ignore": assign_one(proposals, every, targets, ignored, *roi)})


def nms_numbers():
    g = torch.Generator().manual_seed(4)
    boxes = random_boxes(150, 48, g, 64)
    scores = (torch.rand(150, generator=g) * 50).round() / 64  # many ties, exact in float
    classes = torch.randint(0, 3, (150,), generator=g)
    values = {"boxes": boxes, "scores": scores, "classes": classes}
    for threshold in (0.3, 0.5, 0.7):
        tag = str(threshold).replace(".", "")
        values[f"nms_{tag}"] = torchvision.ops.nms(boxes, scores, threshold)
        values[f"batched_{tag}"] = torchvision.ops.batched_nms(boxes, scores, classes, threshold)
    write("nms.txt", values)


if __name__ == "__main__":
    anchor_numbers()
    codec_numbers()
    overlap_numbers()
    assign_numbers()
    nms_numbers()
