"""Compares `voco segment` with MONAI's sliding_window_inference: seconds per case and voxels that differ, same weights, 2 threads.

Needs torch, monai 1.3.0 (and with it numpy below 2), nibabel and safetensors:

    python tests/compare/segment_vs_monai.py path/to/voco scan.nii.gz [feature size, 12 by default] [overlap, 0.5 by default]

Both sides do the whole way: read, orient, resample to 1.5 mm, scale, crop, pad, windows of 96³, and the label map back on the grid of
the file by the nearest voxel. The weights are random, moved away from their initialisation; every window is computed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(THREADS)

import nibabel
import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference
from monai.networks.nets import SwinUNETR
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    Invertd,
    LoadImaged,
    Orientationd,
    ScaleIntensityRanged,
    Spacingd,
    SpatialPadd,
)
from safetensors.torch import save_file

ROI, CLASSES, LOW, HIGH, SPACING = [96] * 3, 5, -175.0, 250.0, [1.5] * 3


def network(feature_size):
    torch.manual_seed(1)
    net = SwinUNETR(tuple(ROI), 1, CLASSES, feature_size=feature_size, use_v2=True).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.1 if parameter.ndim == 1 else 0.1 * parameter.std()))
        # Decided logits: label maps that differ by rounding alone differ in few voxels.
        net.out.conv.conv.weight *= 10
    return net


def card():
    return {
        "architecture": "SwinUNETR", "patch_merging": "legacy", "task": "comparison", "channels": 1, "roi": ROI, "orientation": "RAS",
        "classes": [{"id": n, "name": f"class {n}"} for n in range(1, CLASSES)],
        "preprocess": {
            "spacing_mm": SPACING, "intensity": {"window": {"low": LOW, "high": HIGH}}, "foreground_above": 0.0, "pad_to": ROI,
        },
        "trained_cases": 0, "steps": 0, "validation_dice": None, "licence": None, "parent": None,
    }


def by_monai(net, scan, overlap):
    chain = Compose([
        LoadImaged("image", image_only=True),
        EnsureChannelFirstd("image"),
        Orientationd("image", axcodes="RAS"),
        Spacingd("image", pixdim=SPACING, mode="bilinear"),
        ScaleIntensityRanged("image", a_min=LOW, a_max=HIGH, b_min=0, b_max=1, clip=True),
        CropForegroundd("image", source_key="image"),
        SpatialPadd("image", spatial_size=ROI),
    ])
    start = time.perf_counter()
    image = chain({"image": scan})["image"]
    with torch.no_grad():
        logits = sliding_window_inference(image.as_tensor()[None], ROI, 1, net, overlap=overlap)[0]
    pred = MetaTensor(logits.argmax(0, keepdim=True).float(), affine=image.affine)
    back = Invertd("pred", chain, orig_keys="image", nearest_interp=True)({"image": image, "pred": pred})["pred"]
    return back[0].numpy().astype(np.uint8), time.perf_counter() - start


def by_voco(voco, checkpoint, scan, overlap, folder):
    out = folder / "labels.nii.gz"
    arguments = [voco, "segment", scan, "--checkpoint", checkpoint, "--out", out, "--overlap", overlap]
    arguments += ["--no-skip-air", "--device", "cpu", "--json"]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
    result = subprocess.run([*map(str, arguments)], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    return np.asanyarray(nibabel.load(out).dataobj), json.loads(result.stdout)


def main():
    warnings.filterwarnings("ignore")
    voco, scan = sys.argv[1], str(Path(sys.argv[2]).resolve())
    feature_size = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    overlap = float(sys.argv[4]) if len(sys.argv) > 4 else 0.5
    torch.set_num_threads(THREADS)
    net = network(feature_size)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.safetensors"
        weights = {k: v.contiguous() for k, v in net.state_dict().items() if not k.endswith("relative_position_index")}
        save_file(weights, checkpoint, {"model_card": json.dumps(card())})
        ours, report = by_voco(Path(voco).resolve(), checkpoint, scan, overlap, Path(folder))
    theirs, seconds = by_monai(net, scan, overlap)
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    differ = int((ours != theirs).sum())
    print(f"voxels that differ  {differ} of {ours.size} ({100 * differ / ours.size:.4f} %)")
    print(f"windows             {report['cases'][0]['windows']}")
    print(f"voco                {report['seconds']:.1f} s, peak {report['peak_rss_bytes'] / 1e6:.0f} MB")
    print(f"MONAI               {seconds:.1f} s")


main()
