"""Compares `voco info --json` with nibabel on every NIfTI file under a folder.

    pip install nibabel
    python tests/compare/info_vs_nibabel.py VOCO FOLDER

Prints one line per file and exits 1 if a file that nibabel reads differs or is refused.
"""

import json
import pathlib
import subprocess
import sys

import nibabel
import numpy as np

voco, folder = sys.argv[1], pathlib.Path(sys.argv[2])
bad = 0
for path in sorted(folder.rglob("*")):
    if not path.name.endswith((".nii", ".nii.gz", ".hdr")):
        continue
    run = subprocess.run([voco, "info", str(path), "--json"], capture_output=True, text=True)
    try:
        image = nibabel.load(path)
        affine = image.affine
        data = np.asanyarray(image.dataobj)
    except Exception as error:  # whatever it is, nibabel refuses the file
        print(f"{path.name}: nibabel refuses ({type(error).__name__}), voco exits {run.returncode}: {run.stderr.strip()[:120]}")
        continue
    if run.returncode != 0:
        print(f"{path.name}: REFUSED: {run.stderr.strip()}")
        bad += 1
        continue
    info = json.loads(run.stdout)
    shape = (list(image.shape) + [1, 1, 1])[:3]
    finite = data[np.isfinite(data)].astype(np.float64)
    scale = max(1.0, float(np.abs(finite).max()))
    checks = {
        "dims": info["dims"] == shape,
        "affine": np.allclose(info["affine_ras"], affine, atol=1e-5),
        "orientation": info["orientation"] == "".join(c or "?" for c in nibabel.aff2axcodes(affine)),
        "spacing": np.allclose(info["spacing_mm"], nibabel.affines.voxel_sizes(affine), atol=1e-5),
        "dtype": info["dtype"] == image.get_data_dtype().name,
        "min": abs(info["min"] - finite.min()) <= 1e-6 * scale,
        "max": abs(info["max"] - finite.max()) <= 1e-6 * scale,
        "mean": abs(info["mean"] - finite.mean()) <= 1e-6 * scale,
    }
    failed = [name for name, ok in checks.items() if not ok]
    bad += bool(failed)
    print(f"{path.name}: {'equal' if not failed else 'DIFFERS in ' + ', '.join(failed)}")
sys.exit(bad > 0)
