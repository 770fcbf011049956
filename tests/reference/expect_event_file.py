"""Bytes of event records as TensorBoard's own protocol buffers and record writer make them.

    pip install tensorboard && python expect_event_file.py
"""
import io
import pathlib

import tensorboard
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1764288000.25


def framed(event):
    out = io.BytesIO()
    RecordWriter(out).write(event.SerializeToString())
    return out.getvalue()


def summary(step, *values):
    return event_pb2.Event(wall_time=TIME, step=step, summary=summary_pb2.Summary(value=values))


def scalar(tag, value):
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


START = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
PICTURE = summary_pb2.Summary.Image(height=160, width=1296, colorspace=3,
                                    encoded_image_string=bytes(i % 256 for i in range(300)))
RECORDS = {
    "version": event_pb2.Event(wall_time=TIME, file_version="brain.Event:2"),
    "start": event_pb2.Event(wall_time=TIME, step=301, session_log=START),
    "scalars": summary(300, scalar("train/loss", 0.1), scalar("validation/map", -2.5e-8),
                       scalar("zero", 0.0)),
    "image": summary(1 << 40, summary_pb2.Summary.Value(tag="validation/a", image=PICTURE)),
}

path = pathlib.Path(__file__).parent / "data" / "event_file.txt"
with open(path, "w", encoding="ascii") as out:
    for name, event in RECORDS.items():
        record = framed(event)
        out.write(f"{name} {len(record)}\n{' '.join(str(byte) for byte in record)}\n")
print(f"{path}: tensorboard {tensorboard.__version__}")
