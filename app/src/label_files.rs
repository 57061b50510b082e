//! Saving labels: as voxels, as DICOM, as surfaces, as tables of names.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use voco_io::{Control, Segment, Series, SeriesLabels, image_stem, save_labels, save_segmentation};
use voco_label::mesh::{MeshFormat, Smoothing, Space, surface_mesh, write_mesh};
use voco_label::{LabelVolume, Watch};
use voco_labelstore::{
    Document, PresetEntry, preset_from_json, read_table as parse_table, write_itksnap, write_slicer,
};
use voco_ui::labelling::FlatLabels;
use voco_ui::{LabelFormat, i18n};
use voco_volume::{Review, Volume};

/// A table of labels is a few kilobytes.
const MAX_TABLE_BYTES: u64 = 16 << 20;

/// A label map that is to be saved.
pub(crate) struct SaveLabels {
    /// As the user chose it.
    pub path: PathBuf,
    pub format: LabelFormat,
    /// Surfaces in DICOM's axes.
    pub lps: bool,
    /// All of it.
    pub flat: FlatLabels,
    /// The change that it is the state after.
    pub change: u64,
    /// The image it was made on.
    pub image: Volume,
    /// The series that the image came from.
    pub series: Option<Series>,
    /// Files of open images: never to be written over.
    pub images: Vec<PathBuf>,
}

/// Saves labels, what was there before is kept beside as `.bak`. Returns what to tell the user.
///
/// # Errors
/// One sentence on why it cannot be, with the file's name. Then what was there before is still there.
pub(crate) fn save(save: &SaveLabels, control: Control<'_>) -> Result<String, String> {
    let name = name_of(&save.path);
    if save.images.iter().flat_map(|image| files_of(image)).any(|image| is_same_file(&image, &save.path)) {
        return Err(i18n::text_with("tell-is-open-image", [("name", name.into())]));
    }
    let failed = |e: &dyn std::fmt::Display| format!("{name}: {e}.");
    let document = &save.flat.document;
    let told = match save.format {
        LabelFormat::Nifti => {
            back_up(&save.path)?;
            save_nifti(save, control)?
        }
        LabelFormat::SegNrrd => {
            back_up(&save.path)?;
            with_layers(document, |layers, segments| {
                save_segmentation(&save.path, document.geometry(), layers, segments, control).map_err(|e| e.to_string())
            })?;
            i18n::text_with("tell-saved", [("name", name.as_str().into())])
        }
        LabelFormat::DicomSeg | LabelFormat::RtStruct => {
            let Some(series) = &save.series else {
                return Err(i18n::text_with("tell-no-dicom-series", [("name", name.into())]));
            };
            back_up(&save.path)?;
            with_layers(document, |layers, segments| {
                let labels = SeriesLabels { series, geometry: document.geometry(), layers, segments };
                let saved = if save.format == LabelFormat::DicomSeg {
                    voco_io::save_dicom_segmentation(&save.path, labels, control)
                } else {
                    voco_io::save_structure_set(&save.path, labels, control)
                };
                saved.map_err(|e| e.to_string())
            })?;
            i18n::text_with("tell-saved", [("name", name.as_str().into())])
        }
        LabelFormat::ItkSnapTable | LabelFormat::SlicerTable => {
            back_up(&save.path)?;
            let is_slicer = save.format == LabelFormat::SlicerTable;
            let text = if is_slicer { write_slicer(document.segments()) } else { write_itksnap(document.segments()) };
            crate::folders::write_whole(&save.path, text.as_bytes()).map_err(|e| failed(&e.kind()))?;
            i18n::text_with("tell-saved", [("name", name.as_str().into())])
        }
        LabelFormat::Stl | LabelFormat::Obj | LabelFormat::Ply | LabelFormat::Glb => save_meshes(save, control)?,
    };
    if save.format.is_whole() {
        crate::window::mark_saved(&save.image, save.change);
    }
    Ok(told)
}

/// Files that were backed up since the program began, and whether their backup is the first one.
static BACKED_UP: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());

