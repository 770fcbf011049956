"""The two-stream detector written on PyTorch, independently of ktrain; expect_detector.py runs it.

Follows mmdetection's Faster R-CNN (anchors, assigner, sampler, coder, losses and their
normalisation); RoIAlign is torchvision's. Weights come from formula.py. With an image that has no
object, regions to ignore are still honoured (mmdetection would not).
"""
import math

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

import formula
from boxes import assign, decode, encode, grouped_nms

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
STRIDES = (4, 8, 16, 32, 64)

DEFAULTS = dict(
    streams="both", fusion="concat", depth=50, width=1.0, channels=256, fc=1024, classes=1, frozen_stages=1,
    norm="frozen", shared=False, salt="", nms_pre=2000, nms_pre_test=1000, proposals=1000, rpn_samples=256,
    roi_samples=512, detections=100)


def branches(o):
    if o["streams"] == "both":
        return ["visible", "thermal"]
    return [o["streams"]]


def shapes(o):
    """name -> (ktrain shape, kind) of every parameter and buffer, kind in {parameter, buffer}."""
    out = {}

    def conv(name, k, r, c, bias):
        out[name + ".weight"] = ((k, r, r, c), "parameter")
        if bias:
            out[name + ".bias"] = ((k,), "parameter")

    def norm(name, c):
        for leaf, kind in (("weight", "parameter"), ("bias", "parameter"), ("running_mean", "buffer"),
                           ("running_var", "buffer")):
            out[f"{name}.{leaf}"] = ((c,), kind)

    base, expansion = round(64 * o["width"]), 4 if o["depth"] >= 50 else 1
    for branch in ["shared"] if o["shared"] else branches(o):
        b = branch + ".backbone"
        conv(b + ".conv1", base, 7, 3, False)
        norm(b + ".bn1", base)
        inputs, stage_channels = base, []
        for s, blocks in enumerate(BLOCKS[o["depth"]]):
            planes = base * 2**s
            for i in range(blocks):
                p = f"{b}.layer{s + 1}.{i}"
                if expansion == 1:
                    conv(p + ".conv1", planes, 3, inputs, False)
                    norm(p + ".bn1", planes)
                    conv(p + ".conv2", planes, 3, planes, False)
                    norm(p + ".bn2", planes)
                else:
                    conv(p + ".conv1", planes, 1, inputs, False)
                    norm(p + ".bn1", planes)
                    conv(p + ".conv2", planes, 3, planes, False)
                    norm(p + ".bn2", planes)
                    conv(p + ".conv3", planes * 4, 1, planes, False)
                    norm(p + ".bn3", planes * 4)
                if i == 0 and (s > 0 or inputs != planes * expansion):
                    conv(p + ".downsample.0", planes * expansion, 1, inputs, False)
                    norm(p + ".downsample.1", planes * expansion)
                inputs = planes * expansion
            stage_channels.append(inputs)
        for i, c in enumerate(stage_channels):
            conv(f"{branch}.neck.lateral_convs.{i}.conv", o["channels"], 1, c, True)
        for i in range(4):
            conv(f"{branch}.neck.fpn_convs.{i}.conv", o["channels"], 3, o["channels"], True)
    c = o["channels"]
    if o["streams"] == "both" and o["fusion"] != "add":
        for i in range(5):
            conv(f"fusion.{i}", c, 1, 2 * c, True)
    conv("rpn_head.rpn_conv", c, 3, c, True)
    conv("rpn_head.rpn_cls", 3, 1, c, True)
    conv("rpn_head.rpn_reg", 12, 1, c, True)
    h = "roi_head.bbox_head."
    for name, rows, cols in ((h + "shared_fcs.0", o["fc"], 49 * c), (h + "shared_fcs.1", o["fc"], o["fc"]),
                             (h + "fc_cls", o["classes"] + 1, o["fc"]), (h + "fc_reg", 4 * o["classes"], o["fc"])):
        out[name + ".weight"] = ((rows, cols), "parameter")
        out[name + ".bias"] = ((rows,), "parameter")
    return out


