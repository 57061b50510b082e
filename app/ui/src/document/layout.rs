use voco_volume::SlicePlane;

use super::ViewKind;

/// Which of two volumes a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Side {
    /// The one on show.
    #[default]
    A,
    /// The one that it is compared with.
    B,
}

/// One view of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pane {
    /// What it shows.
    pub kind: ViewKind,
    /// Of which volume.
    pub side: Side,
}

/// How views share the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// Three planes and 3D, two by two.
    #[default]
    Four,
    /// One view.
    One,
    /// One large, three small beside it.
    OneThree,
    /// Three planes in a row.
    Row,
    /// The same plane of two volumes.
    SideBySide,
    /// Three planes of two volumes, in two rows.
    CompareRows,
}

/// Panes in rows or columns, nested.
#[derive(Debug, Clone, PartialEq)]
pub enum Split {
    /// One view.
    Pane(Pane),
    /// Beside each other, with their shares.
    Across(Vec<(f32, Split)>),
    /// Below each other, with their shares.
    Down(Vec<(f32, Split)>),
}

impl Layout {
    /// All of them, in the order of the menu.
    pub const ALL: [Self; 6] = [Self::Four, Self::One, Self::OneThree, Self::Row, Self::SideBySide, Self::CompareRows];

    /// Its name in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Four => "four",
            Self::One => "one",
            Self::OneThree => "one-three",
            Self::Row => "row",
            Self::SideBySide => "side-by-side",
            Self::CompareRows => "compare-rows",
        }
    }

    /// The layout of that name.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.id() == id)
    }

    /// True if it shows two volumes.
    pub fn compares(self) -> bool {
        matches!(self, Self::SideBySide | Self::CompareRows)
    }

    /// How it divides the window; `main` is the view that is alone or large.
    pub fn split(self, main: ViewKind) -> Split {
        use SlicePlane::{Axial, Coronal, Sagittal};
        let a = |kind| Split::Pane(Pane { kind, side: Side::A });
        let plane = |plane| a(ViewKind::Slice(plane));
        let even = |parts: Vec<Split>| parts.into_iter().map(|p| (1.0, p)).collect::<Vec<_>>();
        match self {
            Self::Four => Split::Down(even(vec![
                Split::Across(even(vec![plane(Axial), a(ViewKind::Volume)])),
                Split::Across(even(vec![plane(Coronal), plane(Sagittal)])),
            ])),
            Self::One => a(main),
            Self::OneThree => {
                let others = ViewKind::ALL.into_iter().filter(|&k| k != main).map(a).collect();
                Split::Across(vec![(2.2, a(main)), (1.0, Split::Down(even(others)))])
            }
            Self::Row => Split::Across(even(vec![plane(Axial), plane(Coronal), plane(Sagittal)])),
            Self::SideBySide => {
                let kind = if main == ViewKind::Volume { ViewKind::Slice(Axial) } else { main };
                let side = |side| Split::Pane(Pane { kind, side });
                Split::Across(even(vec![side(Side::A), side(Side::B)]))
            }
            Self::CompareRows => {
                let row = |side| {
                    let pane = |plane| Split::Pane(Pane { kind: ViewKind::Slice(plane), side });
                    Split::Across(even(vec![pane(Axial), pane(Coronal), pane(Sagittal)]))
                };
                Split::Down(even(vec![row(Side::A), row(Side::B)]))
            }
        }
    }

    /// Its panes, in reading order.
    pub fn panes(self, main: ViewKind) -> Vec<Pane> {
        let mut panes = Vec::new();
        self.split(main).collect(&mut panes);
        panes
    }
}

impl Split {
    fn collect(&self, panes: &mut Vec<Pane>) {
        match self {
            Self::Pane(pane) => panes.push(*pane),
            Self::Across(parts) | Self::Down(parts) => parts.iter().for_each(|(_, part)| part.collect(panes)),
        }
    }
}

impl Pane {
    /// Number of the graphics state that draws it: no two panes of a layout have the same.
    pub(crate) fn gpu_index(self) -> usize {
        self.kind.index() + if self.side == Side::B { 4 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Layout, Side};
    use crate::ViewKind;

    #[test]
    fn panes_of_a_layout_are_all_different_and_include_the_main_one() {
        for layout in Layout::ALL {
            assert_eq!(Layout::from_id(layout.id()), Some(layout));
            for main in ViewKind::ALL {
                let panes = layout.panes(main);
                let different: HashSet<usize> = panes.iter().map(|p| p.gpu_index()).collect();
                assert_eq!(different.len(), panes.len(), "{layout:?}");
                assert_eq!(panes.iter().any(|p| p.side == Side::B), layout.compares());
                if matches!(layout, Layout::One | Layout::OneThree) {
                    assert_eq!(panes[0].kind, main);
                }
            }
        }
    }
}
