"""Seconds and memory of our networks and of the same ones in PyTorch, side by side.

    pip install torch monai==1.3.0 einops dynamic-network-architectures==0.3.1
    cargo build --release --workspace --example nn_measure
    python tests/compare/speed_vs_torch.py path/to/nn_measure [--threads 2] [--rounds 3] [--cases NAME,NAME]

Every case runs in a process of its own, ours and theirs in turn, `--rounds` times; a process runs the case three times.
The table has the least seconds of all runs and the largest resident set of all processes. `--cases` takes beginnings of
names. Run it on a machine that does nothing else: alternating evens out what changes slowly, no more. Where others
compute too, `--cpu --threads 1` compares the processor time instead.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

RUNS = 3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--cases", default="encoder-,swinunetr-,plain-,step-")
    parser.add_argument("--theirs", help="used inside: runs a case in PyTorch")
    options = parser.parse_args()
    if options.theirs:
        theirs(options.theirs, options.threads)
        return
    names = subprocess.run([options.measure], capture_output=True, text=True, check=True).stdout.split()
    names = [name for name in names if name.startswith(tuple(options.cases.split(",")))]
    head = ["case", "ours s", "theirs s", "ratio", "ours MB", "theirs MB"]
    print(f"{head[0]:26}" + "".join(f"{word:>11}" for word in head[1:]), flush=True)
    environment = {**os.environ, "RAYON_NUM_THREADS": str(options.threads)}
    python = [sys.executable, __file__, "--threads", str(options.threads), "--theirs"]
    for name in names:
        best, peak = [float("inf")] * 2, [0] * 2
        for _ in range(options.rounds):
            for side, command in enumerate([[options.measure, name, str(RUNS)], [*python, name]]):
                result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
                for word, value in (line.split() for line in result.stdout.splitlines()):
                    if word == ("cpu" if options.cpu else "wall"):
                        best[side] = min(best[side], float(value))
                    elif word == "peak":
                        peak[side] = max(peak[side], int(value))
                if result.returncode != 0:
                    print(f"{name}: {'theirs' if side else 'ours'} ended with {result.returncode}", file=sys.stderr)
        print(f"{name:26}{best[0]:11.3f}{best[1]:11.3f}{best[0] / best[1]:11.2f}{peak[0]:11}{peak[1]:11}", flush=True)


def theirs(name, threads):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    kind, *rest = name.split("-")
    graph = rest[-1] == "backward"
    run = voco_step("-".join(rest)) if kind == "step" else one_crop(kind, rest, graph)
    with torch.set_grad_enabled(graph or kind == "step"):
        for _ in range(RUNS):
            begin, cpu = time.perf_counter(), time.process_time()
            run()
            print("wall", time.perf_counter() - begin)
            print("cpu", time.process_time() - cpu, flush=True)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // 1_000_000)


def one_crop(kind, rest, graph):
    import torch
    from monai.losses import DiceCELoss
    from monai.networks.nets import SwinUNETR

    edge = int(rest[-2] if graph else rest[-1])
    x = torch.rand(1, 1, edge, edge, edge)
    if kind == "plain":
        model = plain_unet()
    else:
        model = SwinUNETR((edge,) * 3, 1, 21, feature_size={"tiny": 12, "b": 48}[rest[0]], use_v2=True)
    model.train(graph)
    target = torch.zeros(1, 1, edge, edge, edge)
    loss = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True)

    def run():
        out = embed(model, x) if kind == "encoder" else model(x)
        if graph:
            model.zero_grad()
            (out.sum() if kind == "encoder" else loss(out, target)).backward()

    return run


def plain_unet():
    """nnU-Net's network of the published weights."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(
        1, 6, [32, 64, 128, 256, 320, 320], torch.nn.Conv3d, 3, [1, 2, 2, 2, 2, 2], 2, 21, 2, conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=torch.nn.LeakyReLU, nonlin_kwargs={"inplace": True},
    )  # fmt: skip


