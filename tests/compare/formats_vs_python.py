"""Compares `voco info --json` with nibabel, SimpleITK and pydicom on every file under a folder of volumes.

    python3 tests/compare/formats_vs_python.py --voco PATH/TO/voco FOLDER…

Needs numpy, nibabel, SimpleITK and pydicom (with gdcm or pylibjpeg for compressed pixels). For each file that a Python reader opens,
dims, affine and statistics must agree with one of them at least (SimpleITK does not scale doses, and two JPEG decoders may round
differently); what none of them opens must be refused by voco with one sentence. Exit status 1 if something differs.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Colours become luminance in voco, and palettes too; only their size is compared.
SIZE_ONLY = "size only"


def with_nibabel(path):
    import nibabel

    image = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    data = data.reshape(data.shape + (1,) * max(0, 3 - data.ndim))
    return data.shape[:3], image.affine, data


def with_simpleitk(path):
    import SimpleITK as sitk

    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        ids = reader.GetGDCMSeriesIDs(str(path))
        if len(ids) != 1:
            raise ValueError(f"{len(ids)} series")
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path), ids[0]))
        image = reader.Execute()
    else:
        image = sitk.ReadImage(str(path))
    size = (image.GetSize() + (1, 1))[:3]
    if image.GetNumberOfComponentsPerPixel() > 1:
        return size, None, SIZE_ONLY
    dim = min(image.GetDimension(), 3)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(image.GetDimension(), -1)
    affine[:dim, :dim] = (direction * np.array(image.GetSpacing()))[:dim, :dim]
    affine[:dim, 3] = image.GetOrigin()[:dim]
    return size, LPS @ affine, sitk.GetArrayFromImage(image)


def with_pydicom(path):
    import pydicom

    data = pydicom.dcmread(path)
    pixels = data.pixel_array
    frames = int(data.get("NumberOfFrames", 1) or 1)
    size = (int(data.Columns), int(data.Rows), frames)
    if int(data.SamplesPerPixel) != 1 or data.PhotometricInterpretation == "PALETTE COLOR":
        return size, None, SIZE_ONLY
    slope = float(data.get("RescaleSlope", 1) or 1) * float(data.get("DoseGridScaling", 1) or 1)
    return size, None, pixels * slope + float(data.get("RescaleIntercept", 0) or 0)


def voco_info(voco, path):
    run = subprocess.run([voco, "info", str(path), "--json"], capture_output=True, text=True)
    if run.returncode == 0:
        return json.loads(run.stdout), None
    if run.returncode != 1 or len(run.stderr.strip().splitlines()) != 1:
        return None, f"BROKEN: status {run.returncode}, says {run.stderr[:300]!r}"
    return None, run.stderr.strip()


def differences(info, size, affine, data):
    found = []
    if list(info["dims"]) != [int(s) for s in size]:
        found.append(f"dims {info['dims']} against {list(size)}")
    if affine is not None:
        # How far apart slices are means nothing where there is one only; readers differ.
        columns = [0, 1, 3] if size[2] == 1 else [0, 1, 2, 3]
        far = np.abs(np.array(info["affine_ras"]) - affine)[:, columns].max()
        if far > 1e-3:
            found.append(f"affine differs by {far:.4f}")
    if not isinstance(data, str):
        data = np.asarray(data, dtype=np.float64)
        data = data[np.isfinite(data)]
        for name, value in (("min", data.min()), ("max", data.max()), ("mean", data.mean())):
            if abs(info[name] - value) > 1e-4 * max(1.0, abs(value)):
                found.append(f"{name} {info[name]} against {value}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voco", required=True)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    failed = 0
    for folder in args.folders:
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in {".json", ".tsv", ".md", ".txt"})
        series = sorted({p.parent for p in files if p.parent.parent.name == "dicom"})
        for path in files + series:
            info, refusal = voco_info(args.voco, path)
            readers = [with_nibabel, with_simpleitk] if ".nii" in path.name or path.suffix in {".hdr", ".img"} else [with_simpleitk]
            if path.is_file() and path.suffix not in {".nii", ".gz", ".nrrd", ".mha", ".mhd", ".hdr", ".img"}:
                readers.append(with_pydicom)
            verdicts = []
            for reader in readers:
                name = reader.__name__.removeprefix("with_")
                try:
                    size, affine, data = reader(path)
                except Exception as error:  # any refusal counts as one
                    verdicts.append((name, f"refuses ({type(error).__name__})", False))
                    continue
                if info is None:
                    verdicts.append((name, f"opens it: {list(size)}", True))
                    continue
                found = differences(info, size, affine, data)
                verdicts.append((name, ", ".join(found) or "same", bool(found)))
            bad = refusal is not None and refusal.startswith("BROKEN")
            bad = bad or any(v[2] for v in verdicts) and not any(v[1] == "same" for v in verdicts)
            failed += bad
            mark = "DIFFERS" if bad else "ok     "
            print(mark, path.name, "|", "; ".join(f"{n}: {t}" for n, t, _ in verdicts), "|", refusal or "", flush=True)
            if info and info["warnings"]:
                print("        note:", " ".join(info["warnings"]))
    print(f"{failed} differ")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
