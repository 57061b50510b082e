#!/usr/bin/env python3
"""Frame time of a 3D picture: voco against VTK's GPU ray caster, both on the software adapter.

    frames_vs_vtk.py VOCO VOLUME.nii.gz [--size 512x512] [--frames 5] [--threads 2] [--presets CT-Bone,...]

Same volume, size, transfer function, camera distance and turn; both are drawn and read back. VTK's caster is the one of 3D Slicer
(vtkGPUVolumeRayCastMapper), with its own step (half of the mean spacing) and, in a second row, with ours. Needs vtk, nibabel and
Mesa's llvmpipe; a machine that does something else gives wrong numbers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

# The built-in presets of voco (render/src/presets.rs): HU, red, green, blue, opacity per millimetre.
PRESETS = {
    "CT-Bone": [
        (-1000, 0, 0, 0, 0), (130, .55, .22, .15, 0), (190, .72, .42, .30, .05), (280, .86, .68, .50, .25),
        (500, .95, .87, .74, .65), (1000, 1, .97, .90, .9), (3000, 1, 1, 1, .97),
    ],
    "CT-Soft-Tissue": [
        (-1000, 0, 0, 0, 0), (-250, .80, .60, .45, 0), (-150, .86, .68, .52, .010), (-60, .88, .72, .52, .003),
        (0, .74, .46, .36, .006), (40, .68, .36, .29, .025), (80, .74, .36, .28, .08), (140, .86, .46, .35, .25),
        (250, .94, .76, .60, .45), (600, 1, .95, .86, .8), (3000, 1, 1, 1, .95),
    ],
}


def ours(voco, volume, size, frames, preset, scale, threads):
    """Seconds per frame of `voco render`."""
    out = os.path.join(tempfile.mkdtemp(), "picture.png")
    command = [voco, "render", volume, out, "--view", "3d", "--preset", preset, "--size", f"{size[0]}x{size[1]}",
               "--repeat", str(frames), "--scale", str(scale), "--json"]
    env = dict(os.environ, LP_NUM_THREADS=str(threads))
    run = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    return json.loads(run.stdout)["seconds_per_frame"], out


def vtk_frames(volume, size, frames, preset, step_voxels, out):
    """Seconds per frame of VTK, drawn and read back; the environment says how many threads."""
    import nibabel
    import vtk
    from vtk.util import numpy_support

    image = nibabel.as_closest_canonical(nibabel.load(volume))
    data = np.asarray(image.dataobj).astype(np.int16)
    spacing = image.header.get_zooms()[:3]
    grid = vtk.vtkImageData()
    grid.SetDimensions(data.shape)
    grid.SetSpacing([float(s) for s in spacing])
    grid.GetPointData().SetScalars(numpy_support.numpy_to_vtk(data.ravel(order="F"), deep=True))
    opacity, color = vtk.vtkPiecewiseFunction(), vtk.vtkColorTransferFunction()
    for hu, r, g, b, a in PRESETS[preset]:
        opacity.AddPoint(hu, a)
        color.AddRGBPoint(hu, r, g, b)
    look = vtk.vtkVolumeProperty()
    look.SetScalarOpacity(opacity)
    look.SetColor(color)
    look.SetScalarOpacityUnitDistance(1.0)
    look.SetInterpolationTypeToLinear()
    look.ShadeOn()
    look.SetAmbient(0.22)
    look.SetDiffuse(0.85)
    look.SetSpecular(0.25)
    look.SetSpecularPower(24)
    mapper = vtk.vtkGPUVolumeRayCastMapper()
    mapper.SetInputData(grid)
    mapper.SetAutoAdjustSampleDistances(0)
    mapper.SetUseJittering(1)
    if step_voxels:
        mapper.SetSampleDistance(float(step_voxels * min(spacing)))
    else:
        mapper.SetLockSampleDistanceToInputSpacing(1)
    actor = vtk.vtkVolume()
    actor.SetMapper(mapper)
    actor.SetProperty(look)
    renderer = vtk.vtkRenderer()
    renderer.AddVolume(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    window.AddRenderer(renderer)
    # The camera of voco: see VolumeCamera::fit.
    extent = np.array(data.shape) * np.array(spacing)
    center = (extent - spacing) / 2
    distance = np.linalg.norm(extent) * 0.5 * 0.78 / np.sin(0.225)
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(*center)
    camera.SetPosition(center[0], center[1] + distance, center[2])
    camera.SetViewUp(0, 0, 1)
    camera.SetViewAngle(np.degrees(0.45))
    renderer.ResetCameraClippingRange()
    grab = vtk.vtkUnsignedCharArray()
    times = []
    for n in range(frames + 1):
        began = time.perf_counter()
        window.Render()
        window.GetRGBACharPixelData(0, 0, size[0] - 1, size[1] - 1, 0, grab)
        if n:
            times.append(time.perf_counter() - began)
        camera.Azimuth(360.0 / (frames * 8))
        renderer.ResetCameraClippingRange()
    pixels = numpy_support.vtk_to_numpy(grab).reshape(size[1], size[0], 4)[::-1, :, :3]
    if out:
        try:
            from PIL import Image

            Image.fromarray(pixels).save(out)
        except ImportError:
            pass
    print(json.dumps({"seconds_per_frame": statistics.median(times), "mean_grey": float(pixels.mean()),
                      "renderer": window.GetClassName()}))


def theirs(volume, size, frames, preset, step_voxels, threads, out):
    """VTK in a process of its own, so that the threads are counted from the start."""
    env = dict(os.environ, LP_NUM_THREADS=str(threads), GALLIUM_DRIVER="llvmpipe", LIBGL_ALWAYS_SOFTWARE="1")
    command = [sys.executable, __file__, "--vtk", volume, "--size", f"{size[0]}x{size[1]}", "--frames", str(frames),
               "--presets", preset, "--step", str(step_voxels), "--out", out]
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    if run.returncode:
        raise RuntimeError(run.stderr[-2000:])
    return json.loads(run.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("voco", nargs="?")
    parser.add_argument("volume", nargs="?")
    parser.add_argument("--vtk")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--presets", default="CT-Bone,CT-Soft-Tissue")
    parser.add_argument("--step", type=float, default=0)
    parser.add_argument("--out", default="")
    args = parser.parse_args()
    size = [int(n) for n in args.size.split("x")]
    if args.vtk:
        vtk_frames(args.vtk, size, args.frames, args.presets, args.step, args.out)
        return
    print(f"| preset | voco, s | voco while turning, s | VTK, its step, s | VTK, our step, s | VTK / voco (its, our step) |")
    print("| --- | --- | --- | --- | --- | --- |")
    folder = args.out or tempfile.mkdtemp()
    for preset in args.presets.split(","):
        fine, _ = ours(args.voco, args.volume, size, args.frames, preset, 1.0, args.threads)
        coarse, _ = ours(args.voco, args.volume, size, args.frames, preset, 0.3, args.threads)
        own = theirs(args.volume, size, args.frames, preset, 0, args.threads, f"{folder}/vtk_{preset}.png")
        # voco's step at rest on a software adapter: see Quality::suited_to.
        same = theirs(args.volume, size, args.frames, preset, 0.75 * 1.3, args.threads, f"{folder}/vtk_same_{preset}.png")
        a, b = own["seconds_per_frame"], same["seconds_per_frame"]
        print(f"| {preset} | {fine:.3f} | {coarse:.3f} | {a:.3f} | {b:.3f} | {a / fine:.2f}, {b / fine:.2f} |")


if __name__ == "__main__":
    main()