/// Keeps what is at a path beside it, under its name with `.bak`. What was there before the program wrote it for the first time moves
/// on to `.first.bak` with the second backup, and stays.
fn back_up(path: &Path) -> Result<(), String> {
    if !path.exists() {
        return Ok(());
    }
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = name_of(path);
    let [backup, first] = ["bak", "first.bak"].map(|ending| path.with_file_name(format!("{name}.{ending}")));
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut known = BACKED_UP.lock();
    let keep = || -> std::io::Result<()> {
        // A copy: if the save fails, the file itself must still be there.
        let mut copy = tempfile::NamedTempFile::new_in(folder)?;
        std::io::copy(&mut std::fs::File::open(path)?, &mut copy)?;
        copy.as_file().sync_all()?;
        if known.get(&real) == Some(&true) && backup.exists() {
            std::fs::rename(&backup, &first)?;
        }
        copy.persist(&backup)?;
        Ok(())
    };
    keep().map_err(|e| {
        i18n::text_with("tell-no-backup", [("name", name.into()), ("why", e.kind().to_string().into())])
    })?;
    known.entry(real).and_modify(|is_first| *is_first = false).or_insert(true);
    Ok(())
}

/// The layers with one id per voxel, and their segments, as writers of files take them.
fn with_layers<R>(
    document: &Document,
    write: impl FnOnce(&[&[u16]], &[Segment]) -> Result<R, String>,
) -> Result<R, String> {
    let ids: Vec<_> = document.layers().map(|layer| layer.id).collect();
    let mut layers = Vec::new();
    for &id in &ids {
        layers.push(dense(document.layer(id).map_err(|e| e.to_string())?)?);
    }
    let segment = |s: &voco_labelstore::Segment| {
        let layer = ids.iter().position(|id| *id == s.layer)?;
        let review = Review { status: s.status, locked: s.locked, hidden: !s.visible, comment: s.comment.clone() };
        let (name, terms) = (s.name.clone(), s.terms.clone());
        Some(Segment { layer, value: s.value, name, color: Some(s.color), terms, review })
    };
    let segments: Vec<Segment> = document.segments().iter().filter_map(segment).collect();
    let borrowed: Vec<&[u16]> = layers.iter().map(Vec::as_slice).collect();
    write(&borrowed, &segments)
}

fn dense(volume: &LabelVolume) -> Result<Vec<u16>, String> {
    let part = voco_label::VoxelBox { min: [0; 3], max: volume.dims() };
    volume.read_box(&part).map_err(|e| i18n::text_with("tell-labels-failed", [("problem", e.to_string().into())]))
}

/// NIfTI with the names of its ids beside as JSON. Segments that overlap become volumes of one file; their ids stay apart.
fn save_nifti(save: &SaveLabels, control: Control<'_>) -> Result<String, String> {
    let name = name_of(&save.path);
    let document = &save.flat.document;
    let failed = |e: &dyn std::fmt::Display| format!("{name}: {e}.");
    // Hidden segments are saved, too: what is hidden is not gone.
    let all = Arc::new(shown(document).map_err(|e| failed(&e))?);
    let ids = voco_ui::labelling::DisplayIds::of(&all);
    let table = ids.table(&all);
    let names: BTreeMap<String, String> = table.entries().iter().map(|e| (e.id.to_string(), e.name.clone())).collect();
    let text = serde_json::to_vec_pretty(&names).map_err(|e| failed(&e))?;
    let mut layers: Vec<Vec<u16>> = Vec::new();
    for layer in all.layers() {
        let mut values = dense(all.layer(layer.id).map_err(|e| failed(&e))?)?;
        let mut new = vec![0_u16; 1 << 16];
        for segment in all.segments().iter().filter(|s| s.layer == layer.id) {
            new[usize::from(segment.value)] = ids.id(&all, segment.id).unwrap_or(0);
        }
        for value in &mut values {
            *value = new[usize::from(*value)];
        }
        layers.push(values);
    }
    let overlaps = overlap(&layers);
    if !overlaps && layers.len() > 1 {
        let mut rest = layers.split_off(1);
        for layer in rest.drain(..) {
            layers[0].iter_mut().zip(layer).filter(|(_, over)| *over != 0).for_each(|(value, over)| *value = over);
        }
    }
    let geometry = document.geometry();
    match &layers[..] {
        [one] => save_labels(&save.path, geometry, one, control).map_err(|e| e.to_string())?,
        many => {
            let many: Vec<&[u16]> = many.iter().map(Vec::as_slice).collect();
            save_segmentation(&save.path, geometry, &many, &[], control).map_err(|e| e.to_string())?;
        }
    }
    // After the voxels: were they not written, the names that are there belong to what is there.
    let names_file = names_beside(&save.path);
    back_up(&names_file)?;
    crate::folders::write_whole(&names_file, &text).map_err(|e| {
        i18n::text_with(
            "tell-names-not-written",
            [("name", name.as_str().into()), ("why", e.kind().to_string().into())],
        )
    })?;
    let mut told = if overlaps {
        i18n::text_with("tell-saved-overlapping", [("name", name.into()), ("count", layers.len().into())])
    } else {
        i18n::text_with("tell-saved-with-names", [("name", name.into())])
    };
    if ids.num_renumbered() > 0 {
        told = format!("{told} {}", i18n::text_with("tell-saved-renumbered", [("count", ids.num_renumbered().into())]));
    }
    Ok(told)
}

