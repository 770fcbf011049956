#!/usr/bin/env python3
"""ktrain's training step beside PyTorch's, measured alternately in one run.

    python3 bench/peers/compare_step.py --pairs 5 --threads 2

Each round starts three processes one after the other: `ktrain bench-step`, the PyTorch peer with and without
channels_last. Prints every round, the medians over rounds, and the ratios to the better of the two peers.
"""
import argparse
import json
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
    for name, value in dict(pairs=5, depth=50, batch=2, height=512, width=640, steps=3, warmup=2, threads=2).items():
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
        for name, command in contestants.items():
            result = measure(command)
            rows[name].append(result)
            print(f"round {index + 1}  {name:20s} step {result['step_ms_median']:9.1f} ms   "
                  f"peak {result['peak_rss_mib']:7.1f} MiB", flush=True)
    time = {name: statistics.median(r["step_ms_median"] for r in results) for name, results in rows.items()}
    memory = {name: statistics.median(r["peak_rss_mib"] for r in results) for name, results in rows.items()}
    best = min(("torch", "torch channels_last"), key=time.get)
    ratios = [k["step_ms_median"] / min(a["step_ms_median"], b["step_ms_median"])
              for k, a, b in zip(rows["ktrain"], rows["torch"], rows["torch channels_last"])]
    least = min(memory["torch"], memory["torch channels_last"])
    print(f"\n| | step, ms (median of {args.pairs} rounds) | peak memory, MiB |\n|---|---|---|")
    for name in contestants:
        print(f"| {name} | {time[name]:.0f} | {memory[name]:.0f} |")
    print(f"\nstep time: {time['ktrain'] / time[best]:.3f} of {best} "
          f"(by round {min(ratios):.3f} to {max(ratios):.3f}); "
          f"peak memory: {memory['ktrain'] / least:.3f} of the smaller; torch {rows['torch'][0]['torch']}")


if __name__ == "__main__":
    main()