def is_frozen(name, o):
    parts = name.split(".")
    if len(parts) < 3 or parts[1] != "backbone" or o["frozen_stages"] < 0:
        return False
    return parts[2] in ("conv1", "bn1") or parts[2] in [f"layer{s + 1}" for s in range(o["frozen_stages"])]


def to_torch(name, array, o):
    """From ktrain's layout to PyTorch's."""
    t = torch.from_numpy(np.ascontiguousarray(array))
    if t.dim() == 4:
        return t.permute(0, 3, 1, 2).contiguous()
    if name.endswith("shared_fcs.0.weight"):
        return t.view(-1, 7, 7, o["channels"]).permute(0, 3, 1, 2).reshape(t.shape[0], -1).contiguous()
    return t


def to_ktrain(name, t, o):
    if t.dim() == 4:
        return t.permute(0, 2, 3, 1)
    if name.endswith("shared_fcs.0.weight"):
        return t.view(-1, o["channels"], 7, 7).permute(0, 2, 3, 1).reshape(t.shape[0], -1)
    return t


class Detector:
    def __init__(self, o, dtype):
        self.o, self.dtype, self.training = o, dtype, True
        self.p, self.trainable, self.before_relu = {}, [], []
        for name, (shape, kind) in shapes(o).items():
            t = to_torch(name, formula.parameter(name, shape, o["salt"]), o).to(dtype)
            if kind == "parameter" and not is_frozen(name, o):
                t.requires_grad_(True)
                self.trainable.append(name)
            self.p[name] = t

    # ---- backbone and pyramid
    def conv(self, name, x, stride=1, padding=0):
        return F.conv2d(x, self.p[name + ".weight"], self.p.get(name + ".bias"), stride, padding)

    def relu(self, x):
        self.before_relu.append(x.detach())
        return F.relu(x)

    def norm(self, name, x):
        p = self.p
        use_batch = self.training and self.o["norm"] == "batch" and not is_frozen(name + ".weight", self.o)
        return F.batch_norm(x, p[name + ".running_mean"], p[name + ".running_var"], p[name + ".weight"],
                            p[name + ".bias"], use_batch, 0.1, 1e-5)

    def block(self, p, x, stride):
        shortcut = x
        if p + ".downsample.0.weight" in self.p:
            shortcut = self.norm(p + ".downsample.1", self.conv(p + ".downsample.0", x, stride))
        if p + ".conv3.weight" in self.p:
            y = self.relu(self.norm(p + ".bn1", self.conv(p + ".conv1", x)))
            y = self.relu(self.norm(p + ".bn2", self.conv(p + ".conv2", y, stride, 1)))
            y = self.norm(p + ".bn3", self.conv(p + ".conv3", y))
        else:
            y = self.relu(self.norm(p + ".bn1", self.conv(p + ".conv1", x, stride, 1)))
            y = self.norm(p + ".bn2", self.conv(p + ".conv2", y, 1, 1))
        return self.relu(y + shortcut)

    def pyramid(self, branch, x):
        b = branch + ".backbone"
        x = self.relu(self.norm(b + ".bn1", self.conv(b + ".conv1", x, 2, 3)))
        x = F.max_pool2d(x, 3, 2, 1)
        stages = []
        for s, blocks in enumerate(BLOCKS[self.o["depth"]]):
            for i in range(blocks):
                x = self.block(f"{b}.layer{s + 1}.{i}", x, 2 if s > 0 and i == 0 else 1)
            stages.append(x)
        n = branch + ".neck"
        levels = [self.conv(f"{n}.lateral_convs.{i}.conv", c) for i, c in enumerate(stages)]
        for i in (3, 2, 1):
            levels[i - 1] = levels[i - 1] + F.interpolate(levels[i], size=levels[i - 1].shape[2:], mode="nearest")
        levels = [self.conv(f"{n}.fpn_convs.{i}.conv", x, 1, 1) for i, x in enumerate(levels)]
        return levels + [F.max_pool2d(levels[3], 1, 2)]

    def fuse(self, pyramids):
        if len(pyramids) == 1:
            return pyramids[0]
        fused = []
        for i, (v, t) in enumerate(zip(*pyramids)):
            if self.o["fusion"] == "add":
                fused.append(v + t)
                continue
            y = self.conv(f"fusion.{i}", torch.cat([v, t], 1))
            if self.o["fusion"] == "gated":
                gate = torch.sigmoid(y)
                y = gate * v + (1 - gate) * t
            fused.append(y)
        return fused

    # ---- region proposals
    def rpn(self, fused):
        """Per level logits [n, cells * 3] and deltas [n, cells * 3, 4], cells row by row."""
        logits, deltas = [], []
        for x in fused:
            n = x.shape[0]
            x = self.relu(self.conv("rpn_head.rpn_conv", x, 1, 1))
            logits.append(self.conv("rpn_head.rpn_cls", x).permute(0, 2, 3, 1).reshape(n, -1))
            deltas.append(self.conv("rpn_head.rpn_reg", x).permute(0, 2, 3, 1).reshape(n, -1, 4))
        return logits, deltas

    def anchors(self, fused, valid):
        """Per level boxes and, per image, whether the cell lies in the image padded to 32."""
        boxes, usable = [], []
        for stride, x in zip(STRIDES, fused):
            h, w = x.shape[2:]
            base = []
            for ratio in (0.5, 1.0, 2.0):
                side_w, side_h = 8 * stride / math.sqrt(ratio), 8 * stride * math.sqrt(ratio)
                base.append([-side_w / 2, -side_h / 2, side_w / 2, side_h / 2])
            base = torch.tensor(base, dtype=self.dtype)
            ys, xs = torch.meshgrid(torch.arange(h) * stride, torch.arange(w) * stride, indexing="ij")
            shift = torch.stack([xs, ys, xs, ys], -1).reshape(-1, 1, 4).to(self.dtype)
            boxes.append((shift + base).reshape(-1, 4))
            flags = []
            for height, width in valid:
                rows, cols = (math.ceil(math.ceil(v / 32) * 32 / stride) for v in (height, width))
                ok = (ys < rows * stride) & (xs < cols * stride)
                flags.append(ok.reshape(-1, 1).expand(-1, 3).reshape(-1))
            usable.append(torch.stack(flags))
        return boxes, torch.cat(usable, 1)

    def proposals(self, logits, deltas, anchors, valid, nms_pre):
        out = []
        for n, size in enumerate(valid):
            boxes, scores, levels = [], [], []
            for level, (logit, delta, anchor) in enumerate(zip(logits, deltas, anchors)):
                score = torch.sigmoid(logit[n].detach())
                order = torch.sort(score, descending=True, stable=True)[1][:nms_pre]
                boxes.append(decode(anchor[order], delta[n].detach()[order], size))
                scores.append(score[order])
                levels.append(torch.full((len(order),), level))
            boxes, scores, levels = torch.cat(boxes), torch.cat(scores), torch.cat(levels)
            keep = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
            boxes, scores, levels = boxes[keep], scores[keep], levels[keep]
            keep = grouped_nms(boxes, scores, levels, 0.7)[:self.o["proposals"]]
            out.append((boxes[keep], scores[keep]))
        return out

    def rpn_losses(self, logits, deltas, anchors, usable, targets, samples):
        logits, deltas, anchors = torch.cat(logits, 1), torch.cat(deltas, 1), torch.cat(anchors)
        loss_cls = loss_box = factor = 0
        for n, target in enumerate(targets):
            gt = torch.full((len(anchors),), -1, dtype=torch.long)
            gt[usable[n]] = assign(anchors[usable[n]], target["boxes"].to(self.dtype), target["ignore"].to(self.dtype),
                                   0.7, 0.3, 0.3, True)
            pos, neg = samples.rpn(n, gt)
            factor += max(len(pos), 1) + max(len(neg), 1)
            x = logits[n][torch.cat([pos, neg])]
            y = torch.cat([torch.ones(len(pos)), torch.zeros(len(neg))]).to(self.dtype)
            loss_cls = loss_cls + F.binary_cross_entropy_with_logits(x, y, reduction="sum")
            if len(pos):
                want = encode(anchors[pos], target["boxes"].to(self.dtype)[gt[pos] - 1])
                loss_box = loss_box + (deltas[n][pos] - want).abs().sum()
            else:
                loss_box = loss_box + 0 * deltas[n].sum()
        return loss_cls / factor, loss_box / factor

    # ---- regions
    def head(self, fused, rois):
        """rois: [image, x1, y1, x2, y2]. Class logits and deltas."""
        h = "roi_head.bbox_head."
        sides = torch.sqrt((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2]))
        level = torch.floor(torch.log2(sides / 56 + 1e-6)).clamp(0, 3)
        pooled = torch.zeros(len(rois), self.o["channels"], 7, 7, dtype=self.dtype)
        for i in range(4):
            at = (level == i).nonzero().squeeze(1)
            if len(at):
                pooled = pooled.index_put((at,), torchvision.ops.roi_align(
                    fused[i], rois[at], 7, 1 / STRIDES[i], sampling_ratio=-1, aligned=True))
        x = self.relu(F.linear(pooled.flatten(1), self.p[h + "shared_fcs.0.weight"], self.p[h + "shared_fcs.0.bias"]))
        x = self.relu(F.linear(x, self.p[h + "shared_fcs.1.weight"], self.p[h + "shared_fcs.1.bias"]))
        self.pooled = pooled.permute(0, 2, 3, 1)
        return (F.linear(x, self.p[h + "fc_cls.weight"], self.p[h + "fc_cls.bias"]),
                F.linear(x, self.p[h + "fc_reg.weight"], self.p[h + "fc_reg.bias"]))

    def roi_losses(self, fused, proposals, targets, samples):
        rois, labels, want, chosen = [], [], [], []
        for n, (target, (boxes, _)) in enumerate(zip(targets, proposals)):
            gt_boxes = target["boxes"].to(self.dtype)
            gt = assign(boxes, gt_boxes, target["ignore"].to(self.dtype), 0.5, 0.5, 0.5, False)
            boxes = torch.cat([gt_boxes, boxes])
            gt = torch.cat([torch.arange(1, len(gt_boxes) + 1), gt])
            pos, neg = samples.roi(n, gt)
            index = torch.cat([pos, neg])
            rois.append(torch.cat([torch.full((len(index), 1), float(n), dtype=self.dtype), boxes[index]], 1))
            label = torch.full((len(index),), self.o["classes"])
            label[:len(pos)] = target["labels"][gt[pos] - 1]
            labels.append(label)
            if len(pos):
                want.append(encode(boxes[pos], gt_boxes[gt[pos] - 1]) / torch.tensor([0.1, 0.1, 0.2, 0.2], dtype=self.dtype))
            chosen.append(len(pos))
        labels = torch.cat(labels)
        logits, deltas = self.head(fused, torch.cat(rois))
        loss_cls = F.cross_entropy(logits, labels, reduction="sum") / max(len(labels), 1)
        at = (labels < self.o["classes"]).nonzero().squeeze(1)
        if len(at):
            got = deltas.view(len(labels), -1, 4)[at, labels[at]]
            loss_box = (got - torch.cat(want)).abs().sum() / len(labels)
        else:
            loss_box = 0 * deltas.sum()
        self.pooled_train = self.pooled
        return loss_cls, loss_box, torch.cat(rois)

    def normalised(self, images, valid):
        x = torch.from_numpy(images).to(self.dtype)
        x = (x - torch.tensor(MEAN, dtype=self.dtype)) / torch.tensor(STD, dtype=self.dtype)
        for n, (height, width) in enumerate(valid):
            x[n, height:] = 0
            x[n, :, width:] = 0
        return x.permute(0, 3, 1, 2).contiguous()

    def features(self, images, valid):
        prefix = {b: "shared" if self.o["shared"] else b for b in branches(self.o)}
        self.pyramids = [self.pyramid(prefix[b], self.normalised(images[b], valid)) for b in branches(self.o)]
        return self.fuse(self.pyramids)

    def losses(self, images, valid, targets, samples):
        self.training = True
        self.fused = fused = self.features(images, valid)
        logits, deltas = self.rpn(fused)
        anchors, usable = self.anchors(fused, valid)
        rpn_cls, rpn_bbox = self.rpn_losses(logits, deltas, anchors, usable, targets, samples)
        self.found = self.proposals(logits, deltas, anchors, valid, self.o["nms_pre"])
        roi_cls, roi_bbox, self.rois = self.roi_losses(fused, self.found, targets, samples)
        return dict(rpn_cls=rpn_cls, rpn_bbox=rpn_bbox, roi_cls=roi_cls, roi_bbox=roi_bbox)

    def predict(self, images, valid, scales):
        self.training = False
        with torch.no_grad():
            fused = self.features(images, valid)
            logits, deltas = self.rpn(fused)
            found = self.proposals(logits, deltas, self.anchors(fused, valid)[0], valid, self.o["nms_pre_test"])
            out = []
            for n, (boxes, _) in enumerate(found):
                rois = torch.cat([torch.full((len(boxes), 1), float(n), dtype=self.dtype), boxes], 1)
                scores, reg = self.head(fused, rois)
                scores = torch.softmax(scores, 1)
                all_boxes, all_scores, all_labels = [], [], []
                for c in range(self.o["classes"]):
                    d = reg.view(len(rois), -1, 4)[:, c] * torch.tensor([0.1, 0.1, 0.2, 0.2], dtype=self.dtype)
                    all_boxes.append(decode(boxes, d, valid[n]) / torch.tensor([scales[n][0], scales[n][1]] * 2, dtype=self.dtype))
                    all_scores.append(scores[:, c])
                    all_labels.append(torch.full((len(rois),), c))
                b, s, l = torch.cat(all_boxes), torch.cat(all_scores), torch.cat(all_labels)
                ok = s > 0.05
                b, s, l = b[ok], s[ok], l[ok]
                keep = grouped_nms(b, s, l, 0.5)[:self.o["detections"]]
                out.append((b[keep], s[keep], l[keep]))
            return out


class NearTie(Exception):
    pass


class Samples:
    """Draws the samples by formula the first time, and repeats them after that."""

    def __init__(self, o):
        self.o, self.store, self.assigned = o, {}, {}

    def draw(self, key, gt, total, fraction):
        if key not in self.store:
            rank = torch.from_numpy(formula.values(".".join(map(str, key)), len(gt)))
            pos = (gt > 0).nonzero().squeeze(1)
            pos = pos[rank[pos].argsort()][:int(total * fraction)].sort()[0]
            neg = (gt == 0).nonzero().squeeze(1)
            neg = neg[rank[neg].argsort()][:total - len(pos)].sort()[0]
            self.store[key] = (pos, neg)
            self.assigned[key] = gt
        if not torch.equal(self.assigned[key], gt):
            raise NearTie(f"{key}: another precision assigns differently")
        return self.store[key]

    def rpn(self, n, gt):
        return self.draw(("rpn_sample", n), gt, self.o["rpn_samples"], 0.5)

    def roi(self, n, gt):
        return self.draw(("roi_sample", n), gt, self.o["roi_samples"], 0.25)
