use egui::Ui;
use egui_tiles::{Behavior, Container, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse};

use crate::commands::MouseMap;
use crate::document::{Layout, Pane, Split};
use crate::views::{slice_ui, volume_ui};
use crate::{Session, ViewKind, ViewSettings};

/// The tiles of the layout in use; borders between them can be dragged.
#[derive(Default)]
pub(super) struct LayoutTree {
    made: Option<((Layout, ViewKind), Tree<Pane>)>,
}

impl LayoutTree {
    pub fn show(&mut self, ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, mouse: &MouseMap) {
        if let Some(kind) = settings.maximized {
            return pane_ui(ui, session, settings, Pane { kind, side: settings.maximized_side }, mouse);
        }
        let wanted = (settings.layout, main_of(settings));
        if self.made.as_ref().is_none_or(|(made_for, _)| *made_for != wanted) {
            self.made = Some((wanted, tree(wanted.0, wanted.1)));
        }
        if let Some((_, tree)) = &mut self.made {
            tree.ui(&mut Views { session, settings, mouse }, ui);
        }
    }
}

/// In layouts without a main view, which one it is makes no other tree.
fn main_of(settings: &ViewSettings) -> ViewKind {
    match settings.layout {
        Layout::One | Layout::OneThree | Layout::SideBySide => settings.main_view,
        _ => ViewKind::ALL[0],
    }
}

fn tree(layout: Layout, main: ViewKind) -> Tree<Pane> {
    let mut tiles = Tiles::default();
    // Two by two is a grid, in which rows and columns stay in line while they are dragged.
    let root = if layout == Layout::Four {
        let panes = layout.panes(main).into_iter().map(|pane| tiles.insert_pane(pane)).collect();
        tiles.insert_grid_tile(panes)
    } else {
        insert(&mut tiles, &layout.split(main))
    };
    Tree::new(egui::Id::unique(("views", layout.id(), main)), root, tiles)
}

fn insert(tiles: &mut Tiles<Pane>, split: &Split) -> TileId {
    let (parts, is_row) = match split {
        Split::Pane(pane) => return tiles.insert_pane(*pane),
        Split::Across(parts) => (parts, true),
        Split::Down(parts) => (parts, false),
    };
    let children: Vec<TileId> = parts.iter().map(|(_, part)| insert(tiles, part)).collect();
    let id = if is_row {
        tiles.insert_horizontal_tile(children.clone())
    } else {
        tiles.insert_vertical_tile(children.clone())
    };
    if let Some(Tile::Container(Container::Linear(linear))) = tiles.get_mut(id) {
        for (child, (share, _)) in children.into_iter().zip(parts) {
            linear.shares.set_share(child, *share);
        }
    }
    id
}

struct Views<'a> {
    session: &'a mut Session,
    settings: &'a mut ViewSettings,
    mouse: &'a MouseMap,
}

impl Behavior<Pane> for Views<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, pane: &mut Pane) -> UiResponse {
        pane_ui(ui, self.session, self.settings, *pane, self.mouse);
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> egui::WidgetText {
        pane.kind.title().into()
    }

    fn gap_width(&self, _style: &egui::Style) -> f32 {
        3.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: false, ..Default::default() }
    }
}

fn pane_ui(ui: &mut Ui, session: &mut Session, settings: &mut ViewSettings, pane: Pane, mouse: &MouseMap) {
    match pane.kind {
        ViewKind::Slice(_) => slice_ui(ui, session, settings, pane, mouse),
        ViewKind::Volume => volume_ui(ui, session, settings, mouse),
    }
}
