use glam::DQuat;
use voco_render::{RenderMode, SlabMode, VolumeCamera};
use voco_volume::SlicePlane;

use super::edits::{newest_edit, next_measurement, step_edits};
use super::windows::{self, window_of, windowed_mut};
use super::{Command, Group, hand, label, times};
use crate::document::{Layout, Look, Mix, OverlayVolume, Pane, Side, Tool};
use crate::{Outbox, Request, Session, ViewKind, ViewSettings, VolumeId, Work};

/// Most that a slab may measure, in mm, and the steps of its thickness.
const SLABS_MM: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 40.0, 80.0];

/// Does what a command says.
pub(crate) fn run(command: Command, session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    if !is_enabled(command, session, settings) {
        return;
    }
    match command {
        Command::Open => outbox.ask(Request::OpenDialog),
        Command::OpenFolder => outbox.ask(Request::OpenFolderDialog),
        Command::OpenSample => outbox.ask(Request::OpenSample),
        Command::OpenLabels => outbox.ask(Request::OpenLabelsDialog),
        Command::OpenReference => outbox.ask(Request::OpenReferenceDialog),
        Command::SaveLabels => session.active.into_iter().for_each(|id| outbox.ask(Request::SaveLabelsDialog(id))),
        Command::SaveImage => session.active.into_iter().for_each(|id| outbox.ask(Request::SaveImageDialog(id))),
        Command::SavePicture => {
            settings.is_picture_taken = true;
            outbox.ask(Request::TakePicture);
        }
        Command::NextVolume => next_volume(session, settings, 1),
        Command::PreviousVolume => next_volume(session, settings, -1),
        Command::CloseVolume => session.active.into_iter().for_each(|id| outbox.ask(Request::Close(id))),
        Command::Quit => outbox.ask(Request::Quit),
        Command::Undo if label::take_back_mark(session, settings) => {}
        Command::Undo => step_edits(session, settings, true),
        Command::Redo if label::redo_mark(session, settings) => {}
        Command::Redo => step_edits(session, settings, false),
        Command::Preferences => settings.show_preferences = !settings.show_preferences,
        Command::Palette => settings.show_palette = !settings.show_palette,
        Command::Shortcuts => settings.show_help = !settings.show_help,
        Command::Runs => {
            session.runs.is_open = true;
            outbox.ask(Request::ListRuns);
        }
        Command::Models => {
            session.models.is_open = true;
            outbox.ask(Request::ListModels);
        }
        Command::LabelWork => show_work(settings, Work::Label),
        Command::Pretrain => show_work(settings, Work::Pretrain),
        Command::Finetune => show_work(settings, Work::Finetune),
        Command::Segment => show_work(settings, Work::Segment),
        Command::ExportMeasurements => {
            session.active.into_iter().for_each(|id| outbox.ask(Request::ExportMeasurements(id)));
        }
        Command::ExportReport => session.active.into_iter().for_each(|id| outbox.ask(Request::ExportReport(id))),
        Command::NextTime => times::step(session, settings, 1),
        Command::PreviousTime => times::step(session, settings, -1),
        Command::DeleteMeasurement => {
            if let Some((id, number)) = settings.selected.take()
                && let Some(doc) = session.measurements.get_mut(&id.0)
            {
                doc.remove(Some(number));
            }
        }
        Command::NextMeasurement => next_measurement(session, settings),
        Command::Cancel => cancel(session, settings, outbox),
        Command::Maximize | Command::ApplyLabels if label::has_something_to_apply(session, settings) => {
            label::apply(session, settings);
        }
        _ if hand::run(command, session, settings) => {}
        _ => view(command, session, settings),
    }
}

/// What changes only how things are looked at.
fn view(command: Command, session: &mut Session, settings: &mut ViewSettings) {
    if let Some(layout) = layout_of(command) {
        return set_layout(session, settings, layout);
    }
    if let Some(tool) = Tool::all().find(|t| t.command() == command) {
        // The same key puts a measuring tool, and one for labels, down again.
        let is_put_down = settings.tool == tool && matches!(tool, Tool::Measure(_) | Tool::Label(_));
        settings.tool = if is_put_down { settings.preferences.scheme.first_tool() } else { tool };
        (settings.drawing, settings.outline, settings.wire) = (None, None, None);
        if matches!(settings.tool, Tool::Label(_)) {
            label::take_in_hand(session, settings);
        }
        return;
    }
    if let Some(index) = window_of(command) {
        let preset = settings.preferences.windows.get(index).map(|w| w.window);
        if let (Some(window), Some(volume)) = (preset, windowed_mut(session, settings)) {
            volume.window = window;
        }
        return;
    }
    match command.group() {
        Group::Layout => {
            let at = Layout::ALL.iter().position(|&l| l == settings.layout).unwrap_or(0);
            let by = if command == Command::NextLayout { 1 } else { Layout::ALL.len() - 1 };
            set_layout(session, settings, Layout::ALL[(at + by) % Layout::ALL.len()]);
        }
        Group::View => look(command, session, settings),
        Group::Slices => slices(command, session, settings),
        Group::Window => windows::run(command, session, settings),
        Group::Labels => label::run(command, session, settings),
        Group::Compare => compare(command, session, settings),
        Group::File | Group::Edit | Group::Tool | Group::Training | Group::Help => {}
    }
}

