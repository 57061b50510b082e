//! Reading and writing image files. The only crate that opens them.
//!
//! Everything in a file is untrusted: sizes are checked against the bytes that are really there before memory is taken.

mod error;
mod header;
mod label_names;
mod nifti;
mod part_writer;
mod scan;
mod write;

pub use error::{OpenError, Problem};
pub use label_names::{label_names, label_names_beside};
pub use nifti::{Control, NiftiKind, Opened, files_of, open, open_bytes, read_components, read_geometry};
pub use part_writer::{PartWriter, Stored, WriteError};
pub use scan::{LabelNames, image_stem, is_image_name, is_label_name, label_table, labelled_stem, list_images};
pub use write::{SaveError, save_grid, save_labels, save_volume};
