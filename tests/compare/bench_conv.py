"""The convolutions of `engine/nn/tests/kernels.rs` in PyTorch, for comparison.

    pip install torch
    python tests/compare/bench_conv.py [threads]
    RAYON_NUM_THREADS=2 cargo nextest run --release --workspace -E 'test(bench_convolutions)' \
        --run-ignored all --no-capture

Prints GFLOP/s, forward and then forward and backward; best of 20 runs.
"""

import sys
import time

import torch

CASES = [
    ("48-48 at 48", 1, 48, 48, 48, 1),
    ("48-48 at 96", 1, 48, 48, 96, 1),
    ("16-16 at 64", 1, 16, 16, 64, 1),
    ("1-48 at 96", 1, 1, 48, 96, 1),
    ("unet 1-8 at 64 /2", 22, 1, 8, 64, 2),
    ("unet 8-16 at 32 /2", 22, 8, 16, 32, 2),
    ("unet 16-16 at 16", 22, 16, 16, 16, 1),
    ("unet 16-32 at 16 /2", 22, 16, 32, 16, 2),
    ("unet 32-32 at 8", 22, 32, 32, 8, 1),
    ("unet 32-64 at 8 /2", 22, 32, 64, 8, 2),
    ("unet 64-64 at 4", 22, 64, 64, 4, 1),
    ("unet 64-64 at 4 /2", 22, 64, 64, 4, 2),
    ("unet 64-64 at 2", 22, 64, 64, 2, 1),
]


def best(run):
    start, least = time.perf_counter(), float("inf")
    for _ in range(20):
        begin = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - begin)
        if time.perf_counter() - start > 4:
            break
    return least


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    torch.manual_seed(0)
    for name, batch, inputs, outputs, edge, stride in CASES:
        layer = torch.nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1)
        x = torch.randn(batch, inputs, edge, edge, edge)
        work = 2 * batch * (edge // stride) ** 3 * inputs * outputs * 27 / 1e9
        with torch.no_grad():
            forward = best(lambda: layer(x))
        x.requires_grad_(inputs > 1)

        def step():
            layer.zero_grad()
            x.grad = None
            layer(x).sum().backward()

        passes = 3 if inputs > 1 else 2
        print(f"{name:22}{work / forward:12.1f}{passes * work / best(step):12.1f}")


main()
