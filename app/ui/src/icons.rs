//! Icons: SVG files of straight and curved strokes under `assets/icons`, drawn as shapes in the colour of the text beside them,
//! sharp at any scale.

use std::collections::HashMap;
use std::f32::consts::TAU;
use std::sync::OnceLock;

use egui::{Color32, Painter, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, Vec2, pos2, vec2};

macro_rules! icons {
    ($($name:literal)*) => {
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../assets/icons/", $name, ".svg"))),)*];
    };
}

icons! {
    "angle" "erase" "fill" "grow" "island" "lasso" "level-trace" "livewire" "lock" "paint" "pick" "polygon" "scissors" "smart"
    "unlock" "bidirectional" "cobb" "crosshair" "ellipse" "eye" "eye-off" "fit" "freehand" "invert" "layout-compare-rows"
    "layout-four" "layout-one" "layout-one-three" "layout-row" "layout-side-by-side" "length" "link" "oblique" "pan"
    "panel-left" "panel-right" "pause" "play" "probe" "rectangle" "scroll" "search" "settings" "slab" "sphere" "sun" "theme"
    "trash" "up" "window" "zoom"
}

/// Strokes of an icon in a square of 24.
type Strokes = Vec<(Vec<Pos2>, bool)>;

const SIDE: f32 = 24.0;

/// Draws an icon into a square.
pub(crate) fn paint(painter: &Painter, rect: Rect, name: &str, color: Color32) {
    let Some(strokes) = icons().get(name) else { return };
    let scale = rect.width() / SIDE;
    let stroke = Stroke::new((1.75 * scale).max(1.0), color);
    for (points, is_closed) in strokes {
        let points = points.iter().map(|p| rect.min + p.to_vec2() * scale).collect();
        painter.add(if *is_closed { Shape::closed_line(points, stroke) } else { Shape::line(points, stroke) });
    }
}

/// A button with an icon; `name` is what a screen reader says, `tip` what hovering shows.
pub(crate) fn button(ui: &mut Ui, icon: &str, name: &str, tip: &str, is_on: bool, enabled: bool) -> Response {
    let size = ui.spacing().interact_size.y.max(24.0);
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), sense);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, enabled, is_on, name));
    if ui.is_rect_visible(rect) {
        let visuals = ui.style().interact_selectable(&response, is_on);
        let is_lit = is_on || response.hovered() || response.has_focus();
        if is_lit && enabled {
            ui.painter().rect(rect, 4.0, visuals.bg_fill, visuals.bg_stroke, egui::StrokeKind::Inside);
        }
        let color = if enabled { visuals.text_color() } else { ui.visuals().weak_text_color().gamma_multiply(0.6) };
        paint(ui.painter(), Rect::from_center_size(rect.center(), Vec2::splat(size * 0.66)), icon, color);
    }
    response.on_hover_text(tip)
}

fn icons() -> &'static HashMap<&'static str, Strokes> {
    static ICONS: OnceLock<HashMap<&'static str, Strokes>> = OnceLock::new();
    ICONS.get_or_init(|| FILES.iter().map(|&(name, svg)| (name, read(svg).unwrap_or_default())).collect())
}

