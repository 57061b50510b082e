"""Times opening a volume with `voco info` against nibabel and SimpleITK.

    python3 tests/compare/load_vs_python.py --voco PATH/TO/voco FILE_OR_DICOM_FOLDER…

Python's time is that of reading the voxels, in a process that has started already. voco's is that of the whole program less what
`voco --version` takes, so of reading and of its statistics. The least of several rounds counts. Prints Python's time divided by
voco's for each: above 1, voco is faster.
"""

import argparse
import pathlib
import subprocess
import time

import nibabel
import numpy as np
import SimpleITK as sitk


def with_simpleitk(path):
    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        reader.Execute()
    else:
        sitk.ReadImage(str(path))


def with_nibabel(path):
    np.asanyarray(nibabel.load(path).dataobj)


def least(work, rounds):
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voco", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    for path in args.paths:
        command = [args.voco, "info", str(path), "--json"]
        start = least(lambda: subprocess.run([args.voco, "--version"], check=True, capture_output=True), args.rounds)
        voco = least(lambda: subprocess.run(command, check=True, capture_output=True), args.rounds) - start
        readers = {"SimpleITK": with_simpleitk}
        if ".nii" in path.name:
            readers["nibabel"] = with_nibabel
        ratios = []
        for name, read in readers.items():
            seconds = least(lambda: read(path), args.rounds)
            ratios.append(f"{name} {seconds:.3f} s, ratio {seconds / voco:.2f}")
        print(f"{path.name}: voco {voco:.3f} s; " + "; ".join(ratios), flush=True)


if __name__ == "__main__":
    main()
