//! Files that are cut off or changed anywhere open or are refused with one sentence; nothing panics.

use std::path::{Path, PathBuf};

use voco_io::{Control, open};

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| ["dcm", "nii", "gz", "nrrd", "hdr"].iter().any(|known| e == *known))
        {
            out.push(path);
        }
    }
}

/// A number that looks random, the same in every run.
fn scramble(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

#[test]
fn damaged_files_are_refused_in_one_sentence() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    files(&root.join("tests/fixtures/dicom/syntaxes"), &mut all);
    files(&root.join("tests/fixtures/dicom/enhanced"), &mut all);
    files(&root.join("tests/fixtures/nifti"), &mut all);
    // Real and odd files of others, where they are.
    files(&root.join("../shared/data/odd"), &mut all);
    files(&root.join("../shared/data/nrrd"), &mut all);
    assert!(all.len() > 20, "there are files");
    let folder = tempfile::tempdir().expect("a folder");
    let mut num_refused = 0;
    for (number, path) in all.iter().enumerate() {
        let whole = std::fs::read(path).expect("readable");
        let copy = folder.path().join(path.file_name().expect("a name"));
        let mut check = |bytes: &[u8], what: &str| {
            std::fs::write(&copy, bytes).expect("writable");
            if let Err(error) = open(&copy, Control::NONE) {
                let text = error.to_string();
                let name = path.file_name().expect("a name").to_string_lossy();
                assert!(text.lines().count() == 1 && text.starts_with(&*name), "{what}: {text}");
                assert!(!text.contains(folder.path().to_str().expect("text")), "{what}: {text}");
                num_refused += 1;
            }
        };
        let large = whole.len() > 100_000;
        for n in 0..if large { 6 } else { 24 } {
            let len = scramble((number * 1000 + n) as u64) as usize % whole.len().max(1);
            // Short ones too: headers end early.
            let len = if n % 2 == 0 { len % 600 } else { len };
            check(&whole[..len.min(whole.len())], &format!("{} cut to {len}", path.display()));
        }
        for n in 0..if large { 8 } else { 48 } {
            let mut bytes = whole.clone();
            for m in 0..=n % 4 {
                let random = scramble((number * 7919 + n * 31 + m) as u64);
                let span = if n % 3 == 0 { bytes.len() } else { bytes.len().min(1500) };
                let at = (random >> 8) as usize % span.max(1);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if n % 5 == 0 { 0xff } else { random as u8 };
                }
            }
            check(&bytes, &format!("{} changed ({n})", path.display()));
        }
    }
    assert!(num_refused > 100, "{num_refused} of them were refused");
}

#[test]
fn a_header_that_claims_much_takes_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: [(&str, &[u8]); 6] = [
        ("a.nrrd", b"NRRD0004\ntype: double\ndimension: 3\nsizes: 100000 100000 100000\nencoding: raw\nendian: little\n\n1234"),
        ("b.nrrd", b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 60000 60000 60000\nencoding: gzip\n\n\x1f\x8b\x08\0\0\0"),
        ("c.nrrd", b"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 99999999999 99999999999 9\nencoding: ascii\n\n1 2 3"),
        ("d.mha", b"ObjectType = Image\nNDims = 3\nDimSize = 90000 90000 90000\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n12"),
        ("e.mha", b"ObjectType = Image\nNDims = 3\nDimSize = 9 9 9\nElementType = MET_FLOAT\nCompressedData = True\nElementDataFile = LOCAL\n12"),
        ("f.mha", b"ObjectType = Image\nNDims = 3\nDimSize = 9 9 9\nElementType = MET_FLOAT\nElementDataFile = ../../etc/passwd\n"),
    ];
    for (name, bytes) in cases {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        let text = open(&path, Control::NONE).expect_err("refused").to_string();
        assert!(text.starts_with(name) && text.lines().count() == 1, "{text}");
    }
}