def embed(model, x):
    """Averages of the encoder's maps, which is what VoCo projects; the third hidden state has no part in it."""
    import torch

    hidden = model.swinViT(x, True)
    blocks = [model.encoder1, model.encoder2, model.encoder3, model.encoder4, model.encoder10]
    maps = [block(part) for block, part in zip(blocks, [x, *hidden[:3], hidden[4]])]
    return torch.cat([part.mean((2, 3, 4)) for part in maps], 1)


def voco_step(name):
    """A step of the pre-training: two volumes, two random and nine base crops of each, losses, AdamW."""
    import torch
    from monai.networks.nets import SwinUNETR
    from torch import nn

    def projector(inputs, hidden):
        widths = [(inputs, hidden), (hidden, hidden), (hidden, hidden)]
        layers = []
        for index, (a, b) in enumerate(widths):
            layers.append(nn.Linear(a, b))
            if index < 2:
                layers += [nn.BatchNorm1d(b, affine=False, track_running_stats=False), nn.ReLU()]
        return nn.Sequential(*layers)

    if name == "unet-tiny":
        stages, inputs = nn.ModuleList(), 1
        for width, count in zip([8, 16, 32, 64, 64], [1, 2, 2, 2, 2]):
            layers = []
            for index in range(count):
                layers.append(nn.Conv3d(inputs, width, 3, stride=1 if index else 2, padding=1))
                layers += [nn.InstanceNorm3d(width, affine=True), nn.LeakyReLU(0.01, inplace=True)]
                inputs = width
            stages.append(nn.Sequential(*layers))

        def backbone(x):
            rows = []
            for stage in stages:
                x = stage(x)
                rows.append(x.mean((2, 3, 4)))
            return torch.cat(rows, 1)

        encoder, student, teacher = stages, projector(184, 256), projector(184, 256)
    else:
        encoder = SwinUNETR((64,) * 3, 1, 1, feature_size=12, use_v2=True)
        student, teacher = projector(288, 1024), projector(288, 1024)

        def backbone(x):
            return embed(encoder, x)

    volumes, queries, bases = 2, 2, 9
    random = volumes * queries
    crops = torch.rand(random + volumes * bases, 1, 64, 64, 64)
    labels = torch.zeros(volumes, queries, bases)
    labels[:, :, 4] = 1.0
    optimizer = torch.optim.AdamW([*encoder.parameters(), *student.parameters()], lr=1e-4, amsgrad=True)
    eps = 1e-6

    def similarity(a, b):
        return torch.relu(torch.cosine_similarity(a[:, :, None], b[:, None], dim=-1))

    def contrast(target, guess):
        """Mean over volumes of the attracting and the repelling part."""
        near = -(target * torch.log(1 - (target - guess).abs() + eps)).sum((1, 2)) / (target.sum((1, 2)) + eps)
        absent = (target == 0).float()
        far = -(absent * torch.log(1 - guess + eps)).sum((1, 2)) / (absent.sum((1, 2)) + eps)
        return (near + far).mean()

    def split(rows):
        return rows[:random].view(volumes, queries, -1), rows[random:].view(volumes, bases, -1)

    def run():
        optimizer.zero_grad()
        rows = backbone(crops)
        if name == "unet-tiny":  # our own network standardises over the crops of a volume
            by_volume = torch.cat(split(rows), 1)
            by_volume = (by_volume - by_volume.mean(1, True)) / (by_volume.var(1, False, keepdim=True) + 1e-5).sqrt()
            rows = torch.cat([by_volume[:, :queries].flatten(0, 1), by_volume[:, queries:].flatten(0, 1)])
        student_queries, student_bases = split(student(rows))
        with torch.no_grad():
            for old, new in zip(teacher.parameters(), student.parameters()):
                old.mul_(0.9).add_(new, alpha=0.1)
            teacher_queries, teacher_bases = split(teacher(rows))
            soft = similarity(teacher_queries, teacher_bases.roll(-1, 0))
        intra = contrast(labels, similarity(student_queries, teacher_bases))
        inter = contrast(soft, similarity(student_queries, student_bases.roll(-1, 0)))
        apart = similarity(student_bases, student_bases.detach()).square().triu(1).sum() / (volumes * 36)
        (intra + inter + apart).backward()
        optimizer.step()

    return run


main()
