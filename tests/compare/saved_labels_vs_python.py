"""Reads back with nibabel, SimpleITK, pydicom, highdicom and VTK what voco saves of a label map, and compares voxels and geometry.

    pip install numpy nibabel SimpleITK pydicom highdicom vtk
    python3 tests/compare/saved_labels_vs_python.py VOCO DICOM_FOLDER LABELS.nii.gz TERMS.csv

The folder holds one CT series and the label map lies on its grid (shared/data/dicom/ts_ct_j2k and ct/ts_abdomen_slab_label.nii.gz do).
NIfTI, .seg.nrrd and DICOM SEG must hold the same voxels at the same places; contours of an RTSTRUCT, filled by VTK's rules of even and odd,
may differ by their rims; the terms of segments must be those of TERMS.csv, the file
totalsegmentator/resources/totalsegmentator_snomed_mapping.csv of TotalSegmentator 2.18.0; smoothed surfaces must enclose the segments' volume within 2 percent in all, within 10 each. Exit status 1 if something is wrong.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import SimpleITK
import vtk
from vtk.util.numpy_support import vtk_to_numpy

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
failures = []


def check(name, fine, what):
    print(f"{'ok    ' if fine else 'WRONG '} {name:<34} {what}")
    if not fine:
        failures.append(name)


def voco(program, *arguments):
    done = subprocess.run([program, "labels", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sitk_affine(image):
    directions = np.array(image.GetDirection()).reshape(3, 3)
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS @ affine


def by_world(labels, affine, other_affine, shape):
    """Labels on another grid with the same voxels, by place."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    moved = index @ (np.linalg.inv(affine) @ other_affine)[:3, :3].T + (np.linalg.inv(affine) @ other_affine)[:3, 3]
    rounded = np.rint(moved).astype(int)
    assert np.abs(moved - rounded).max() < 1e-2, "the grids differ"
    return labels[tuple(rounded.T)].reshape(shape)


def main():
    program, series, labels = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with open(sys.argv[4], newline="") as table:
        terms = {row[0]: row for row in csv.reader(table)}
    truth = nibabel.load(labels)
    values, affine = np.asanyarray(truth.dataobj).astype(np.uint16), truth.affine
    ids = [int(n) for n in np.unique(values) if n]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        said = json.loads(voco(program, labels, out / "a.nii.gz", "--names", "totalsegmentator", "--json"))
        check("segments", sorted(s["value"] for s in said["segments"]) == ids, f"{len(ids)} of them")
        counts = {s["value"]: s["voxels"] for s in said["segments"]}
        check("voxels of each", all(counts[n] == int((values == n).sum()) for n in ids), "as numpy counts them")
        names = {s["value"]: s["name"] for s in said["segments"]}

        again = nibabel.load(out / "a.nii.gz")
        same = np.array_equal(np.asanyarray(again.dataobj), values) and np.allclose(again.affine, affine, atol=1e-4)
        check("NIfTI by nibabel", same, "voxels and affine")

        voco(program, labels, out / "a.seg.nrrd", "--names", "totalsegmentator")
        nrrd = SimpleITK.ReadImage(str(out / "a.seg.nrrd"))
        read = SimpleITK.GetArrayFromImage(nrrd).transpose(2, 1, 0)
        same = np.array_equal(read, values) and np.allclose(sitk_affine(nrrd), affine, atol=1e-3)
        told = {int(nrrd.GetMetaData(f"Segment{n}_LabelValue")): nrrd.GetMetaData(f"Segment{n}_Name") for n in range(len(ids))}
        check(".seg.nrrd by SimpleITK", same and told == names, "voxels, affine, names")
        wanted = {name: codes_of(name, terms) for name in names.values()}
        tags = {}
        for n in range(len(ids)):
            entry = nrrd.GetMetaData(f"Segment{n}_Tags").split("TerminologyEntry:")[1].rstrip("|").split("~")
            tags[nrrd.GetMetaData(f"Segment{n}_Name")] = [tuple(entry[at].split("^")[:2]) for at in (1, 2, 3, 5, 6)]
        check("terms in .seg.nrrd by SimpleITK", tags == wanted, f"{len(wanted)} as TotalSegmentator's table has them")

        voco(program, labels, out / "seg.dcm", "--image", series, "--names", "totalsegmentator")
        segmentation = highdicom.seg.segread(str(out / "seg.dcm"))
        geometry = segmentation.get_volume_geometry()
        volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=True)
        numbers = {n: names_of for n, names_of in enumerate((s.SegmentLabel for s in segmentation.SegmentSequence), 1)}
        seg_affine = LPS @ volume.affine
        placed = by_world(volume.array, seg_affine, affine, values.shape) if geometry is not None else None
        by_name = {name: n for n, name in numbers.items()}
        expected = np.zeros_like(values)
        for n in ids:
            expected[values == n] = by_name[names[n]]
        check("DICOM SEG by highdicom", placed is not None and np.array_equal(placed, expected), f"{len(numbers)} segments, voxels and places")
        source = pydicom.dcmread(sorted(series.iterdir())[0], stop_before_pixels=True)
        kept = segmentation.StudyInstanceUID == source.StudyInstanceUID
        kept &= segmentation.FrameOfReferenceUID == source.FrameOfReferenceUID
        check("DICOM SEG by pydicom", kept, "study and frame of reference of the series")
        data = pydicom.dcmread(out / "seg.dcm", stop_before_pixels=True)
        coded = {segment.SegmentLabel: codes_of_segment(segment) for segment in data.SegmentSequence}
        check("terms in DICOM SEG by pydicom", coded == wanted, f"{len(wanted)} as TotalSegmentator's table has them")
        own = [segmentation.get_segment_description(n) for n in range(1, len(ids) + 1)]
        same = all((s.segmented_property_type.scheme_designator, s.segmented_property_type.value) == wanted[s.segment_label][1] for s in own)
        check("terms in DICOM SEG by highdicom", same, "types of all segments")

        voco(program, labels, out / "rt.dcm", "--image", series, "--as", "rtstruct", "--names", "totalsegmentator")
        structures = pydicom.dcmread(out / "rt.dcm")
        dice = contours(structures, values, affine, names)
        check("RTSTRUCT by pydicom", min(dice.values()) > 0.9, f"Dice {min(dice.values()):.3f} to {max(dice.values()):.3f} when filled")

        for space, options in (("RAS", []), ("LPS", ["--lps"])):
            voco(program, labels, out / f"{space}.stl", "--names", "totalsegmentator", *options)
            worst, off, total, wrong = 0.0, 0.0, 0.0, 0.0
            for n in ids:
                path = out / f"{space}_{''.join(c if c.isalnum() or c == '-' else '_' for c in names[n])}.stl"
                reader = vtk.vtkSTLReader()
                reader.SetFileName(str(path))
                reader.Update()
                mass = vtk.vtkMassProperties()
                mass.SetInputConnection(reader.GetOutputPort())
                voxels = int((values == n).sum())
                if voxels < 500:
                    continue
                expected = voxels * abs(np.linalg.det(affine[:3, :3]))
                worst = max(worst, abs(mass.GetVolume() / expected - 1))
                total, wrong = total + expected, wrong + abs(mass.GetVolume() - expected)
                points = vtk_to_numpy(reader.GetOutput().GetPoints().GetData()).mean(0)
                center = affine[:3, :3] @ np.argwhere(values == n).mean(0) + affine[:3, 3]
                if space == "LPS":
                    center = center * [-1, -1, 1]
                extent = np.ptp(np.argwhere(values == n), axis=0).max() * np.abs(affine[:3, :3]).max()
                off = max(off, float(np.linalg.norm(points - center)) / extent)
            fine = worst < 0.1 and wrong < 0.02 * total and off < 0.25
            check(f"STL ({space}) by VTK", fine, f"volumes within {100 * worst:.1f} % each, {100 * wrong / total:.1f} % in all, at their places")
    sys.exit(bool(failures))


