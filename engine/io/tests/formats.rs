//! NRRD, `MetaImage` and OME-Zarr: what is put in comes out, whatever the encoding.

use std::io::Write;
use std::path::{Path, PathBuf};

use glam::{DAffine3, DMat3, DVec3};
use voco_io::{
    Control, Format, Opened, Segment, files_of, open, open_volume, save_segmentation, save_volume, save_volumes,
};
use voco_volume::{Code, Geometry, LabelTable, Rescale, Review, Status, Terms, Volume, VoxelType, Voxels};

const DIMS: [usize; 3] = [4, 3, 2];

fn values() -> Vec<i16> {
    (0..24).map(|n| 37 * n - 300).collect()
}

fn bytes(is_big: bool) -> Vec<u8> {
    values().iter().flat_map(|v| if is_big { v.to_be_bytes() } else { v.to_le_bytes() }).collect()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn bzip2(data: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn hex(data: &[u8]) -> Vec<u8> {
    data.iter().flat_map(|b| format!("{b:02x}\n").into_bytes()).collect()
}

fn text() -> Vec<u8> {
    values().iter().flat_map(|v| format!("{v} ").into_bytes()).collect()
}

fn opened(path: &Path) -> Opened {
    open(path, Control::NONE).unwrap_or_else(|e| panic!("{e}"))
}

fn stored(volume: &Volume) -> Vec<f64> {
    let mut out = Vec::new();
    volume.voxels().for_each(|v| out.push(v));
    out
}

fn expected() -> Vec<f64> {
    values().into_iter().map(f64::from).collect()
}

/// An oblique, sheared grid in LPS as a header has it, and in RAS.
fn geometry() -> ([DVec3; 3], DVec3, Geometry) {
    let axes = [DVec3::new(0.5, 0.1, 0.0), DVec3::new(-0.1, 0.75, 0.2), DVec3::new(0.0, -0.3, 2.0)];
    let origin = DVec3::new(12.5, -40.0, 7.25);
    let ras = DVec3::new(-1.0, -1.0, 1.0);
    let matrix = DMat3::from_cols(axes[0] * ras, axes[1] * ras, axes[2] * ras);
    let affine = DAffine3::from_mat3_translation(matrix, origin * ras);
    (axes, origin, Geometry::new(DIMS, affine).expect("regular"))
}

fn nrrd_header(encoding: &str, endian: &str, more: &str) -> String {
    let (axes, origin, _) = geometry();
    let vector = |v: DVec3| format!("({},{},{})", v.x, v.y, v.z);
    format!(
        "NRRD0005\n# a comment\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\nspace directions: {}\n\
         kinds: domain domain domain\nendian: {endian}\nencoding: {encoding}\nspace origin: {}\n{more}",
        axes.map(vector).join(" "),
        vector(origin)
    )
}

#[test]
fn nrrd_in_every_encoding_and_order_of_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.nrrd");
    for is_big in [false, true] {
        let endian = if is_big { "big" } else { "little" };
        let data = bytes(is_big);
        for (encoding, packed) in [
            ("raw", data.clone()),
            ("gzip", gzip(&data)),
            ("gz", gzip(&data)),
            ("bzip2", bzip2(&data)),
            ("hex", hex(&data)),
            ("ascii", text()),
        ] {
            let mut file = nrrd_header(encoding, endian, "\n").into_bytes();
            file.extend(packed);
            std::fs::write(&path, file).expect("writable");
            let opened = opened(&path);
            assert_eq!(opened.kind, Format::Nrrd);
            assert_eq!(stored(&opened.volume), expected(), "{encoding}, {endian}");
            assert!(opened.volume.geometry().is_same_grid(&geometry().2, 1e-9), "{encoding}");
        }
    }
}

#[test]
fn nrrd_with_its_voxels_in_other_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let data = bytes(false);
    std::fs::write(at("a.raw"), &data).expect("writable");
    std::fs::write(at("long.raw"), [&[9_u8; 33][..], &data].concat()).expect("writable");
    std::fs::write(at("lines.raw"), [&b"one\ntwo\n"[..], &data].concat()).expect("writable");
    std::fs::write(at("a.gz"), gzip(&data)).expect("writable");
    std::fs::write(at("s1.raw"), &data[..24]).expect("writable");
    std::fs::write(at("s2.raw"), &data[24..]).expect("writable");
    for (encoding, more, count) in [
        ("raw", "data file: a.raw\n", 2),
        ("raw", "data file: ./a.raw\n", 2),
        ("raw", "byte skip: 33\ndata file: long.raw\n", 2),
        ("raw", "byte skip: -1\ndata file: long.raw\n", 2),
        ("raw", "line skip: 2\ndata file: lines.raw\n", 2),
        ("gzip", "data file: a.gz\n", 2),
        ("raw", "data file: LIST\ns1.raw\ns2.raw\n", 3),
        ("raw", "data file: s%d.raw 1 2 1\n", 3),
    ] {
        let path = at("a.nhdr");
        std::fs::write(&path, nrrd_header(encoding, "little", more)).expect("writable");
        assert_eq!(stored(&opened(&path).volume), expected(), "{more}");
        assert_eq!(files_of(&path).len(), count, "{more}");
    }
    std::fs::write(at("a.nhdr"), nrrd_header("raw", "little", "data file: absent.raw\n")).expect("writable");
    let error = open(&at("a.nhdr"), Control::NONE).expect_err("no voxels").to_string();
    assert!(error.contains("absent.raw") && error.lines().count() == 1, "{error}");
}