fn look(command: Command, session: &Session, settings: &mut ViewSettings) {
    match command {
        Command::Maximize => settings.toggle_maximized(settings.active_view),
        Command::NextView | Command::PreviousView => next_view(settings, command == Command::NextView),
        Command::Fit => {
            settings.reset_slices();
            if let Some(volume) = session.active() {
                settings.camera = VolumeCamera::fit(volume.volume.geometry());
            }
        }
        Command::ZoomIn => zoom(session, settings, 0.8),
        Command::ZoomOut => zoom(session, settings, 1.25),
        Command::ShowCrosshair => settings.show_crosshair = !settings.show_crosshair,
        Command::ShowTexts => settings.show_texts = !settings.show_texts,
        Command::HideIdentifiers => {
            settings.preferences.hide_identifiers = !settings.preferences.hide_identifiers;
        }
        Command::ShowGrid => settings.show_grid = !settings.show_grid,
        Command::FromFront => settings.camera = settings.camera.clone().anterior(),
        Command::FromLeft => settings.camera = settings.camera.clone().left(),
        Command::FromAbove => settings.camera = settings.camera.clone().superior(),
        Command::RenderMode3d => next_render_mode(settings),
        Command::CropBox => settings.view3d.crops = !settings.view3d.crops,
        Command::Slices3d => {
            let are_on = settings.view3d.slices.contains(&true);
            settings.view3d.slices = [!are_on; 3];
        }
        Command::CurveEditor => settings.view3d.editor.is_open = !settings.view3d.editor.is_open,
        Command::Export3d => settings.view3d.export.is_open = !settings.view3d.export.is_open,
        Command::ToggleLeftPanel => settings.show_panels[0] = !settings.show_panels[0],
        Command::ToggleRightPanel => settings.show_panels[1] = !settings.show_panels[1],
        Command::ToggleTheme => {
            let look = &mut settings.preferences.look;
            *look = if *look == Look::Dark { Look::Light } else { Look::Dark };
        }
        Command::ScaleUp => settings.preferences.step_scale(true),
        Command::ScaleDown => settings.preferences.step_scale(false),
        Command::ScaleReset => settings.preferences.scale_percent = 100,
        _ => {}
    }
}

fn next_render_mode(settings: &mut ViewSettings) {
    let preset = settings.transfer_functions.get(settings.transfer_function).map(|t| t.mode);
    let shown = settings.view3d.mode.or(preset);
    let at = RenderMode::ALL.iter().position(|m| Some(*m) == shown).unwrap_or(0);
    let next = RenderMode::ALL[(at + 1) % RenderMode::ALL.len()];
    settings.view3d.mode = (Some(next) != preset).then_some(next);
}

fn slices(command: Command, session: &Session, settings: &mut ViewSettings) {
    let pane = settings.active_view;
    let mut step = |by| step_slices(session, settings, pane, by);
    match command {
        Command::NextSlice => step(1),
        Command::PreviousSlice => step(-1),
        Command::FiveForward => step(5),
        Command::FiveBack => step(-5),
        Command::FirstSlice => step(i64::MIN / 2),
        Command::LastSlice => step(i64::MAX / 2),
        Command::Cine => settings.cine.toggle(),
        Command::TimeCine => settings.cine.toggle_time(),
        Command::CineFaster | Command::CineSlower => {
            let by = if command == Command::CineFaster { 1.25 } else { 0.8 };
            settings.preferences.cine_per_second = (settings.preferences.cine_per_second * by).clamp(1.0, 120.0);
        }
        Command::SlabMode => {
            settings.slab.mode = match settings.slab.mode {
                SlabMode::Thin => SlabMode::Max,
                SlabMode::Max => SlabMode::Min,
                SlabMode::Min => SlabMode::Mean,
                SlabMode::Mean => SlabMode::Thin,
            };
        }
        Command::SlabThicker | Command::SlabThinner => step_slab(settings, command == Command::SlabThicker),
        Command::ObliqueReset => settings.turn = DQuat::IDENTITY,
        _ => {}
    }
}

