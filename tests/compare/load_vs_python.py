"""Times opening a volume with `voco info` against nibabel and SimpleITK.

    python3 tests/compare/load_vs_python.py --voco PATH/TO/voco FILE_OR_DICOM_FOLDER…

Every reading is the first of a new process, so that nobody profits from memory of an earlier one. Python's time is that of the reading
alone, without start and imports; voco's is that of the whole program less what `voco --version` takes, so of reading and of its
statistics. The least of several rounds counts. Prints Python's time divided by voco's for each: above 1, voco is faster.
"""

import argparse
import pathlib
import subprocess
import sys
import time

READERS = {
    "SimpleITK": """
import SimpleITK as sitk
def read(path):
    if pathlib.Path(path).is_dir():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(path))
        return reader.Execute()
    return sitk.ReadImage(path)
""",
    "nibabel": """
import nibabel, numpy
def read(path):
    return numpy.asanyarray(nibabel.load(path).dataobj)
""",
}
TIMED = """
import pathlib, sys, time
{reader}
began = time.perf_counter()
read(sys.argv[1])
print(time.perf_counter() - began)
"""


def seconds(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def python_seconds(reader, path):
    command = [sys.executable, "-c", TIMED.format(reader=reader), str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voco", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    rounds = range(args.rounds)
    for path in args.paths:
        start = min(seconds([args.voco, "--version"]) for _ in rounds)
        voco = min(seconds([args.voco, "info", str(path), "--json"]) for _ in rounds) - start
        names = ["SimpleITK"] + (["nibabel"] if ".nii" in path.name else [])
        ratios = []
        for name in names:
            theirs = min(python_seconds(READERS[name], path) for _ in rounds)
            ratios.append(f"{name} {theirs:.3f} s, ratio {theirs / voco:.2f}")
        print(f"{path.name}: voco {voco:.3f} s; " + "; ".join(ratios), flush=True)


if __name__ == "__main__":
    main()
