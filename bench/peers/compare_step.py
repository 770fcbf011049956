#!/usr/bin/env python3
"""ktrain's training step beside PyTorch's, measured alternately in one run.

    python3 bench/peers/compare_step.py --pairs 5 --threads 2

Each round starts three processes one after the other: `ktrain bench-step`, the PyTorch peer with and without
channels_last. Prints every round, then in Markdown the medians over rounds and the ratios to the better of the two
peers. A wheel of PyTorch with CUDA inside maps libraries that a CPU wheel does not have; so the memory that the peer
holds right after its imports is measured too, and the ratio is given with and without it.
"""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def measure(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ktrain", default=ROOT / "build/release/ktrain")
    for name, value in dict(pairs=5, depth=50, batch=2, height=512, width=640, steps=2, warmup=1, threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    shared = [part for name in ("depth", "batch", "steps", "warmup", "threads")
              for part in (f"--{name}", getattr(args, name))]
    peer = [sys.executable, ROOT / "bench/peers/torch_step.py", *shared,
            "--height", args.height, "--width", args.width]
    contestants = {
        "ktrain": [args.ktrain, "bench-step", *shared, "--size", f"{args.width}x{args.height}", "--no-parts", "--json"],
        "torch": peer,
        "torch channels_last": [*peer, "--channels-last"],
    }
    rows = {name: [] for name in contestants}
    for index in range(args.pairs):
        load = os.getloadavg()[0]
        for name, command in contestants.items():
            result = measure(command)
            rows[name].append(result)
            print(f"round {index + 1}  {name:20s} step {result['step_ms_median']:9.1f} ms   "
                  f"peak {result['peak_rss_mib']:7.1f} MiB   load at the round's start {load:.1f}", flush=True)
    report(args, rows)


def report(args, rows):
    time = {name: statistics.median(r["step_ms_median"] for r in results) for name, results in rows.items()}
    memory = {name: statistics.median(r["peak_rss_mib"] for r in results) for name, results in rows.items()}
    peers = ("torch", "torch channels_last")
    best = min(peers, key=time.get)
    ratios = [k["step_ms_median"] / min(a["step_ms_median"], b["step_ms_median"])
              for k, a, b in zip(rows["ktrain"], rows["torch"], rows["torch channels_last"])]
    least = min(memory[name] for name in peers)
    imports = rows["torch"][0]["import_rss_mib"]
    ours, torch = rows["ktrain"][0], rows["torch"][0]
    print(f"\n{datetime.date.today()}, {ours['cpu']}, {ours['threads']} threads, {ours['fma_peak_gflops']:.0f} GFLOP/s of "
          f"multiply-adds measured; PyTorch {torch['torch']}, torchvision {torch['torchvision']}; "
          f"{args.width}x{args.height}, resnet {args.depth}, batch {args.batch}, medians of {args.pairs} rounds of "
          f"{args.steps} steps.\n\n"
          "| | step, ms | least and most | pairs/s | peak memory, MiB |\n|---|---|---|---|---|")
    for name, results in rows.items():
        steps = [r["step_ms_median"] for r in results]
        print(f"| {name} | {time[name]:.0f} | {min(steps):.0f} to {max(steps):.0f} | "
              f"{args.batch * 1e3 / time[name]:.3f} | {memory[name]:.0f} |")
    print(f"\nStep time: {time['ktrain'] / time[best]:.3f} of {best} (by round {min(ratios):.3f} to {max(ratios):.3f}). "
          f"Peak memory: {memory['ktrain'] / least:.3f} of the smaller; PyTorch holds {imports:.0f} MiB after its imports, "
          f"without which it would be {memory['ktrain'] / (least - imports):.3f}.")


if __name__ == "__main__":
    main()