fn compare(command: Command, session: &mut Session, settings: &mut ViewSettings) {
    match command {
        Command::LinkScroll => settings.compare.link_scroll = !settings.compare.link_scroll,
        Command::LinkZoom => settings.compare.link_zoom = !settings.compare.link_zoom,
        Command::LinkWindow => settings.compare.link_window = !settings.compare.link_window,
        Command::AlignHere => {
            // What both sides show now belongs together from here on.
            (settings.compare.link_scroll, settings.compare.link_zoom) = (true, true);
        }
        Command::SwapSides => swap_sides(session, settings),
        Command::Blend => settings.mix = Mix::Blend,
        Command::Checkerboard => toggle_mix(session, settings, Mix::Checkerboard),
        Command::Swipe => toggle_mix(session, settings, Mix::Swipe),
        _ => {}
    }
}

/// True if it can be done now.
pub(crate) fn is_enabled(command: Command, session: &Session, settings: &ViewSettings) -> bool {
    if let Some(can) = hand::is_enabled(command, session, settings) {
        return can;
    }
    let volume = session.active();
    match command {
        Command::OpenReference | Command::SaveLabels => volume.is_some_and(|v| v.labels.is_some()),
        Command::NextVolume | Command::PreviousVolume | Command::Checkerboard | Command::Swipe => {
            session.volumes.len() > 1
        }
        Command::Undo => label::has_marks(session, false) || newest_edit(session, settings, true).is_some(),
        Command::Redo => label::has_marks(session, true) || newest_edit(session, settings, false).is_some(),
        Command::DeleteMeasurement => settings.selected.is_some(),
        Command::NextTime | Command::PreviousTime | Command::TimeCine => times::has_times(session, settings),
        Command::NextMeasurement | Command::ExportMeasurements | Command::ExportReport => {
            let doc = volume.and_then(|v| session.measurements.get(&v.id.0));
            doc.is_some_and(|d| !d.items().is_empty())
        }
        Command::LabelFainter
        | Command::LabelToggle
        | Command::LabelStronger
        | Command::LabelOutline
        | Command::OutlineThinner
        | Command::OutlineWider => volume.is_some_and(|v| v.label_texture().is_some()),
        Command::ApplyLabels => label::has_something_to_apply(session, settings),
        Command::NextSegment
        | Command::PreviousSegment
        | Command::ToggleSegment
        | Command::LockSegment
        | Command::CopySlice
        | Command::PreviewLabels
        | Command::LabelStatistics => {
            volume.and_then(|v| v.labels.as_ref()).is_some_and(|l| !l.document().segments().is_empty())
        }
        Command::PasteSlice => session.slice_clipboard.is_some() && volume.is_some_and(|v| v.labels.is_some()),
        Command::LargerTip | Command::SmallerTip => matches!(settings.tool, Tool::Label(_)),
        Command::NewSegment => volume.is_some(),
        Command::SwapSides | Command::AlignHere => session.of_side(settings, Side::B).is_some(),
        Command::ObliqueReset => settings.turn != DQuat::IDENTITY,
        command if Tool::all().any(|t| matches!(t, Tool::Label(_)) && t.command() == command) => volume.is_some(),
        Command::OpenLabels
        | Command::CloseVolume
        | Command::SavePicture
        | Command::CurveEditor
        | Command::Export3d
        | Command::CropBox
        | Command::Slices3d
        | Command::Fit
        | Command::ZoomIn
        | Command::ZoomOut
        | Command::Cine
        | Command::AutoWindow
        | Command::ResetWindow
        | Command::SaveImage => volume.is_some(),
        _ => window_of(command).is_none_or(|n| volume.is_some() && n < settings.preferences.windows.len()),
    }
}

