"""Writes measurements as a DICOM structured report with `voco report`, and reads them back with pydicom and highdicom.

    python3 tests/compare/sr_reads.py --voco PATH/TO/voco DICOM_FOLDER

What is read must be what numpy computes from the points and, for regions, from the pixels that pydicom decodes. Identifiers must be
those of the images; a report about a volume that is no DICOM must name nobody.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile

import highdicom
import numpy as np
import pydicom
from pydicom.sr.codedict import codes


def measurements(origin, row, column):
    """Points in RAS mm on the first slice: right is along the rows, down along the columns."""
    at = lambda x, y: (origin + row * x + column * y).tolist()
    item = lambda number, kind, points, note="": {
        "number": number,
        "kind": kind,
        "right": row.tolist(),
        "down": column.tolist(),
        "points_mm": points,
        "note": note,
    }
    return [
        item(1, "length", [at(0, 0), at(30, 40)], "a note, with an umlaut: ü"),
        item(2, "angle", [at(10, 0), at(0, 0), at(0, 10)]),
        item(3, "bidirectional", [at(0, 0), at(20, 0), at(10, -4), at(10, 4)]),
        item(4, "rectangle", [at(20, 20), at(60, 50)]),
        item(5, "ellipse", [at(20, 20), at(50, 60)]),
        item(6, "freehand", [at(0, 0), at(30, 0), at(30, 20), at(0, 20)]),
        item(7, "sphere", [at(50, 50), at(60, 50)]),
        item(8, "probe", [at(40, 40)]),
    ]


def numbers(group):
    """(meaning, derivation or '') -> (value, unit) of a measurement group."""
    found = {}
    for item in group.ContentSequence:
        if item.ValueType != "NUM":
            continue
        derivation = [
            c.ConceptCodeSequence[0].CodeMeaning
            for c in item.get("ContentSequence", [])
            if c.ValueType == "CODE" and c.ConceptNameCodeSequence[0].CodeValue == "121401"
        ]
        measured = item.MeasuredValueSequence[0]
        key = (item.ConceptNameCodeSequence[0].CodeMeaning, derivation[0] if derivation else "")
        found[key] = (float(measured.NumericValue), measured.MeasurementUnitsCodeSequence[0].CodeValue)
    return found


def near(found, key, expected, unit, tolerance=1e-6):
    value, its_unit = found[key]
    assert its_unit == unit, (key, its_unit)
    assert math.isclose(value, expected, rel_tol=tolerance, abs_tol=tolerance), (key, value, expected)


def voxels_in(volume, spacing, low, high):
    """Values of the first slice whose centres lie in a box of the picture, given in mm from the first voxel."""
    rows, columns = volume.shape
    x, y = np.meshgrid(np.arange(columns) * spacing[1], np.arange(rows) * spacing[0])
    inside = (x >= low[0] - 1e-9) & (x <= high[0] + 1e-9) & (y >= low[1] - 1e-9) & (y <= high[1] + 1e-9)
    return volume[inside]


def check_values(path, slice_values, spacing):
    report = pydicom.dcmread(path)
    content = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in report.ContentSequence}
    groups = content["Imaging Measurements"].ContentSequence
    assert len(groups) == 8, len(groups)
    found = [numbers(g) for g in groups]
    near(found[0], ("Length", ""), 50, "mm")
    near(found[1], ("Angle", ""), 90, "deg")
    near(found[2], ("Length", ""), 20, "mm")
    near(found[2], ("Short Axis", ""), 8, "mm")
    near(found[3], ("Area", ""), 1200, "mm2")
    near(found[3], ("Perimeter", ""), 140, "mm")
    near(found[4], ("Area", ""), math.pi * 15 * 20, "mm2")
    near(found[5], ("Area", ""), 600, "mm2")
    near(found[6], ("Volume", ""), 4 / 3 * math.pi * 1000, "mm3")
    name = [k[0] for k in found[3] if k[1] == "Mean"][0]
    unit = found[3][(name, "Mean")][1]
    inside = voxels_in(slice_values, spacing, (20, 20), (60, 50))
    near(found[3], (name, "Mean"), inside.mean(), unit, 1e-6)
    near(found[3], (name, "Minimum"), inside.min(), unit)
    near(found[3], (name, "Maximum"), inside.max(), unit)
    comments = [i.TextValue for i in groups[0].ContentSequence if i.ValueType == "TEXT"]
    assert "a note, with an umlaut: ü" in comments, comments
    return report


def check_highdicom(path):
    report = highdicom.sr.srread(path)
    content = report.content
    lines = content.get_image_measurement_groups()
    areas = content.get_planar_roi_measurement_groups()
    bodies = content.get_volumetric_roi_measurement_groups()
    assert (len(lines), len(areas), len(bodies)) == (4, 3, 1), (len(lines), len(areas), len(bodies))
    length = lines[0].get_measurements(name=codes.SCT.Length)
    assert math.isclose(length[0].value, 50, rel_tol=1e-6)
    area = areas[0].get_measurements(name=codes.SCT.Area)
    assert math.isclose(area[0].value, 1200, rel_tol=1e-6)
    return type(report).__name__


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voco", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    slices = [pydicom.dcmread(p) for p in args.folder.iterdir()]
    slices = [s for s in slices if "ImagePositionPatient" in s]
    first = slices[0]
    axes = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(*axes)
    slices.sort(key=lambda s: float(np.dot(normal, np.array(s.ImagePositionPatient, float))))
    first = slices[0]
    lps_to_ras = np.array([-1.0, -1.0, 1.0])
    origin = np.array(first.ImagePositionPatient, float) * lps_to_ras
    row, column = (axes[n] / np.linalg.norm(axes[n]) * lps_to_ras for n in range(2))
    values = first.pixel_array * float(first.get("RescaleSlope", 1)) + float(first.get("RescaleIntercept", 0))
    spacing = [float(v) for v in first.PixelSpacing]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        stored = folder / "measurements.json"
        stored.write_text(json.dumps({"version": 1, "measurements": measurements(origin, row, column)}))
        out = folder / "report.dcm"
        command = [args.voco, "report", stored, "--image", args.folder, "--out", out, "--json"]
        subprocess.run(command, check=True, capture_output=True)
        report = check_values(out, values, spacing)
        for name in ["StudyInstanceUID", "PatientID", "PatientName"]:
            assert report.get(name) == first.get(name, ""), name
        assert report.SeriesInstanceUID != first.SeriesInstanceUID
        instances = {s.SOPInstanceUID for s in slices} - {""}
        found = set()
        for study in report.get("CurrentRequestedProcedureEvidenceSequence", []):
            for series in study.ReferencedSeriesSequence:
                found |= {i.ReferencedSOPInstanceUID for i in series.ReferencedSOPSequence}
        assert found == instances, "the images that were measured on"
        kind = check_highdicom(out)
        # A volume that is no DICOM: nobody's report.
        nobody = folder / "nobody.dcm"
        volume = folder / "volume.nii.gz"
        subprocess.run([args.voco, "convert", args.folder, volume], check=True, capture_output=True)
        subprocess.run([args.voco, "report", stored, "--image", volume, "--out", nobody], check=True, capture_output=True)
        anonymous = check_values(nobody, values, spacing)
        assert str(anonymous.PatientName) == "" and anonymous.PatientID == ""
        assert anonymous.StudyInstanceUID != first.StudyInstanceUID
        check_highdicom(nobody)
        print(f"read back by pydicom {pydicom.__version__} and highdicom {highdicom.__version__} as {kind}: 8 measurements")


if __name__ == "__main__":
    main()