def codes_of(name, terms):
    """Category, type, modifier, region and its modifier, as TotalSegmentator's own table codes a class."""
    row = terms[name.replace(" ", "_")]
    return [(row[n], row[n + 1]) for n in (1, 4, 7, 10, 13)]


def codes_of_segment(segment):
    def code(item, name):
        found = item.get(name) if item is not None else None
        return (found[0].CodingSchemeDesignator, found[0].CodeValue) if found else ("", "")

    def first(name):
        found = segment.get(name)
        return found[0] if found else None

    kind, region = first("SegmentedPropertyTypeCodeSequence"), first("AnatomicRegionSequence")
    return [
        code(segment, "SegmentedPropertyCategoryCodeSequence"),
        code(segment, "SegmentedPropertyTypeCodeSequence"),
        code(kind, "SegmentedPropertyTypeModifierCodeSequence"),
        code(segment, "AnatomicRegionSequence"),
        code(region, "AnatomicRegionModifierSequence"),
    ]


def contours(structures, values, affine, names):
    """Dice of each structure, its contours filled on the voxels' centres."""
    numbers = {roi.ROINumber: roi.ROIName for roi in structures.StructureSetROISequence}
    inverse = np.linalg.inv(affine)
    found = {}
    for item in structures.ROIContourSequence:
        name = numbers[item.ReferencedROINumber]
        mask = np.zeros(values.shape, bool)
        for contour in item.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3) * [-1, -1, 1]
            voxel = points @ inverse[:3, :3].T + inverse[:3, 3]
            k = int(round(voxel[:, 2].mean()))
            mask[:, :, k] ^= polygon(voxel[:, :2], values.shape[:2])
        n = next(n for n, title in names.items() if title == name)
        truth = values == n
        found[name] = 2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum())
    return found


def polygon(corners, shape):
    """Even and odd crossings of rays along the first axis."""
    inside = np.zeros(shape, bool)
    x = np.arange(shape[0])[:, None]
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0)):
        low, high = min(y0, y1), max(y0, y1)
        rows = np.arange(max(0, int(np.ceil(low))), min(shape[1], int(np.floor(high)) + 1))
        rows = rows[(rows >= low) & (rows < high)]
        if len(rows):
            crossing = x0 + (rows - y0) / (y1 - y0) * (x1 - x0)
            inside[:, rows] ^= x < crossing[None, :]
    return inside


main()