/// Of a switch: whether it is on.
pub(crate) fn is_on(command: Command, session: &Session, settings: &ViewSettings) -> Option<bool> {
    if let Some(layout) = layout_of(command) {
        return Some(settings.layout == layout && settings.maximized.is_none());
    }
    if let Some(tool) = Tool::all().find(|t| t.command() == command) {
        return Some(settings.tool == tool);
    }
    Some(match command {
        Command::Maximize => settings.maximized.is_some(),
        Command::ShowCrosshair => settings.show_crosshair,
        Command::ShowTexts => settings.show_texts,
        Command::HideIdentifiers => settings.preferences.hide_identifiers,
        Command::ShowGrid => settings.show_grid,
        Command::CropBox => settings.view3d.crops,
        Command::Slices3d => settings.view3d.slices.contains(&true),
        Command::CurveEditor => settings.view3d.editor.is_open,
        Command::ToggleLeftPanel => settings.show_panels[0],
        Command::ToggleRightPanel => settings.show_panels[1],
        Command::Cine => settings.cine.is_playing && !settings.cine.is_over_time,
        Command::TimeCine => settings.cine.is_playing && settings.cine.is_over_time,
        Command::Invert => session.of_side(settings, settings.active_view.side).is_some_and(|v| v.inverted),
        Command::LabelOutline => settings.label_outline,
        Command::LinkScroll => settings.compare.link_scroll,
        Command::LinkZoom => settings.compare.link_zoom,
        Command::LinkWindow => settings.compare.link_window,
        Command::Blend => settings.mix == Mix::Blend,
        Command::Checkerboard => settings.mix == Mix::Checkerboard,
        Command::Swipe => settings.mix == Mix::Swipe,
        _ => return None,
    })
}

fn layout_of(command: Command) -> Option<Layout> {
    Some(match command {
        Command::LayoutFour => Layout::Four,
        Command::LayoutOne => Layout::One,
        Command::LayoutOneThree => Layout::OneThree,
        Command::LayoutRow => Layout::Row,
        Command::LayoutSideBySide => Layout::SideBySide,
        Command::LayoutCompareRows => Layout::CompareRows,
        _ => return None,
    })
}

fn show_work(settings: &mut ViewSettings, work: Work) {
    settings.work = work;
    settings.show_panels[1] = true;
}

/// A second volume is chosen by itself if there is only one to choose from, or none was chosen yet.
pub(crate) fn set_layout(session: &Session, settings: &mut ViewSettings, layout: Layout) {
    settings.layout = layout;
    settings.maximized = None;
    settings.main_view = settings.active_view.kind;
    let other = settings.compare.other.filter(|&id| session.volume(id).is_some() && Some(id) != session.active);
    settings.compare.other =
        other.or_else(|| session.volumes.iter().map(|v| v.id).find(|&id| Some(id) != session.active));
    if layout.compares() && other.is_none() {
        align_centers(session, settings);
    }
    if !layout.panes(settings.main_view).contains(&settings.active_view) {
        settings.active_view = layout.panes(settings.main_view)[0];
    }
}

/// Two scans of one frame of reference keep their places; where they do not overlap, their middles are put together.
pub(crate) fn align_centers(session: &Session, settings: &mut ViewSettings) {
    settings.compare.offset_mm = glam::DVec3::ZERO;
    let (Some(a), Some(b)) = (session.active(), session.of_side(settings, Side::B)) else { return };
    if b.volume.voxel_at_world(settings.cursor_mm).is_none() {
        settings.compare.offset_mm = b.volume.geometry().center_mm() - a.volume.geometry().center_mm();
    }
}

fn swap_sides(session: &mut Session, settings: &mut ViewSettings) {
    let (Some(active), Some(other)) = (session.active, settings.compare.other) else { return };
    let cursor = settings.cursor_of(Side::B);
    settings.compare.offset_mm = -settings.compare.offset_mm;
    settings.cursor_mm = cursor;
    session.active = Some(other);
    settings.compare.other = Some(active);
    settings.overlays.retain(|o| o.volume != other);
    if let Some(volume) = session.active() {
        settings.reset_work_for(volume);
    }
}

fn toggle_mix(session: &Session, settings: &mut ViewSettings, mix: Mix) {
    settings.mix = if settings.mix == mix { Mix::Blend } else { mix };
    if settings.overlays.is_empty()
        && let Some(other) = session.volumes.iter().find(|v| Some(v.id) != session.active)
    {
        settings.overlays.push(OverlayVolume::new(other));
    }
}

/// Brings an open volume on show. Where it lies where the one before it lay, as the series of one examination do, the place that is
/// looked at stays.
pub fn show_volume(session: &mut Session, settings: &mut ViewSettings, id: VolumeId) {
    if session.active == Some(id) {
        return;
    }
    let before = session.active().map(|v| *v.volume.geometry());
    session.active = Some(id);
    settings.overlays.retain(|o| o.volume != id);
    if settings.compare.other == Some(id) {
        settings.compare.other = session.volumes.iter().map(|v| v.id).find(|&other| other != id);
    }
    let Some(volume) = session.active() else { return };
    if before.is_some_and(|before| before.is_same_grid(volume.volume.geometry(), 1e-3)) {
        settings.reset_work_for(volume);
    } else {
        settings.reset_for(volume);
    }
}