/// The document with all segments visible.
fn shown(document: &Document) -> Result<Document, voco_labelstore::StoreError> {
    let mut all = document.frozen();
    for id in document.segments().iter().map(|s| s.id) {
        all.update_segment(id, "", |segment| segment.visible = true)?;
    }
    Ok(all)
}

fn overlap(layers: &[Vec<u16>]) -> bool {
    let Some((first, rest)) = layers.split_first() else { return false };
    if rest.is_empty() {
        return false;
    }
    (0..first.len()).any(|n| layers.iter().filter(|layer| layer[n] != 0).count() > 1)
}

/// One file for each visible segment that has voxels: `NAME_segment.stl`.
fn save_meshes(save: &SaveLabels, control: Control<'_>) -> Result<String, String> {
    let format = match save.format {
        LabelFormat::Stl => MeshFormat::Stl,
        LabelFormat::Obj => MeshFormat::Obj,
        LabelFormat::Ply => MeshFormat::Ply,
        _ => MeshFormat::Glb,
    };
    let space = if save.lps { Space::Lps } else { Space::Ras };
    let ending = save.format.ending();
    let chosen = name_of(&save.path);
    let stem = chosen.strip_suffix(ending).unwrap_or(&chosen);
    let document = &save.flat.document;
    let affine = document.geometry().world_from_voxel();
    let cancel = AtomicBool::new(false);
    let segments: Vec<_> = document.segments().iter().filter(|s| s.visible).collect();
    let parts = file_parts(&segments, |s| save.flat.ids.id(document, s.id).unwrap_or(s.value));
    let mut num_files = 0;
    for (n, (segment, part)) in segments.iter().zip(parts).enumerate() {
        if (control.is_cancelled)() {
            return Err(i18n::text("tell-cancelled").into());
        }
        (control.progress)(n as f32 / segments.len() as f32);
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}.", segment.name);
        let mask = document.mask(segment.id).map_err(|e| failed(&e))?;
        if mask.is_empty() {
            continue;
        }
        let mesh = surface_mesh(&mask, &affine, Smoothing::default(), &Watch::cancelled_by(&cancel));
        let mesh = mesh.map_err(|e| failed(&e))?;
        let path = save.path.with_file_name(format!("{stem}_{part}{ending}"));
        back_up(&path)?;
        let mut bytes = Vec::new();
        write_mesh(&mut bytes, &mesh, format, space, &segment.name, segment.color).map_err(|e| failed(&e))?;
        bytes.flush().map_err(|e| failed(&e))?;
        crate::folders::write_whole(&path, &bytes).map_err(|e| failed(&e.kind()))?;
        num_files += 1;
    }
    match num_files {
        0 => Err(i18n::text_with("tell-no-visible-segment", [("name", chosen.into())])),
        n => Ok(i18n::text_with("tell-saved-surfaces", [("count", n.into())])),
    }
}

/// The names of segments as parts of names of files; where two would be one file, with their numbers.
fn file_parts(
    segments: &[&voco_labelstore::Segment],
    number: impl Fn(&voco_labelstore::Segment) -> u16,
) -> Vec<String> {
    let part = |name: &str| -> String {
        name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect()
    };
    let mut parts: Vec<String> = segments.iter().map(|s| part(&s.name)).collect();
    // Some file systems do not tell large letters from small ones.
    let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    for (n, segment) in segments.iter().enumerate() {
        if lower.iter().filter(|other| **other == lower[n]).count() > 1 {
            parts[n] = format!("{}_{}", parts[n], number(segment));
        }
    }
    parts
}

