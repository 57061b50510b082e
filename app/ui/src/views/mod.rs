mod overlay;
mod position;
mod slice;
mod volume;

pub(crate) use position::drawn_preview;
pub(crate) use slice::slice_ui;
pub(crate) use volume::volume_ui;