fn next_volume(session: &mut Session, settings: &mut ViewSettings, by: isize) {
    let count = session.volumes.len();
    let at = session.volumes.iter().position(|v| Some(v.id) == session.active).unwrap_or(0);
    if let Some(next) = (at + count).checked_add_signed(by) {
        show_volume(session, settings, session.volumes[next % count].id);
    }
}

fn next_view(settings: &mut ViewSettings, forward: bool) {
    let panes = settings.layout.panes(settings.main_view);
    let at = panes.iter().position(|&p| p == settings.active_view).unwrap_or(0);
    let by = if forward { 1 } else { panes.len() - 1 };
    settings.active_view = panes[(at + by) % panes.len()];
    if settings.maximized.is_some() {
        (settings.maximized, settings.maximized_side) = (Some(settings.active_view.kind), settings.active_view.side);
    }
}

fn zoom(session: &Session, settings: &mut ViewSettings, factor: f64) {
    let pane = settings.active_view;
    if pane.kind == ViewKind::Volume {
        return settings.camera.zoom(factor);
    }
    let Some(volume) = session.of_side(settings, pane.side) else { return };
    // Without a zoom of its own the view is fitted.
    let least = volume.volume.geometry().spacing_mm().min_element();
    let shown = settings.shown_mm_per_point.get(&pane).copied().unwrap_or(least);
    let (mm_per_point, _) = settings.place_mut(pane.side, pane.kind.index());
    *mm_per_point = Some((mm_per_point.unwrap_or(shown) * factor).clamp(least / 60.0, least * 60.0));
}

/// Goes through the slices of a view; the ends hold.
pub(crate) fn step_slices(session: &Session, settings: &mut ViewSettings, pane: Pane, by: i64) {
    let ViewKind::Slice(plane) = pane.kind else { return };
    let Some(volume) = session.of_side(settings, pane.side) else { return };
    let geometry = volume.volume.geometry();
    let frame = settings.frame(geometry, plane);
    let cursor = settings.cursor_of(pane.side);
    let slice = (frame.slice_at(geometry, cursor) as i64).saturating_add(by).clamp(0, frame.num_slices as i64 - 1);
    let to = frame.point_on_slice(geometry, cursor, slice.unsigned_abs() as usize);
    settings.move_cursor(pane.side, to);
}

/// The next slices of cine; after the last one it begins again.
pub(crate) fn step_cine(session: &Session, settings: &mut ViewSettings, by: usize) {
    let pane = settings.active_view;
    let plane = if let ViewKind::Slice(plane) = pane.kind { plane } else { SlicePlane::Axial };
    let Some(volume) = session.of_side(settings, pane.side) else { return };
    let geometry = volume.volume.geometry();
    let frame = settings.frame(geometry, plane);
    let cursor = settings.cursor_of(pane.side);
    let slice = (frame.slice_at(geometry, cursor) + by) % frame.num_slices;
    settings.move_cursor(pane.side, frame.point_on_slice(geometry, cursor, slice));
}

pub(crate) fn step_slab(settings: &mut ViewSettings, thicker: bool) {
    if settings.slab.mode == SlabMode::Thin {
        settings.slab.mode = SlabMode::Max;
        return;
    }
    let now = settings.slab.thickness_mm;
    let next = if thicker {
        SLABS_MM.into_iter().find(|&t| t > now + 1e-6)
    } else {
        SLABS_MM.into_iter().rev().find(|&t| t < now - 1e-6)
    };
    match next {
        Some(thickness) => settings.slab.thickness_mm = thickness,
        None if !thicker => settings.slab.mode = SlabMode::Thin,
        None => {}
    }
}

/// Esc undoes one thing at a time, the nearest first.
fn cancel(session: &mut Session, settings: &mut ViewSettings, outbox: &mut Outbox) {
    if settings.show_palette || settings.show_help || settings.show_preferences {
        (settings.show_palette, settings.show_help, settings.show_preferences) = (false, false, false);
        return;
    }
    if label::cancel(session, settings, outbox) {
        return;
    }
    if settings.drawing.take().is_some() || settings.selected.take().is_some() {
        return;
    }
    if settings.cine.is_playing {
        settings.cine.toggle();
    } else if matches!(settings.tool, Tool::Measure(_) | Tool::Label(_)) {
        settings.tool = settings.preferences.scheme.first_tool();
    } else {
        settings.maximized = None;
    }
}
