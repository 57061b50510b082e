"""Times and results of the labelling tools beside the Python packages that do the same.

    pip install numpy scipy nibabel connected-components-3d edt SimpleITK scikit-image
    cargo build --release -p voco_label --example tools_bench
    python tests/compare/labels_vs_python.py TOOLS_BENCH IMAGE.nii.gz LABELS.nii.gz [--side 256] [--threads 2] [--repeats 3]

Takes a cube of the image with so many voxels along each side (repeated if the image is smaller), the largest label in it, and seeds
from its core and from the border. Prints a line per tool: seconds of ours and theirs, how many times as long theirs takes, and
how the results agree; exits 1 if one that must be equal differs.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("bench")
parser.add_argument("image")
parser.add_argument("labels")
parser.add_argument("--side", type=int, default=256)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repeats", type=int, default=3)
args = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(args.threads)

import cc3d
import edt
import nibabel
import SimpleITK as sitk
from scipy import ndimage
from skimage import filters, measure, segmentation

sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)

loaded = nibabel.load(args.image)
spacing = [float(z) for z in loaded.header.get_zooms()[:3]]
image = np.asarray(loaded.dataobj).astype(np.float32)
labels = np.asarray(nibabel.load(args.labels).dataobj).astype(np.uint16)
side = args.side
index = [np.abs((np.arange(side) + max(0, n // 2 - side // 2)) % (2 * n - 2) - (n - 1)) if n < side else np.arange(side) + n // 2 - side // 2 for n in image.shape]
image = np.round(image[np.ix_(*index)]).astype(np.int16)
labels = labels[np.ix_(*index)]
counts = np.bincount(labels.ravel())[1:]
mask = (labels == counts.argmax() + 1).astype(np.uint8)
core = ndimage.binary_erosion(mask, iterations=4)
seeds = np.zeros(image.shape, np.uint16)
places = np.argwhere(core)
rng = np.random.default_rng(1)
for place in places[rng.choice(len(places), 20)]:
    seeds[tuple(place)] = 1
far = np.argwhere(ndimage.distance_transform_edt(mask == 0) > 6)
for place in far[rng.choice(len(far), 400)]:
    seeds[tuple(place)] = 2
markers = np.zeros(image.shape, np.uint16)
for n, place in enumerate(rng.integers(0, side, (200, 3))):
    markers[tuple(place)] = n + 1
print(f"{image.shape} voxels of {spacing} mm, mask {mask.mean():.1%}, {args.threads} threads")

failed = False


def flat(array):
    return np.asfortranarray(array).ravel(order="F")


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    for name, array in [("image.i16", image), ("mask.u8", mask), ("seeds.u16", seeds), ("markers.u16", markers)]:
        flat(array).tofile(folder / name)
    command = [args.bench, folder, *image.shape, *spacing, args.repeats]
    result = json.loads(subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout)
    seconds = result["seconds"]

    def ours(name, kind, shape=image.shape):
        return np.fromfile(folder / name, kind).reshape(shape, order="F")

    def line(name, theirs, agree, must=True):
        """theirs: a function, timed once (most are slow); agree(its result): 0 to 1, or a text."""
        global failed
        began = time.perf_counter()
        value = theirs()
        took = time.perf_counter() - began
        same = agree(value)
        wrong = must and not isinstance(same, str) and same < 1
        failed |= wrong
        shown = same if isinstance(same, str) else f"{same:.6f} equal"
        print(f"{name:24} {seconds[name]:9.4f} s {took:9.4f} s {took / seconds[name]:7.1f}× {shown}{' WRONG' if wrong else ''}", flush=True)

    def equal(name, kind=np.uint8):
        return lambda theirs: float((ours(name, kind) == theirs).mean())

    itk = sitk.GetImageFromArray(np.ascontiguousarray(mask.T))
    itk.SetSpacing(spacing)
    itk_image = sitk.GetImageFromArray(np.ascontiguousarray(image.T))
    itk_image.SetSpacing(spacing)
    back = lambda found: sitk.GetArrayFromImage(found).T
    inner = np.zeros(image.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    line("median", lambda: back(sitk.BinaryMedian(itk, [1, 1, 1])), lambda t: float((ours("median.u8", np.uint8) == t)[inner].mean()))
    sigma = [2.0 / s for s in spacing]
    line("gaussian", lambda: (ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant", truncate=4) > 0.5).astype(np.uint8),
         lambda t: f"{(ours('gaussian.u8', np.uint8) == t).mean():.6f} equal")
    line("grow", lambda: (edt.edt(flat(mask == 0).reshape(mask.shape, order="F"), spacing, parallel=args.threads) <= 4.0).astype(np.uint8), lambda t: f"{(ours('grow.u8', np.uint8) == t).mean():.6f} equal")
    line("shrink", lambda: (edt.edt(flat(mask).reshape(mask.shape, order="F"), spacing, parallel=args.threads) > 3.0).astype(np.uint8), lambda t: f"{(ours('shrink.u8', np.uint8) == t).mean():.6f} equal")
    line("largest", lambda: (cc3d.largest_k(mask, k=1, connectivity=26) > 0).astype(np.uint8), equal("largest.u8"))
    seed = result["seed"]
    value = float(image[tuple(seed)])
    line("flood", lambda: back(sitk.ConnectedThreshold(itk_image, [seed], value - 60, value + 60)), equal("flood.u8"))
    line("otsu", lambda: filters.threshold_otsu(image, 256), lambda t: f"{result['otsu']:.4f}, theirs {t:.4f}")
    line("gradient", lambda: sitk.GradientMagnitude(itk_image), lambda t: "")
    gradient = ours("gradient.f32", np.float32)
    # scikit-image scans with z slowest, as we do; so it gets the array with reversed axes.
    line("watershed", lambda: segmentation.watershed(np.ascontiguousarray(gradient.T), np.ascontiguousarray(markers.T).astype(np.int32)).T,
         equal("watershed.u16", np.uint16), must=False)
    line("watershed", lambda: sitk.MorphologicalWatershedFromMarkers(sitk.GetImageFromArray(np.ascontiguousarray(gradient.T)), sitk.GetImageFromArray(np.ascontiguousarray(markers.T).astype(np.uint16)), markWatershedLine=False),
         lambda t: f"{(ours('watershed.u16', np.uint16) == back(t)).mean():.4f} equal (SimpleITK)", must=False)
    size = result["walker_size"]
    small = ours("walker_image.f32", np.float32, size)
    walker_seeds = ours("walker_seeds.u8", np.uint8, size)
    # Differences count in standard deviations here; scikit-image takes the same once the image has a deviation of 1.
    standard = (small.astype(np.float64) - small.mean()) / small.std()
    walk = lambda: segmentation.random_walker(standard, walker_seeds.astype(np.int32), beta=130, mode="cg_j", tol=1e-3, return_full_prob=True, spacing=np.array(spacing) / min(spacing))[0]
    line("random_walker", walk, lambda t: f"largest difference {np.abs(ours('walker.f32', np.float32, size) - t).max():.4f}, {((ours('walker.f32', np.float32, size) > 0.5) == (t > 0.5)).mean():.5f} equal at one half")
    statistics = result["statistics"]

    def label_statistics():
        found = sitk.LabelIntensityStatisticsImageFilter()
        found.Execute(itk, itk_image)
        return found

    line("statistics", label_statistics, lambda t: f"voxels {statistics['voxels']} / {t.GetNumberOfPixels(1)}, mean {statistics['mean']:.4f} / {t.GetMean(1):.4f}, sd {statistics['sd']:.3f} / {t.GetStandardDeviation(1):.3f}, median {statistics['median']:.1f} / {np.median(image[mask > 0]):.1f}")

    def marching_cubes():
        points, faces, _, _ = measure.marching_cubes(np.pad(mask, 1), 0.5, spacing=spacing)
        return measure.mesh_surface_area(points, faces), len(faces)

    line("mesh", marching_cubes, lambda t: f"area {result['mesh']['area']:.0f} / {t[0]:.0f} mm², triangles {result['mesh']['triangles']} / {t[1]}; statistics say {statistics['area']:.0f} mm²")
    for name in ["grow_from_seeds", "grow_from_seeds_to_end", "mesh_smoothed", "fill_between", "live_wire"]:
        print(f"{name:24} {seconds[name]:9.4f} s")
    quick, whole = ours("grow_from_seeds.u16", np.uint16), ours("grow_from_seeds_to_end.u16", np.uint16)
    dice = lambda a, b: 2 * (a & b).sum() / (a.sum() + b.sum())
    print(f"grow_from_seeds: two rounds equal the end in {(quick == whole).mean():.5f}; Dice with the label {dice(quick == 1, mask > 0):.4f}")
sys.exit(failed)