/// Reads the part of SVG that the icons use: `path` with M, L, H, V, C, A, Z in absolute coordinates, `circle` and `ellipse`.
fn read(svg: &str) -> Option<Strokes> {
    let mut strokes = Vec::new();
    for element in svg.split('<').skip(1) {
        let number = |name: &str| attribute(element, name)?.parse::<f32>().ok();
        if element.starts_with("path") {
            path(attribute(element, "d")?, &mut strokes)?;
        } else if element.starts_with("circle") {
            let r = number("r")?;
            strokes.push((ring(pos2(number("cx")?, number("cy")?), vec2(r, r)), true));
        } else if element.starts_with("ellipse") {
            strokes.push((ring(pos2(number("cx")?, number("cy")?), vec2(number("rx")?, number("ry")?)), true));
        }
    }
    Some(strokes)
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn ring(center: Pos2, radii: Vec2) -> Vec<Pos2> {
    (0..32).map(|n| center + radii * Vec2::angled(n as f32 / 32.0 * TAU)).collect()
}

fn path(d: &str, strokes: &mut Strokes) -> Option<()> {
    let mut points: Vec<Pos2> = Vec::new();
    for command in d.split_inclusive(|c: char| c.is_ascii_alphabetic()).collect::<Vec<_>>().windows(2) {
        // Each piece ends with the letter of the next command; its own letter ends the piece before.
        let letter = command[0].chars().last()?;
        step(letter, command[1], &mut points, strokes)?;
    }
    if d.ends_with('Z') {
        step('Z', "", &mut points, strokes)?;
    }
    if points.len() > 1 {
        strokes.push((points, false));
    }
    Some(())
}

fn step(letter: char, text: &str, points: &mut Vec<Pos2>, strokes: &mut Strokes) -> Option<()> {
    let text = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let numbers: Vec<f32> =
        text.split([' ', ',']).filter(|t| !t.is_empty()).map(str::parse).collect::<Result<_, _>>().ok()?;
    let last = points.last().copied();
    match (letter, numbers.as_slice()) {
        ('M', &[x, y]) => {
            if points.len() > 1 {
                strokes.push((std::mem::take(points), false));
            }
            *points = vec![pos2(x, y)];
        }
        ('L', &[x, y]) => points.push(pos2(x, y)),
        ('H', &[x]) => points.push(pos2(x, last?.y)),
        ('V', &[y]) => points.push(pos2(last?.x, y)),
        ('C', &[ax, ay, bx, by, x, y]) => {
            let (from, a, b, to) = (last?, pos2(ax, ay), pos2(bx, by), pos2(x, y));
            let curve = egui::epaint::CubicBezierShape::from_points_stroke(
                [from, a, b, to],
                false,
                Color32::TRANSPARENT,
                Stroke::NONE,
            );
            points.extend((1..=10).map(|n| curve.sample(n as f32 / 10.0)));
        }
        ('A', &[rx, _, _, large, sweep, x, y]) => arc(last?, pos2(x, y), rx, large != 0.0, sweep != 0.0, points),
        ('Z', _) => strokes.push((std::mem::take(points), true)),
        _ => return None,
    }
    Some(())
}

/// Part of a circle, as SVG has it: the radius grows if it does not reach.
fn arc(from: Pos2, to: Pos2, radius: f32, large: bool, sweep: bool, points: &mut Vec<Pos2>) {
    let half = (to - from) / 2.0;
    let radius = radius.max(half.length());
    let away = (radius * radius - half.length_sq()).max(0.0).sqrt();
    let side = if large == sweep { -1.0 } else { 1.0 };
    let center = from + half + half.normalized().rot90() * away * -side;
    let start = (from - center).angle();
    let mut turn = (to - center).angle() - start;
    if sweep && turn < 0.0 {
        turn += TAU;
    } else if !sweep && turn > 0.0 {
        turn -= TAU;
    }
    points.extend((1..=12).map(|n| center + Vec2::angled(start + turn * n as f32 / 12.0) * radius));
}

#[cfg(test)]
mod tests {
    use super::{FILES, SIDE, read};

    #[test]
    fn every_icon_is_read_whole_and_lies_in_its_square() {
        for (name, svg) in FILES {
            let strokes = read(svg).unwrap_or_else(|| panic!("{name} has something else than strokes"));
            assert!(!strokes.is_empty(), "{name}");
            for (points, _) in &strokes {
                assert!(points.len() > 1, "{name}");
                assert!(points.iter().all(|p| p.x >= 0.0 && p.y >= 0.0 && p.x <= SIDE && p.y <= SIDE), "{name}");
            }
        }
    }

    #[test]
    fn commands_of_a_path() {
        let strokes = read("<svg><path d=\"M1 2H5V6ZM0 0L3 3\"/></svg>").expect("readable");
        assert_eq!(strokes.len(), 2);
        assert_eq!((strokes[0].0.len(), strokes[0].1), (3, true));
        assert_eq!((strokes[1].0.len(), strokes[1].1), (2, false));
        assert!(read("<svg><path d=\"M1 2Q5 6\"/></svg>").is_none());
    }
}