#[test]
fn nrrd_spacings_spaces_and_components() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.nrrd");
    let write = |header: &str, data: &[u8]| {
        std::fs::write(&path, [header.as_bytes(), data].concat()).expect("writable");
    };
    let head = "NRRD0004\ntype: int16\nendian: little\nencoding: raw\n";
    write(&format!("{head}dimension: 3\nsizes: 4 3 2\nspacings: 0.5 0.75 2\n\n"), &bytes(false));
    let plain = opened(&path);
    assert_eq!(plain.volume.geometry().spacing_mm().to_array(), [0.5, 0.75, 2.0]);
    assert!(plain.warnings[0].contains("no directions"), "{:?}", plain.warnings);
    let space = "space: right-anterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (1,2,3)\n";
    write(&format!("{head}dimension: 3\nsizes: 4 3 2\n{space}\n"), &bytes(false));
    let ras = opened(&path).volume.geometry().world_from_voxel();
    assert_eq!((ras.translation, ras.matrix3.x_axis), (DVec3::new(1.0, 2.0, 3.0), DVec3::new(2.0, 0.0, 0.0)));
    // Components at one place, and volumes one after the other.
    let inner = "kinds: list domain domain domain\nspace: LPS\nspace directions: none (1,0,0) (0,1,0) (0,0,1)\n";
    write(&format!("{head}dimension: 4\nsizes: 2 3 2 2\n{inner}\n"), &bytes(false));
    let second = open_volume(&path, 1, Control::NONE).expect("readable");
    assert_eq!((second.num_components, second.volume.dims()), (2, [3, 2, 2]));
    assert_eq!(stored(&second.volume), expected().into_iter().skip(1).step_by(2).collect::<Vec<_>>());
    let outer = "kinds: domain domain domain time\nspace: LPS\nspace directions: (1,0,0) (0,1,0) (0,0,1) none\n";
    write(&format!("{head}dimension: 4\nsizes: 3 2 2 2\n{outer}\n"), &bytes(false));
    let second = open_volume(&path, 1, Control::NONE).expect("readable");
    assert_eq!(stored(&second.volume), expected()[12..]);
}

#[test]
fn a_segmentation_comes_back_with_names_colours_and_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("case.seg.nrrd");
    let (_, _, grid) = geometry();
    let layers: [Vec<u16>; 2] = [(0..24).map(|n| n % 3).collect(), (0..24).map(|n| n / 20).collect()];
    let segment = |layer, value, name: &str, color| Segment {
        layer,
        value,
        name: name.into(),
        color: Some(color),
        terms: Terms::default(),
        review: Review::default(),
    };
    let mut segments = [
        segment(0, 1, "liver", [200, 10, 30]),
        segment(0, 2, "left kidney", [0, 255, 7]),
        segment(1, 1, "tumour", [9, 9, 9]),
    ];
    let tumour_in_liver = Terms {
        category: Some(Code::snomed("49755003", "Morphologically Altered Structure")),
        kind: Some(Code::snomed("108369006", "Neoplasm")),
        region: Some(Code::snomed("10200004", "Liver")),
        ..Terms::default()
    };
    segments[2].terms = tumour_in_liver;
    segments[1].review =
        Review { status: Status::Flagged, locked: true, hidden: true, comment: "too large: see k 12".into() };
    segments[2].review.status = Status::Done;
    save_segmentation(&path, &grid, &[&layers[0], &layers[1]], &segments, Control::NONE).expect("saved");
    for (number, labels) in layers.iter().enumerate() {
        let opened = open_volume(&path, number, Control::NONE).expect("readable");
        assert_eq!((opened.num_components, opened.volume.voxels().voxel_type()), (2, VoxelType::U8));
        assert_eq!(stored(&opened.volume), labels.iter().map(|&l| f64::from(l)).collect::<Vec<_>>());
        assert_eq!(opened.segments, segments);
        assert!(opened.volume.geometry().is_same_grid(&grid, 1e-9));
        let mut table = LabelTable::from_ids([1, 2], |_| None);
        assert!(opened.name_labels(&mut table));
        let first = table.get(1).expect("an entry");
        assert_eq!((first.name.as_str(), first.color), [("liver", [200, 10, 30]), ("tumour", [9, 9, 9])][number]);
    }
}

