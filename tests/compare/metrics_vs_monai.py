"""Times and results of voco_label beside the Python packages that do the same.

    pip install numpy scipy nibabel monai torch surface-distance connected-components-3d edt SimpleITK
    cargo build --release -p voco_label --example label_bench
    python tests/compare/metrics_vs_monai.py LABEL_BENCH LABELS.nii.gz [--spacing 1.0] [--threads 2] [--rounds 3]

Resamples the label map (nearest) to the spacing, moves a copy of it by a few voxels and frays it: that is the prediction.
Programs alternate for so many rounds and the least time counts. scipy, cc3d and surface-distance have one thread only.
Prints a line per algorithm: seconds of ours and theirs and how many times as long theirs takes; exits 1 if a result differs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("bench")
parser.add_argument("labels")
parser.add_argument("--spacing", type=float, default=1.0)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--only", default="", help="names of lines to run, with commas")
parser.add_argument("--no-python", action="store_true", help="only ours")
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(args.threads)

import cc3d
import edt
import nibabel
import SimpleITK as sitk
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_dice,
    compute_hausdorff_distance,
    compute_surface_dice,
)
from scipy import ndimage

np.Inf, np.NaN = np.inf, np.nan  # surface-distance wants old names
if not hasattr(ndimage, "filters"):
    ndimage.filters = ndimage.morphology = ndimage
import surface_distance

torch.set_num_threads(args.threads)
sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)

image = nibabel.load(args.labels)
zooms = np.array(image.header.get_zooms()[:3], dtype=float)
labels = np.asanyarray(image.dataobj).astype(np.uint8)
size = np.maximum(1, np.round(labels.shape * zooms / args.spacing)).astype(int)
index = [np.minimum((np.arange(n) * args.spacing / z).astype(int), m - 1) for n, z, m in zip(size, zooms, labels.shape)]
reference = labels[np.ix_(*index)]
spacing = [args.spacing] * 3
rng = np.random.default_rng(1)
prediction = np.roll(reference, (2, -1, 1), (0, 1, 2))
frayed = rng.random(reference.shape) < 0.02
prediction[frayed] = np.roll(prediction, 3, 0)[frayed]
largest = np.bincount(reference.ravel())[1:].argmax() + 1
mask = (reference == largest).astype(np.uint8)
ids = [int(n) for n in np.unique(reference) if n]
noise = (rng.random(reference.shape) < 0.3).astype(np.uint8)
order = np.asfortranarray
mask_f, noise_f, reference_f, prediction_f = order(mask), order(noise), order(reference), order(prediction)
print(f"{reference.shape} voxels of {args.spacing} mm, {len(ids)} classes, mask {mask.mean():.1%}, {args.threads} threads")

ours, theirs = {}, {}


def note(table, name, seconds):
    table[name] = min(table.get(name, float("inf")), seconds)


def run_ours(folder, suffix):
    numbers = [str(n) for n in (*reference.shape, *spacing)]
    out = subprocess.run([args.bench, folder, *numbers, "2"], capture_output=True, text=True, check=True).stdout
    for name, seconds in json.loads(out).items():
        note(ours, name + suffix, seconds)


def scipy_ball(radius):
    n = np.arange(-radius, radius + 1)
    return (n[:, None, None] ** 2 + n[None, :, None] ** 2 + n[None, None, :] ** 2) <= radius**2


def monai_metrics():
    rows = []
    for n in ids:
        p, r = (torch.from_numpy((x == n)[None, None]) for x in (prediction, reference))
        hd = compute_hausdorff_distance(p, r, include_background=True, spacing=spacing)
        hd95 = compute_hausdorff_distance(p, r, include_background=True, percentile=95, spacing=spacing)
        assd = compute_average_surface_distance(p, r, include_background=True, symmetric=True, spacing=spacing)
        nsd = compute_surface_dice(p, r, [2.0], include_background=True, spacing=spacing)
        rows.append([n, *(float(x) for x in (compute_dice(p, r), hd, hd95, assd, nsd))])
    return rows


def deepmind_metrics():
    rows = []
    for n in ids:
        p, r = prediction == n, reference == n
        d = surface_distance.compute_surface_distances(r, p, spacing)
        areas = d["surfel_areas_gt"], d["surfel_areas_pred"]
        sums = d["distances_gt_to_pred"] @ areas[0], d["distances_pred_to_gt"] @ areas[1]
        dice = surface_distance.compute_dice_coefficient(r, p)
        nsd = surface_distance.compute_surface_dice_at_tolerance(d, 2.0)
        hd, hd95 = (surface_distance.compute_robust_hausdorff(d, q) for q in (100, 95))
        rows.append([n, dice, hd, hd95, sum(sums) / (areas[0].sum() + areas[1].sum()), nsd if dice >= 0.2 else 0.0])
    return rows


def itk(x):
    return sitk.GetImageFromArray(x)


def itk_distance(x):
    return sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(itk(x), useImageSpacing=True, squaredDistance=False))


def itk_morphology(f, radius, kind):
    return sitk.GetArrayFromImage(f(itk(mask), [radius] * 3, kind))


inverse, inverse_f = 1 - mask, order(1 - mask)
THEIRS = {
    "distance_inside": {
        "edt": lambda: edt.edt(mask_f, anisotropy=spacing, parallel=args.threads),
        "scipy": lambda: ndimage.distance_transform_edt(mask, sampling=spacing),
    },
    "distance_outside": {
        "edt": lambda: edt.edt(inverse_f, anisotropy=spacing, parallel=args.threads),
        "scipy": lambda: ndimage.distance_transform_edt(inverse, sampling=spacing),
        "SimpleITK": lambda: itk_distance(mask),
    },
    "nearest_outside": {
        "scipy": lambda: ndimage.distance_transform_edt(inverse, sampling=spacing, return_indices=True),
    },
    **{
        f"components_{n}{suffix}": {
            "cc3d": lambda n=n, x=x: cc3d.connected_components(x, connectivity=n),
            "scipy": lambda n=n, x=x: ndimage.label(x, ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[n])),
            "SimpleITK": lambda n=n, x=x: sitk.GetArrayFromImage(sitk.ConnectedComponent(itk(x), n == 26)),
        }
        for n in (6, 18, 26)
        for suffix, x in (("", mask_f), (" noise", noise_f))
    },
    "largest_26": {"cc3d": lambda: cc3d.largest_k(mask_f, k=1, connectivity=26)},
    "fill_holes": {
        "scipy": lambda: ndimage.binary_fill_holes(mask),
        "SimpleITK": lambda: sitk.GetArrayFromImage(sitk.BinaryFillhole(itk(mask))),
    },
    **{
        f"{name}_{shape}_{radius}": {
            "SimpleITK": lambda f=f, radius=radius, kind=kind: itk_morphology(f, radius, kind),
            **({"scipy": lambda g=g: g(mask, scipy_ball(3))} if (shape, radius) == ("ball", 3) else {}),
        }
        for name, f, g in (
            ("dilate", sitk.BinaryDilate, ndimage.binary_dilation),
            ("erode", sitk.BinaryErode, ndimage.binary_erosion),
        )
        for shape, radius, kind in (("ball", 3, sitk.sitkBall), ("ball", 12, sitk.sitkBall), ("box", 3, sitk.sitkBox))
    },
    "evaluate_monai": {"MONAI": monai_metrics},
    "evaluate_flare": {"surface-distance": deepmind_metrics},
}

results = {}
bad = []
with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as noisy:
    for where, masks in ((folder, mask), (noisy, noise)):
        for name, values in (("mask", masks), ("prediction", prediction), ("reference", reference)):
            (pathlib.Path(where) / f"{name}.u8").write_bytes(values.tobytes(order="F"))
    for turn in range(args.rounds):
        run_ours(folder, "")
        run_ours(noisy, " noise")
        for name, programs in THEIRS.items():
            for program, run in {} if args.no_python else programs.items():
                wanted = not args.only or name in args.only.split(",")
                # What takes long is timed once: noise matters less there.
                if wanted and (turn == 0 or theirs[name, program] < 5):
                    began = time.perf_counter()
                    results[name, program] = run()
                    note(theirs, (name, program), time.perf_counter() - began)

    def check(what, near):
        print(f"{'equal  ' if near else 'DIFFERS'}  {what}")
        if not near:
            bad.append(what)

    read = lambda name, kind: np.fromfile(pathlib.Path(folder) / name, kind).reshape(reference.shape, order="F")
    for name, file in (("distance_inside", "inside.f32"), ("distance_outside", "outside.f32")):
        if (name, "scipy") in results:
            check(name, np.abs(read(file, np.float32) - results[name, "scipy"]).max() < 1e-3)
    if ("components_26", "scipy") in results:
        check("components", (read("labels26.u32", np.uint32) == results["components_26", "scipy"][0]).all())
    for name, program in (("monai", "MONAI"), ("flare", "surface-distance")):
        if (f"evaluate_{name}", program) in results:
            rows = json.loads((pathlib.Path(folder) / f"{name}.json").read_text())
            expected = np.array(results[f"evaluate_{name}", program])
            # JSON has no NaN or infinity.
            got = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=float)
            expected[~np.isfinite(expected)] = np.nan
            assert (np.isnan(got) == np.isnan(expected)).all(), "the same numbers exist"
            worst = np.nanmax(np.abs(got - expected), axis=0)
            # torch rounds the place of a quantile to f32, which moves HD95 by up to 2⁻¹⁷ of the step at that place.
            allowed = np.array([0, 1e-6, 1e-4, 2e-3, 1e-4, 1e-5])
            check(f"{name} metrics, largest differences of Dice, HD, HD95, ASSD, NSD: {worst[1:]}", (worst <= allowed).all())

for name, seconds in ours.items():
    rows = [(p, s) for (n, p), s in theirs.items() if n == name]
    others = "  ".join(f"{p} {s * 1e3:9.1f} ms = {s / seconds:6.1f} ×" for p, s in rows)
    if rows or args.no_python:
        print(f"{name:22} {seconds * 1e3:9.1f} ms   {others}")
raise SystemExit(bool(bad))
