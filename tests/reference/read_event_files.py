"""A run that is killed and goes on, read back with TensorBoard's own reader.

    read_event_files.py PROGRAM    exit 0 when every scalar and picture is there exactly once

Every number of scalars.jsonl must be a scalar of the same step and value (as a float), nothing may
be left of steps that the second process repeated, and pictures must decode. Prints "SKIPPED: ..."
where Python's tensorboard is missing.
"""
import json
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"SKIPPED: wants Python's tensorboard: {error}")
    sys.exit(0)

PLAN = """
[data]
preset = "synth"
root = "{data}"
size = [64, 64]
synth = {{ train_pairs = 8, val_pairs = 6, size = [64, 64], empty = 0.0, seed = 5 }}
[model]
depth = 18
width = 0.0625
fpn_channels = 16
frozen_stages = 0
norm = "batch"
anchor_scale = 2.0
rpn = {{ nms_pre = 50, nms_pre_test = 50, max_proposals = 30, samples = 32 }}
roi = {{ samples = 16, fc_channels = 16, pool = 3 }}
[train]
epochs = 12
batch = 2
eval_every = 3
[output]
log_every = 1
"""


def as_float(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def wait_for(file, text, process):
    for _ in range(6000):
        if file.exists() and text in file.read_text():
            return
        if process.poll() is not None:
            sys.exit(f"the run ended before it wrote {text}: {process.stdout.read()}")
        time.sleep(0.005)
    sys.exit(f"{file} never held {text}")


def kill_at(command, run, step):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(run / "scalars.jsonl", f'"step":{step},', process)
    process.send_signal(signal.SIGKILL)
    process.wait()


def wanted(run):
    """{tag: {step: value}} of scalars.jsonl and of the audits in monitor.jsonl."""
    tags = {}
    for line in (run / "scalars.jsonl").read_text().splitlines():
        record = json.loads(line)
        for key, value in record.items():
            if key != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
                tag = tags.setdefault(f"{record['kind']}/{key}", {})
                if record["step"] in tag:
                    sys.exit(f"scalars.jsonl has {key} twice at step {record['step']}")
                tag[record["step"]] = as_float(value)
    # The weight audit is the one record of monitor.jsonl that a run on detection alone has.
    for line in (run / "monitor.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["kind"] != "audit":
            continue
        for key, name in (("cfg", "configured"), ("applied", "applied")):
            for term, value in record[name].items():
                tags.setdefault(f"w/{key}/{term}", {})[record["step"]] = as_float(value)
    return tags


def check(run):
    reader = EventAccumulator(str(run / "tb"), size_guidance={"scalars": 0, "images": 0})
    reader.Reload()
    found = {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    expected = {tag: sorted(values.items()) for tag, values in wanted(run).items()}
    if set(found) != set(expected):
        sys.exit(f"tags differ: {set(found) ^ set(expected)}")
    for tag, values in expected.items():
        if found[tag] != values:
            sys.exit(f"{tag}: TensorBoard reads {found[tag]}, scalars.jsonl has {values}")
    images = reader.Tags()["images"]
    if len(images) != 4:
        sys.exit(f"wanted pictures of 4 pairs, found {images}")
    for tag in images:
        steps = [e.step for e in reader.Images(tag)]
        if steps != [step for step, _ in expected["validation/map"]]:
            sys.exit(f"{tag}: pictures of steps {steps}")
        for event in reader.Images(tag):
            data = event.encoded_image_string
            if data[:3] != b"\xff\xd8\xff" or data[-2:] != b"\xff\xd9" or event.width < 1280:
                sys.exit(f"{tag} step {event.step}: no whole JPEG of {event.width}x{event.height}")
    return len(found), sum(len(v) for v in found.values()), sum(len(reader.Images(t)) for t in images)


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        (base / "tiny.cfg").write_text(PLAN.format(data=base / "data"))
        command = [program, str(base / "tiny.cfg"), "--runs", str(base / "runs")]
        run = base / "runs" / "tiny"
        # Between two checkpoints (steps 4, 8, ...), and right after a validation's line (step 24).
        for step in (7, 24, 31):
            kill_at(command, run, step)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        files = sorted((run / "tb").iterdir())
        if len(files) != 4:
            sys.exit(f"wanted a file for each of 4 processes, found {files}")
        tags, scalars, images = check(run)
        # A file that ends within a record, as a killed process leaves it, hides nothing later.
        files[0].write_bytes(files[0].read_bytes()[:-3])
        EventAccumulator(str(run / "tb")).Reload()
        print(f"TensorBoard reads {scalars} scalars under {tags} names and {images} pictures")


if __name__ == "__main__":
    main(sys.argv[1])