/// A line of a file that 3D Slicer 5 saved (`Segmentation.seg.nrrd` of its test data), and one of a segment that nobody coded.
#[test]
fn terms_are_written_and_read_as_3d_slicer_does() {
    const RIB: &str = "Segment0_Tags:=Segmentation.Status:inprogress|TerminologyEntry:Segmentation category and type - 3D Slicer \
        General Anatomy list~SCT^123037004^Anatomical Structure~SCT^113197003^Rib~^^~Anatomic codes - DICOM master list~^^~^^|";
    const TISSUE: &str = "Segment1_Tags:=TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list\
        ~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^|";
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slicer.seg.nrrd");
    let head = "NRRD0004\ntype: unsigned char\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\n\
        space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: raw\nspace origin: (0,0,0)\n\
        Segment0_ID:=Segment_1\nSegment0_LabelValue:=1\nSegment0_Name:=ribs\n";
    let text = format!("{head}{RIB}\nSegment1_ID:=Segment_2\nSegment1_LabelValue:=2\nSegment1_Name:=x\n{TISSUE}\n\n");
    std::fs::write(&path, [text.as_bytes(), &[1_u8; 24]].concat()).expect("writable");
    let read = opened(&path).segments;
    let rib = Terms {
        category: Some(Code::snomed("123037004", "Anatomical Structure")),
        kind: Some(Code::snomed("113197003", "Rib")),
        ..Terms::default()
    };
    assert_eq!((&read[0].terms, &read[1].terms), (&rib, &Terms::default()));
    let again = folder.path().join("again.seg.nrrd");
    save_segmentation(&again, opened(&path).volume.geometry(), &[&[1; 24]], &read, Control::NONE).expect("saved");
    let bytes = std::fs::read(&again).expect("there");
    let written = String::from_utf8_lossy(&bytes);
    assert_eq!([read[0].review.status, read[1].review.status], [Status::InProgress, Status::NotStarted]);
    assert!(written.lines().any(|line| line == RIB), "{written}");
    assert!(!written.contains("Segment1_Tags"), "nobody coded it");
}

#[test]
fn volumes_are_written_as_nrrd_and_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, _, grid) = geometry();
    let voxels = Voxels::I16(values().into());
    let volume = Volume::new(grid, voxels.clone(), Rescale::IDENTITY).expect("a volume");
    let path = folder.path().join("a.nrrd");
    save_volume(&path, &volume, Control::NONE).expect("saved");
    let back = opened(&path).volume;
    assert_eq!((back.voxels().voxel_type(), stored(&back)), (VoxelType::I16, expected()));
    assert!(back.geometry().is_same_grid(&grid, 1e-9));
    // What NRRD cannot say, it has in its voxels.
    let shifted = Volume::new(grid, voxels.clone(), Rescale { slope: 1.0, inter: -1024.0 }).expect("a volume");
    save_volume(&path, &shifted, Control::NONE).expect("saved");
    let back = opened(&path).volume;
    assert_eq!(back.voxels().voxel_type(), VoxelType::I16);
    assert_eq!(back.to_f32(), shifted.to_f32());
    let scaled = Volume::new(grid, voxels, Rescale { slope: 0.25, inter: 1.0 }).expect("a volume");
    save_volume(&path, &scaled, Control::NONE).expect("saved");
    assert_eq!(opened(&path).volume.to_f32(), scaled.to_f32());
    for name in ["series.nrrd", "series.nii.gz", "series.nii"] {
        let path = folder.path().join(name);
        save_volumes(&path, &[volume.clone(), shifted_copy(&volume)], Control::NONE).expect("saved");
        let second = open_volume(&path, 1, Control::NONE).expect("readable");
        assert_eq!((second.num_components, second.volume.to_f32()), (2, shifted_copy(&volume).to_f32()), "{name}");
    }
}

fn shifted_copy(volume: &Volume) -> Volume {
    let voxels = Voxels::I16(values().iter().map(|v| v + 5).collect());
    Volume::new(*volume.geometry(), voxels, Rescale::IDENTITY).expect("a volume")
}

fn meta_header(more: &str) -> String {
    let (axes, origin, _) = geometry();
    let lengths = axes.map(DVec3::length);
    let unit = [axes[0] / lengths[0], axes[1] / lengths[1], axes[2] / lengths[2]];
    let text = |v: DVec3| format!("{} {} {}", v.x, v.y, v.z);
    format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nTransformMatrix = {}\nOffset = {}\nElementSpacing = {} {} {}\n\
         DimSize = 4 3 2\nElementType = MET_SHORT\n{more}",
        unit.map(text).join(" "),
        text(origin),
        lengths[0],
        lengths[1],
        lengths[2]
    )
}