/// Reads a table of labels: ITK-SNAP's, Slicer's, or our JSON.
///
/// # Errors
/// One sentence.
pub(crate) fn read_table(path: &Path) -> Result<Vec<PresetEntry>, String> {
    let name = name_of(path);
    let failed = |e: &dyn std::fmt::Display| format!("{name}: {e}.");
    let size = std::fs::metadata(path).map_err(|e| failed(&e.kind()))?.len();
    if size > MAX_TABLE_BYTES {
        return Err(i18n::text_with("tell-table-too-large", [("name", name.into())]));
    }
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e.kind()))?;
    if text.trim_start().starts_with('{') {
        return preset_from_json(&text).map_err(|e| failed(&e));
    }
    parse_table(&text).map(|(_, entries)| entries).map_err(|e| failed(&e))
}

/// `NAME.json`, or `NAME_names.json` where the former holds something else than names by number.
fn names_beside(path: &Path) -> PathBuf {
    let stem = image_stem(path);
    let own = path.with_file_name(format!("{stem}_names.json"));
    // Readers look there first.
    if own.exists() {
        return own;
    }
    let first = path.with_file_name(format!("{stem}.json"));
    let is_free = match std::fs::read_to_string(&first) {
        // A sidecar of an image may have numbers, too: only what has nothing else is ours.
        Ok(text) => preset_from_json(&text).is_ok(),
        Err(_) => !first.exists(),
    };
    if is_free { first } else { own }
}

