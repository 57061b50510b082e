//! Reading and writing image files. The only crate that opens them.
//!
//! Everything in a file is untrusted: sizes are checked against the bytes that are really there before memory is taken.

mod array;
mod dicom;
mod error;
mod header;
mod label_names;
mod metaimage;
mod nifti;
mod nrrd;
mod opened;
mod part_writer;
mod raw;
mod scan;
mod write;
mod write_nrrd;
mod zarr;

pub use dicom::{
    Finding, Graphic, Report, Scan, Series, SeriesLabels, Value, middle_slice, open_component, open_series,
    save_dicom_segmentation, save_report, save_structure_set, scan_around, scan_folder,
};
pub use error::{OpenError, Problem};
pub use label_names::{label_names, label_names_beside};
pub use nifti::NiftiKind;
pub use opened::{
    Control, Format, Opened, Segment, files_of, is_about_sides, is_dicom_file, is_dicom_folder, is_dicom_label_file,
    open, open_bytes, open_label_layers, open_labels, open_volume, read_components, read_geometry, read_volumes,
};
pub use part_writer::{PartWriter, Stored, WriteError};
pub use scan::{LabelNames, image_stem, is_image_name, is_label_name, label_table, labelled_stem, list_images};
pub use write::{SaveError, save_grid, save_labels, save_segmentation, save_volume, save_volumes};