#[test]
fn meta_images_in_one_file_and_in_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let data = bytes(false);
    std::fs::write(at("a.raw"), &data).expect("writable");
    std::fs::write(at("big.raw"), bytes(true)).expect("writable");
    std::fs::write(at("a.zraw"), zlib(&data)).expect("writable");
    std::fs::write(at("skip.raw"), [&[1_u8; 10][..], &data].concat()).expect("writable");
    std::fs::write(at("s01.raw"), &data[..24]).expect("writable");
    std::fs::write(at("s02.raw"), &data[24..]).expect("writable");
    let cases: [(&str, Vec<u8>); 9] = [
        ("BinaryDataByteOrderMSB = False\nElementDataFile = LOCAL\n", data.clone()),
        ("BinaryDataByteOrderMSB = True\nElementDataFile = LOCAL\n", bytes(true)),
        ("CompressedData = True\nElementDataFile = LOCAL\n", zlib(&data)),
        ("ElementDataFile = a.raw\n", Vec::new()),
        ("ElementByteOrderMSB = True\nElementDataFile = big.raw\n", Vec::new()),
        ("CompressedData = True\nElementDataFile = a.zraw\n", Vec::new()),
        ("HeaderSize = -1\nElementDataFile = skip.raw\n", Vec::new()),
        ("ElementDataFile = LIST\ns01.raw\ns02.raw\n", Vec::new()),
        ("ElementDataFile = s%02d.raw 1 2 1\n", Vec::new()),
    ];
    for (more, data) in cases {
        let path = at("a.mha");
        std::fs::write(&path, [meta_header(more).as_bytes(), &data].concat()).expect("writable");
        let opened = opened(&path);
        assert_eq!((opened.kind, stored(&opened.volume)), (Format::MetaImage, expected()), "{more}");
        assert!(opened.volume.geometry().is_same_grid(&geometry().2, 1e-9), "{more}");
    }
    // Text, and channels at one place.
    let text_header = meta_header("ElementDataFile = LOCAL\n").replace("BinaryData = True", "BinaryData = False");
    std::fs::write(at("a.mha"), [text_header.as_bytes(), &text()].concat()).expect("writable");
    assert_eq!(stored(&opened(&at("a.mha")).volume), expected());
    let channels = meta_header("ElementNumberOfChannels = 2\nElementDataFile = LOCAL\n").replace("4 3 2", "2 3 2");
    std::fs::write(at("a.mha"), [channels.as_bytes(), &data].concat()).expect("writable");
    let second = open_volume(&at("a.mha"), 1, Control::NONE).expect("readable");
    assert_eq!(stored(&second.volume), expected().into_iter().skip(1).step_by(2).collect::<Vec<_>>());
}

fn zarr(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/zarr").join(format!("{name}.zarr"))
}

#[test]
fn zarr_of_both_versions_and_all_codecs() {
    for name in
        ["v2_blosc", "v2_blosc_bits", "v2_blosclz", "v2_zlib_big", "v2_plain", "v3_zstd", "v3_gzip", "v3_shards"]
    {
        let opened = opened(&zarr(name));
        let volume = &opened.volume;
        assert_eq!((opened.kind, volume.dims()), (Format::OmeZarr, [7, 6, 5]), "{name}");
        for (n, value) in stored(volume).into_iter().enumerate() {
            let (x, y, z) = (n % 7, n / 7 % 6, n / 42);
            assert_eq!(value, (100 * z + 10 * y + x) as f64 - 50.0, "{name} at {x}, {y}, {z}");
        }
        let affine = volume.geometry().world_from_voxel();
        assert_eq!(volume.geometry().spacing_mm().to_array(), [0.5, 0.75, 2.5], "{name}: micrometres of z");
        assert!((affine.translation - DVec3::new(30.0, -20.0, 10.0)).length() < 1e-9, "{name}: {affine:?}");
        assert!(opened.warnings.iter().any(|w| w.contains("LPS is assumed")), "{name}");
    }
    let fourth = open_volume(&zarr("v3_zstd"), 3, Control::NONE).expect("readable");
    assert_eq!((fourth.num_components, fourth.volume.value([1, 0, 0])), (4, Some(1000.0 + 500.0 + 1.0 - 50.0)));
    let sparse = opened(&zarr("v3_sparse")).volume;
    assert_eq!((sparse.value([1, 1, 1]), sparse.value([6, 5, 4])), (Some(1.0), Some(-7.0)), "the fill value");
}
