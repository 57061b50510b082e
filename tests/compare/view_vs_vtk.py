"""Times showing and scrolling a volume with `voco bench view` against SimpleITK and VTK (vtkImageReslice into an image actor).

    python3 tests/compare/view_vs_vtk.py --voco PATH/TO/voco [--synthetic] [FILE…]

VTK draws one axial slice off-screen in the same size, with the same driver if it can; voco draws its window with that slice alone, and
with four views (three slices and 3D). `--synthetic` makes a CT of 512 x 512 x 1000 voxels in a temporary folder. Memory is the peak of
the process over what it had before it opened the file, divided by the bytes of the voxels; a software driver's textures count.
With --start and a display (`xvfb-run`), the seconds to the window and to the first picture of a new process are measured, too.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

VTK = """
import json, resource, statistics, sys, time
import SimpleITK as sitk, vtk
from vtk.util import numpy_support
peak = lambda: int([l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1]) * 1024
path, frames, width, height = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(width, height)
renderer = vtk.vtkRenderer()
window.AddRenderer(renderer)
window.Render()
before = peak()
began = time.perf_counter()
image = sitk.ReadImage(path)
load = time.perf_counter() - began
array = sitk.GetArrayViewFromImage(image)
data = vtk.vtkImageData()
data.SetDimensions(*image.GetSize())
data.SetSpacing(*image.GetSpacing())
data.GetPointData().SetScalars(numpy_support.numpy_to_vtk(array.ravel(), deep=False))
reslice = vtk.vtkImageReslice()
reslice.SetInputData(data)
reslice.SetOutputDimensionality(2)
reslice.SetInterpolationModeToLinear()
colors = vtk.vtkImageMapToWindowLevelColors()
colors.SetInputConnection(reslice.GetOutputPort())
colors.SetWindow(400); colors.SetLevel(40)
actor = vtk.vtkImageActor()
actor.GetMapper().SetInputConnection(colors.GetOutputPort())
renderer.AddActor(actor)
count = image.GetSize()[2]
spacing = image.GetSpacing()[2]
def show(z):
    reslice.SetResliceAxesOrigin(0, 0, (count // 4 + z % max(count // 2, 1)) * spacing)
show(0)
renderer.ResetCamera()
pixels = vtk.vtkUnsignedCharArray()
def frame():
    began = time.perf_counter()
    window.Render()
    # Reading one pixel waits until the picture is there.
    window.GetPixelData(0, 0, 0, 0, 1, pixels, 0)
    return (time.perf_counter() - began) * 1e3
frame()
first = time.perf_counter() - began
def times(change):
    out = []
    for n in range(frames):
        change(n)
        out.append(frame())
    out.sort()
    return {"median_ms": out[(len(out) - 1) // 2], "p95_ms": out[round((len(out) - 1) * 0.95)]}
def level(n):
    colors.SetWindow(300 + 10 * (n % 50)); colors.SetLevel(n % 50)
print(json.dumps({
    "driver": [l.strip() for l in window.ReportCapabilities().splitlines() if "renderer string" in l],
    "load_s": load, "open_to_first_picture_s": first, "scroll": times(show), "window_level": times(level),
    "peak_per_voxel_byte": (peak() - before) / array.nbytes,
}))
"""


def synthetic(path):
    """A body with lungs, bones and noise, 512 x 512 x 1000 int16."""
    import nibabel
    import numpy as np

    random = np.random.default_rng(1)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    volume = np.empty((512, 512, 1000), np.int16, order="F")
    for k in range(1000):
        z = k / 500 - 1
        body = (x / 0.8) ** 2 + (y / 0.6) ** 2 < 1
        lungs = ((np.abs(x) - 0.35) / 0.25) ** 2 + (y / 0.4) ** 2 + (z / 0.8) ** 2 < 1
        bone = (x**2 + (y - 0.45) ** 2) < 0.01
        plane = np.where(body, 40, -1000)
        plane = np.where(lungs, -800, np.where(bone, 700, plane))
        volume[:, :, k] = (plane + random.normal(0, 12, plane.shape)).astype(np.int16).T
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-0.8, -0.8, 1, 1])), path)


def least(runs, *keys):
    def of(run):
        for key in keys:
            run = run[key]
        return run

    return min(of(run) for run in runs)


def start_seconds(voco, path):
    """Seconds to the window and to the first picture of a new process."""
    began = time.perf_counter()
    process = subprocess.Popen([voco, "--time-start", str(path)], stdout=subprocess.PIPE, text=True)
    found = {}
    for line in process.stdout:
        found.setdefault(line.strip(), time.perf_counter() - began)
    process.wait()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voco", required=True)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--synthetic", action="store_true")
    parser.add_argument("--start", action="store_true")
    parser.add_argument("paths", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    paths = list(args.paths)
    if args.synthetic:
        path = pathlib.Path(folder.name) / "synthetic_512x512x1000.nii"
        synthetic(path)
        # In a folder of its own: beside a plain file of that name, ITK reads that one instead.
        packed = path.parent / "packed" / (path.name + ".gz")
        packed.parent.mkdir()
        with open(packed, "wb") as file:
            subprocess.run(["gzip", "-1", "-c", path], check=True, stdout=file)
        paths += [path, packed]
    run = lambda command: json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for path in paths:
        ours, theirs = [], []
        for _ in range(args.rounds):
            command = [args.voco, "bench", "view", path, "--frames", str(args.frames), "--size", args.size]
            ours.append(run(command))
            theirs.append(run([sys.executable, "-c", VTK, str(path), str(args.frames), *args.size.split("x")]))
        print(f"{path.name} on {ours[0]['adapter']}; VTK on {theirs[0]['driver']}")
        rows = [("open to first picture, s", ["open_to_first_picture_s"], ["open_to_first_picture_s"])]
        for what in ["scroll", "window_level"]:
            for time_of in ["median_ms", "p95_ms"]:
                rows.append((f"{what}, one slice, {time_of}", ["one_slice", what, time_of], [what, time_of]))
        rows.append(("peak memory per voxel byte", ["peak_per_voxel_byte"], ["peak_per_voxel_byte"]))
        for name, own, other in rows:
            a, b = least(ours, *own), least(theirs, *other)
            print(f"  {name}: voco {a:.2f}, VTK {b:.2f}, ratio {b / a:.2f}")
        for what in ["unchanged", "scroll", "window_level"]:
            four = least(ours, "four_up", what, "median_ms")
            print(f"  {what}, four views: voco {four:.1f} ms (p95 {least(ours, 'four_up', what, 'p95_ms'):.1f})")
        print(f"  reading alone: voco {least(ours, 'load_s'):.2f} s, SimpleITK {least(theirs, 'load_s'):.2f} s", flush=True)
        if args.start:
            found = [start_seconds(args.voco, path) for _ in range(args.rounds)]
            window = min(f["window"] for f in found)
            print(f"  new process: window {window:.2f} s, first picture {min(f['picture'] for f in found):.2f} s", flush=True)
    folder.cleanup()


if __name__ == "__main__":
    main()
