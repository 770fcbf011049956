#!/usr/bin/env python3
"""Writes coco_random.json: random cases and pycocotools' twelve numbers for each.

    python3 tests/reference/coco_random.py > tests/reference/coco_random.json

Needs pycocotools and numpy (made with pycocotools 2.0). Annotation ids begin at 1, because pycocotools
counts a match with id 0 as none. Coordinates are multiples of 1/4 and scores of 1/32, so that ties
of overlap and of score happen often.
"""
import contextlib
import io
import json

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def make_case(rng, images, classes, crowd, crowding):
    targets, found = [], []
    for image in range(1, images + 1):
        for label in range(1, classes + 1):
            for _ in range(rng.poisson(crowding)):
                w, h = np.exp(rng.uniform(np.log(6), np.log(200), 2))
                box = [rng.uniform(0, 400), rng.uniform(0, 300), w, h]
                box = [float(np.round(v * 4) / 4) for v in box]
                area = box[2] * box[3] * (0.6 if rng.random() < 0.3 else 1.0)
                targets.append([image, label, *box, area, int(rng.random() < crowd)])
                for _ in range(rng.integers(0, 3)):
                    jitter = rng.normal(0, 0.12, 4) * [w, h, w, h]
                    near = [float(np.round(v * 4) / 4) for v in np.array(box) + jitter]
                    near[2:] = [max(v, 1.0) for v in near[2:]]
                    found.append([image, label, *near, float(rng.integers(1, 32)) / 32])
            for _ in range(rng.poisson(crowding / 2)):
                box = [float(np.round(v * 4) / 4) for v in rng.uniform(4, 200, 4)]
                found.append([image, label, *box, float(rng.integers(1, 32)) / 32])
    return {"images": images, "classes": classes, "targets": targets, "detections": found}


def score(case):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(1, case["images"] + 1)],
        "categories": [{"id": c} for c in range(1, case["classes"] + 1)],
        "annotations": [
            {"id": k + 1, "image_id": t[0], "category_id": t[1], "bbox": t[2:6], "area": t[6],
             "iscrowd": t[7]} for k, t in enumerate(case["targets"])],
    }
    coco.createIndex()
    results = [{"image_id": d[0], "category_id": d[1], "bbox": d[2:6], "score": d[6]}
               for d in case["detections"]]
    found = COCO()
    found.dataset = dict(coco.dataset, annotations=[
        dict(r, id=k + 1, area=r["bbox"][2] * r["bbox"][3], iscrowd=0)
        for k, r in enumerate(results)])
    found.createIndex()
    run = COCOeval(coco, found, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return [float(v) for v in run.stats]


def main():
    rng = np.random.default_rng(20251124)
    cases = []
    shapes = [(1, 1, 0, 2), (3, 1, 0, 2), (4, 2, 0.2, 3), (2, 3, 0.5, 2), (1, 1, 0.3, 60), (6, 2, 0.1, 4),
              (2, 2, 0.0, 0.4), (8, 1, 0.2, 3), (3, 2, 1.0, 2), (2, 1, 0.0, 40)]
    with contextlib.redirect_stdout(io.StringIO()):
        for shape in shapes * 2:
            case = make_case(rng, *shape)
            case["expected"] = score(case)
            cases.append(case)
    print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")


if __name__ == "__main__":
    main()
