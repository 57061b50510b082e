"""Times opening a volume with `voco bench load` against nibabel and SimpleITK.

    python3 tests/compare/load_vs_python.py --voco PATH/TO/voco FILE_OR_DICOM_FOLDER…

Every reading is the first of a new process, so that nobody profits from memory of an earlier one. The time is that of the reading
alone, in each program, without start and imports; what voco takes with the statistics that its window needs as well stands beside
it. The least of several rounds counts. Prints Python's time divided by voco's for each: above 1, voco is faster.
"""

import argparse
import json
import pathlib
import subprocess
import sys

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


def python_seconds(reader, path):
    command = [sys.executable, "-c", TIMED.format(reader=reader), str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def voco_seconds(voco, path):
    done = subprocess.run([voco, "bench", "load", str(path)], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return found["load_s"], found["load_and_statistics_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voco", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("paths", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    slower = []
    for path in args.paths:
        names = ["SimpleITK"] + (["nibabel"] if ".nii" in path.name else [])
        loads, wholes, theirs = [], [], {name: [] for name in names}
        for _ in range(args.rounds):
            # In turn, so that a busy moment of the machine is nobody's alone.
            load, whole = voco_seconds(args.voco, path)
            loads.append(load)
            wholes.append(whole)
            for name in names:
                theirs[name].append(python_seconds(READERS[name], path))
        voco, whole = min(loads), min(wholes)
        ratios = {name: min(times) / voco for name, times in theirs.items()}
        slower += [path.name for ratio in ratios.values() if ratio < 1]
        text = "; ".join(f"{n} {min(theirs[n]) * 1e3:.1f} ms, ratio {r:.2f}" for n, r in ratios.items())
        print(f"{path.name}: voco {voco * 1e3:.1f} ms (with statistics {whole * 1e3:.1f}); {text}", flush=True)
    print("slower: " + (", ".join(slower) or "none"))


if __name__ == "__main__":
    main()