/// The files of an image. A folder is compared as such: its series are named one by one.
fn files_of(image: &Path) -> Vec<PathBuf> {
    if image.is_file() { voco_io::files_of(image) } else { vec![image.to_owned()] }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(a) == real(b)
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use voco_labelstore::{PresetEntry, Rules, Target};
    use voco_ui::labelling::DisplayIds;
    use voco_volume::{Geometry, Rescale, Voxels};

    use super::*;

    fn labels(folder: &Path, name: &str, format: LabelFormat) -> SaveLabels {
        let geometry = Geometry::new([2, 2, 1], glam::DAffine3::from_scale(glam::DVec3::splat(2.0))).expect("a grid");
        let image = Volume::new(geometry, Voxels::U8([0, 1, 3, 3].into()), Rescale::IDENTITY).expect("a volume");
        let volume = LabelVolume::from_values(&[0_u16, 1, 3, 3], [2, 2, 1]).expect("labels");
        let mut document = Document::new(geometry, Some(image.clone())).expect("a document");
        let entries = vec![PresetEntry::new(1, "organ 1"), PresetEntry::new(3, "organ 3")];
        document.replace_with("Open", "import", &[(volume, entries)]).expect("opened");
        let document = Arc::new(document);
        let ids = DisplayIds::of(&document);
        let table = ids.table(&document);
        SaveLabels {
            path: folder.join(name),
            format,
            lps: false,
            flat: FlatLabels { document, ids, table },
            change: 1,
            image,
            series: None,
            images: vec![folder.join("scan.nii.gz")],
        }
    }

    fn values(path: &Path) -> Vec<Option<f64>> {
        let again = voco_io::open(path, Control::NONE).expect("readable").volume;
        (0..4).map(|i| again.value([i % 2, i / 2, 0])).collect()
    }

    #[test]
    fn labels_come_back_with_their_names_and_never_replace_the_image() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = labels(folder.path(), "scan_label.nii.gz", LabelFormat::Nifti);
        assert!(save(&one, Control::NONE).expect("saved").contains("scan_label.nii.gz"));
        let path = folder.path().join("scan_label.nii.gz");
        let names = voco_io::label_names_beside(&path).expect("names");
        assert_eq!(names.get(&3).map(String::as_str), Some("organ 3"));
        assert_eq!(values(&path), [0.0, 1.0, 3.0, 3.0].map(Some));
        save(&one, Control::NONE).expect("replaced, as was asked");
        assert!(folder.path().join("scan_label.nii.gz.bak").is_file(), "what was there is kept");
        assert!(folder.path().join("scan_label.json.bak").is_file(), "its names as well");
        let image = folder.path().join("scan.nii.gz");
        std::fs::write(&image, "an image").expect("written");
        let refused = save(&labels(folder.path(), "scan.nii.gz", LabelFormat::Nifti), Control::NONE);
        assert!(refused.expect_err("the image").contains("open image"));
        assert_eq!(std::fs::read(&image).expect("there"), b"an image");
        std::fs::write(folder.path().join("other.json"), r#"{"Modality": "CT", "RepetitionTime": 2}"#)
            .expect("written");
        save(&labels(folder.path(), "other.nii.gz", LabelFormat::Nifti), Control::NONE).expect("saved");
        assert!(folder.path().join("other_names.json").is_file(), "what was in other.json stays");
    }

    #[test]
    fn the_first_backup_of_a_session_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.stl");
        for n in 0..4 {
            std::fs::write(&path, format!("{n}")).expect("written");
            back_up(&path).expect("kept");
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("there");
        assert_eq!([read("a.stl.first.bak"), read("a.stl.bak")], ["0", "3"]);
    }

    #[test]
    fn segments_of_one_value_on_two_layers_are_told_apart_and_it_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut one = labels(folder.path(), "a.nii.gz", LabelFormat::Nifti);
        let mut document = one.flat.document.frozen();
        let layer = document.add_layer("over");
        let entries = [PresetEntry::new(3, "organ.3"), PresetEntry::new(9, "other")];
        let added = document.add_preset(layer, &entries).expect("added");
        let mut gesture = document.begin(Target::Paint(added[0]), Rules::default(), "brush", "").expect("begun");
        gesture.staged.insert([0, 0, 0]);
        document.commit(&gesture).expect("painted");
        let ids = DisplayIds::of(&document);
        one.flat = FlatLabels { table: ids.table(&document), ids, document: Arc::new(document) };
        let told = save(&one, Control::NONE).expect("saved");
        assert!(told.contains("One segment"), "{told}");
        assert_eq!(values(&one.path), [2.0, 1.0, 3.0, 3.0].map(Some), "the least free number");
        let names = voco_io::label_names_beside(&one.path).expect("names");
        assert_eq!(names.into_iter().collect::<Vec<_>>().len(), 4);
        one.format = LabelFormat::Stl;
        save(&one, Control::NONE).expect("saved");
        let surfaces = ["a.nii.gz_organ_3_3.stl", "a.nii.gz_organ_3_2.stl"];
        assert!(surfaces.iter().all(|name| folder.path().join(name).is_file()), "two surfaces of one name");
    }

    #[test]
    fn segments_that_overlap_come_back_from_every_format_that_holds_them() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, format) in [("a.nii.gz", LabelFormat::Nifti), ("a.seg.nrrd", LabelFormat::SegNrrd)] {
            let mut one = labels(folder.path(), name, format);
            let mut document = one.flat.document.frozen();
            let layer = document.add_layer("over");
            let lesion = document.add_segment(layer, "lesion", None).expect("added");
            let mut gesture = document.begin(Target::Paint(lesion), Rules::default(), "brush", "").expect("begun");
            gesture.staged.insert([1, 1, 0]);
            document.commit(&gesture).expect("painted");
            document.update_segment(lesion, "", |s| s.visible = false).expect("hidden");
            one.flat.document = Arc::new(document);
            save(&one, Control::NONE).expect("saved");
            let geometry = *one.image.geometry();
            let layers = voco_io::open_label_layers(&one.path, &geometry, 8, Control::NONE).expect("readable");
            assert_eq!(layers.len(), 2, "{name}");
            let source = crate::window::ImageSource::File(one.path.clone());
            let read = crate::window::ReadLabels::new(&source, name.into(), &layers).expect("labels");
            let mut again = Document::new(geometry, None).expect("a document");
            again.replace_with("Open", "import", &read.layers).expect("opened");
            let masks = |d: &Document| {
                let one = |s: &voco_labelstore::Segment| (s.name.clone(), d.mask(s.id).expect("there"));
                d.segments().iter().map(one).collect::<Vec<_>>()
            };
            assert_eq!(masks(&again), masks(&one.flat.document), "{name}");
        }
    }

    #[test]
    fn surfaces_are_written_for_each_visible_segment() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = save(&labels(folder.path(), "a.stl", LabelFormat::Stl), Control::NONE).expect("saved");
        assert_eq!(told, "Saved 2 surfaces.");
        let stl = std::fs::read(folder.path().join("a_organ_3.stl")).expect("written");
        assert!(String::from_utf8_lossy(&stl[..80]).contains("SPACE=RAS"));
    }
}
