use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde_json::json;
use voco_io::{Control, Series};
use voco_labelstore::{Document, PresetEntry};
use voco_ui::LabelFormat;
use voco_ui::labelling::{DisplayIds, FlatLabels};
use voco_volume::{Rescale, Volume, Voxels};

use crate::label_files::{SaveLabels, name_of, read_table, save};
use crate::window::{ImageSource, MAX_LAYERS, ReadLabels};

#[derive(Debug, Args)]
pub(crate) struct LabelsArgs {
    /// A label map: NIfTI, NRRD, .seg.nrrd, `MetaImage`, OME-Zarr, DICOM SEG or RTSTRUCT.
    input: PathBuf,
    /// The result: .nii, .nii.gz, .seg.nrrd, .dcm (with --image and --as), .stl, .obj, .ply, .glb, or names only as .label.txt or .ctbl.
    output: PathBuf,
    /// The image that the labels were made on: a file or a DICOM folder. Its grid must be theirs.
    #[arg(long)]
    image: Option<PathBuf>,
    /// Which kind of DICOM file.
    #[arg(long = "as", value_enum, default_value = "seg")]
    kind: DicomKind,
    /// Names and colours: a table of ITK-SNAP or Slicer, JSON, or totalsegmentator, vocomni, btcv, amos22, flare22.
    #[arg(long)]
    names: Option<PathBuf>,
    /// Surfaces with x to the left and y to the back (DICOM) rather than to the right and the front.
    #[arg(long)]
    lps: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DicomKind {
    Seg,
    Rtstruct,
}

pub(crate) fn run(args: &LabelsArgs) -> anyhow::Result<()> {
    let (image, series) = match &args.image {
        Some(path) => image(path)?,
        None => (None, None),
    };
    let own;
    let grid = if let Some(image) = &image {
        image.geometry()
    } else {
        own = voco_io::read_geometry(&args.input, Control::NONE)?;
        &own
    };
    let opened = voco_io::open_label_layers(&args.input, grid, MAX_LAYERS, Control::NONE)?;
    let name = name_of(&args.input);
    let source = ImageSource::File(args.input.clone());
    let read = ReadLabels::new(&source, name.clone(), &opened).map_err(anyhow::Error::msg)?;
    if let Some(what) = read.geometry.mismatch(grid, 0.5) {
        anyhow::bail!(
            "{name}: it lies on another grid than the image: {what}; resample it first (voco convert --like)"
        );
    }
    let mut document = Document::new(read.geometry, None)?;
    document.replace_with("Open", "import", &read.layers)?;
    if let Some(names) = &args.names {
        rename(&mut document, &entries(names)?)?;
    }
    let ids = DisplayIds::of(&document);
    let table = ids.table(&document);
    let counts: Vec<_> = document
        .segments()
        .iter()
        .map(|s| Ok(json!({"value": s.value, "name": s.name, "voxels": document.mask(s.id)?.count()})))
        .collect::<Result<_, voco_labelstore::StoreError>>()?;
    let stand_in =
        || Volume::new(read.geometry, Voxels::U8(vec![0; read.geometry.num_voxels()].into()), Rescale::IDENTITY);
    let mut images: Vec<PathBuf> = args.image.iter().chain([&args.input]).cloned().collect();
    images.extend(series.iter().flat_map(Series::files).cloned());
    let task = SaveLabels {
        path: args.output.clone(),
        format: format_of(&args.output, args.kind)?,
        lps: args.lps,
        flat: FlatLabels { document: Arc::new(document), ids, table },
        change: 0,
        image: image.map_or_else(stand_in, Ok)?,
        series,
        images,
    };
    let told = save(&task, Control::NONE).map_err(anyhow::Error::msg)?;
    if args.json {
        return super::print_json(&json!({"segments": counts, "layers": read.layers.len()}));
    }
    super::print(&told);
    Ok(())
}

/// The image with the series that it came from, if it is DICOM.
fn image(path: &Path) -> anyhow::Result<(Option<Volume>, Option<Series>)> {
    if !voco_io::is_dicom_folder(path) {
        return Ok((Some(voco_io::open(path, Control::NONE)?.volume), None));
    }
    let mut scan = voco_io::scan_folder(path, Control::NONE)?;
    if scan.series.len() != 1 {
        anyhow::bail!("{}: it holds {} DICOM series; give a folder with one", name_of(path), scan.series.len());
    }
    let series = scan.series.swap_remove(0);
    Ok((Some(voco_io::open_series(&series, Control::NONE)?.volume), Some(series)))
}

fn format_of(path: &Path, kind: DicomKind) -> anyhow::Result<LabelFormat> {
    let name = name_of(path).to_lowercase();
    let ends = |ending: &str| name.ends_with(ending);
    Ok(if ends(".nii") || ends(".nii.gz") {
        LabelFormat::Nifti
    } else if ends(".nrrd") {
        LabelFormat::SegNrrd
    } else if ends(".dcm") {
        if kind == DicomKind::Seg { LabelFormat::DicomSeg } else { LabelFormat::RtStruct }
    } else if ends(".ctbl") {
        LabelFormat::SlicerTable
    } else if ends(".txt") {
        LabelFormat::ItkSnapTable
    } else {
        let meshes = [LabelFormat::Stl, LabelFormat::Obj, LabelFormat::Ply, LabelFormat::Glb];
        let found = meshes.into_iter().find(|format| ends(format.ending()));
        found.ok_or_else(|| {
            anyhow::anyhow!("{}: labels are not saved as that; see --help for the endings", name_of(path))
        })?
    })
}

fn entries(names: &Path) -> anyhow::Result<Vec<PresetEntry>> {
    match names.to_str().and_then(crate::label_presets::named) {
        Some(names) => Ok(names.iter().map(|(&id, name)| PresetEntry::named(id, name)).collect()),
        None => read_table(names).map_err(anyhow::Error::msg),
    }
}

fn rename(document: &mut Document, entries: &[PresetEntry]) -> anyhow::Result<()> {
    for (id, value) in document.segments().iter().map(|s| (s.id, s.value)).collect::<Vec<_>>() {
        if let Some(entry) = entries.iter().find(|entry| entry.value == value) {
            document.update_segment(id, "Rename", |segment| {
                segment.name.clone_from(&entry.name);
                segment.color = entry.color.unwrap_or(segment.color);
                segment.terms.clone_from(&entry.terms);
            })?;
        }
    }
    Ok(())
}
