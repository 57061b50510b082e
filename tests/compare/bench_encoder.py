"""The SwinUNETR encoder of `engine/nn/tests/kernels.rs` in PyTorch and MONAI, for comparison.

    pip install torch monai==1.3.0 einops
    python tests/compare/bench_encoder.py [threads]
    RAYON_NUM_THREADS=2 cargo nextest run --release --workspace -E 'test(bench_swin_crop)' --run-ignored all --no-capture

Prints the best seconds of a few runs on one crop: forward, then forward and backward.
"""

import sys
import time

import torch
from monai.networks.nets import SwinUNETR


def best(run, times):
    least = float("inf")
    for _ in range(times):
        begin = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - begin)
    return least


def encode(model, x):
    hidden = model.swinViT(x, True)
    inputs = [x, *hidden[:3], hidden[4]]
    blocks = [model.encoder1, model.encoder2, model.encoder3, model.encoder4, model.encoder10]
    return [block(part) for block, part in zip(blocks, inputs)]


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    for name, feature_size, edges in [("tiny", 12, (64, 96)), ("B", 48, (64,))]:
        model = SwinUNETR((64, 64, 64), 1, 21, feature_size=feature_size, use_v2=True).eval()
        for edge in edges:
            x = torch.randn(1, 1, edge, edge, edge)

            def step():
                model.zero_grad()
                sum(out.mean() for out in encode(model, x)).backward()

            with torch.no_grad():
                forward = best(lambda: encode(model, x), 4)
            print(f"{name:5} {edge}³: forward {forward:.2f} s, forward and backward {best(step, 3):.2f} s", flush=True)


main()
