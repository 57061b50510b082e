mod axes;
mod crop;
mod cube;
mod cut3d;
mod input;
mod label;
mod measure;
mod outline;
mod overlay;
mod port;
mod position;
mod scene3d;
mod slice;
mod volume;
mod wire;

pub(crate) use label::ask_smart;
pub use outline::Outline;
pub(crate) use outline::{close as close_outline, use_outline};
pub(crate) use position::drawn_preview;
pub(crate) use scene3d::ask_for_scene;
pub use scene3d::scene_of;
pub(crate) use slice::slice_ui;
pub(crate) use volume::volume_ui;
pub use wire::Wire;

/// A view with the keyboard keeps its arrows, which go through slices rather than to another widget; Tab leads on.
fn keep_focus(ui: &egui::Ui, response: &egui::Response, settings: &mut crate::ViewSettings) {
    if response.has_focus() {
        settings.is_view_focused = true;
        let filter = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    }
}

/// True in a frame in which the pointer moved or a button went down: the view under it is then the one that keys speak to.
fn is_pointer_used(ui: &egui::Ui) -> bool {
    let moved = |event: &egui::Event| matches!(event, egui::Event::PointerMoved(_));
    ui.input(|i| i.events.iter().any(moved) || i.pointer.any_pressed())
}
