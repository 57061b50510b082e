//! All colours and sizes of the window.

use egui::{Color32, CornerRadius, FontId, Stroke, Visuals};
use voco_volume::SlicePlane;

/// Behind pictures.
pub const VIEW_BACKGROUND: Color32 = Color32::BLACK;
/// Letters and read-outs on pictures.
pub const ON_PICTURE: Color32 = Color32::from_rgb(225, 225, 215);
/// Less important text on pictures.
pub const ON_PICTURE_WEAK: Color32 = Color32::from_rgb(160, 160, 155);
/// Base crops.
pub const GRID: Color32 = Color32::from_rgb(96, 165, 250);
/// Numbers of base crops.
pub const GRID_TEXT: Color32 = Color32::from_rgb(147, 197, 253);
/// True places and overlaps.
pub const TRUTH: Color32 = Color32::from_rgb(74, 222, 128);
/// Predicted places and overlaps.
pub const PREDICTION: Color32 = Color32::from_rgb(251, 146, 60);
/// Losses other than the position loss.
pub const LOSS: Color32 = Color32::from_rgb(148, 163, 184);
/// Reference lines.
pub const REFERENCE: Color32 = Color32::from_rgb(150, 150, 150);
/// Faults.
pub const ERROR: Color32 = Color32::from_rgb(248, 113, 113);
/// Warnings on pictures and in panels.
pub const WARNING: Color32 = Color32::from_rgb(250, 204, 21);
/// Curves of several runs (Okabe and Ito's colours, told apart with any colour vision).
pub const SERIES: [Color32; 7] = [
    Color32::from_rgb(230, 159, 0),
    Color32::from_rgb(86, 180, 233),
    Color32::from_rgb(0, 158, 115),
    Color32::from_rgb(240, 228, 66),
    Color32::from_rgb(204, 121, 167),
    Color32::from_rgb(213, 94, 0),
    Color32::from_rgb(150, 170, 200),
];
/// Selected things.
pub const ACCENT: Color32 = Color32::from_rgb(56, 132, 214);

/// The colour of a plane's title and of its line in the other views, as in most readers' programs.
pub fn plane_color(plane: SlicePlane) -> Color32 {
    match plane {
        SlicePlane::Axial => Color32::from_rgb(239, 83, 80),
        SlicePlane::Coronal => Color32::from_rgb(102, 187, 106),
        SlicePlane::Sagittal => Color32::from_rgb(255, 213, 79),
    }
}

/// The 3D view's title.
pub const VOLUME_TITLE: Color32 = Color32::from_rgb(144, 202, 249);

/// A label's colour.
pub fn label_color(rgb: [u8; 3]) -> Color32 {
    Color32::from_rgb(rgb[0], rgb[1], rgb[2])
}

/// From black to `color` as `share` goes from 0 to 1.
pub fn heat(color: Color32, share: f32) -> Color32 {
    let t = share.clamp(0.0, 1.0).powf(0.8);
    let base = Color32::from_rgb(30, 32, 36);
    let mix = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * t).round() as u8;
    Color32::from_rgb(mix(base.r(), color.r()), mix(base.g(), color.g()), mix(base.b(), color.b()))
}

/// The crop box.
pub const CROP_BOX: Color32 = Color32::from_rgb(235, 150, 235);
/// Measurements.
pub const MEASURE: Color32 = Color32::from_rgb(255, 224, 92);
/// The measurement that is chosen.
pub const MEASURE_SELECTED: Color32 = Color32::from_rgb(92, 225, 255);
/// Around the view that keys speak to.
pub const ACTIVE_VIEW: Color32 = Color32::from_rgb(86, 150, 220);
/// Between views.
pub const VIEW_GAP: Color32 = Color32::from_rgb(52, 56, 62);

/// Colours of the window itself; pictures stay on black in every look.
struct Tokens {
    panel: Color32,
    window: Color32,
    field: Color32,
    stripe: Color32,
    text: Color32,
    text_strong: Color32,
    text_weak: Color32,
    line: Color32,
    /// Around check boxes and fields: they must stand out from the panel, 3 to 1.
    edge: Color32,
    widget: Color32,
    widget_hovered: Color32,
    widget_active: Color32,
    accent: Color32,
    on_accent: Color32,
}

const DARK: Tokens = Tokens {
    panel: Color32::from_rgb(24, 26, 29),
    window: Color32::from_rgb(32, 35, 39),
    field: Color32::from_rgb(14, 15, 17),
    stripe: Color32::from_rgb(32, 35, 39),
    text: Color32::from_rgb(208, 212, 217),
    text_strong: Color32::from_rgb(244, 246, 248),
    text_weak: Color32::from_rgb(146, 152, 160),
    line: Color32::from_rgb(52, 56, 62),
    edge: Color32::from_rgb(108, 114, 122),
    widget: Color32::from_rgb(46, 50, 56),
    widget_hovered: Color32::from_rgb(60, 65, 72),
    widget_active: Color32::from_rgb(72, 78, 87),
    accent: Color32::from_rgb(38, 100, 168),
    on_accent: Color32::WHITE,
};

const LIGHT: Tokens = Tokens {
    panel: Color32::from_rgb(243, 244, 246),
    window: Color32::from_rgb(252, 252, 253),
    field: Color32::WHITE,
    stripe: Color32::from_rgb(233, 235, 238),
    text: Color32::from_rgb(36, 40, 46),
    text_strong: Color32::from_rgb(10, 12, 15),
    text_weak: Color32::from_rgb(92, 98, 106),
    line: Color32::from_rgb(203, 207, 212),
    edge: Color32::from_rgb(132, 138, 146),
    widget: Color32::from_rgb(224, 227, 231),
    widget_hovered: Color32::from_rgb(211, 215, 221),
    widget_active: Color32::from_rgb(196, 202, 210),
    accent: Color32::from_rgb(28, 98, 176),
    on_accent: Color32::WHITE,
};

/// Sizes, in points at 100 %.
mod sizes {
    pub const BODY: f32 = 13.5;
    pub const SMALL: f32 = 11.5;
    pub const HEADING: f32 = 17.0;
    pub const MONO: f32 = 12.5;
    pub const ROUNDING: u8 = 4;
}

/// A colour that can be read on the panels of this look: light ones are darkened for light panels until their contrast is
/// that of WCAG's AA (4.5 to 1).
pub fn legible(ui: &egui::Ui, color: Color32) -> Color32 {
    if ui.visuals().dark_mode { color } else { darkened(color, LIGHT.panel) }
}

fn darkened(color: Color32, background: Color32) -> Color32 {
    let mut result = color;
    for _ in 0..40 {
        if contrast(result, background) >= 4.5 {
            break;
        }
        let scale = |v: u8| (f32::from(v) * 0.94) as u8;
        result = Color32::from_rgb(scale(result.r()), scale(result.g()), scale(result.b()));
    }
    result
}

/// WCAG's contrast of two opaque colours, 1…21.
pub fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |c: Color32| {
        let linear = egui::Rgba::from(c);
        0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Fonts and both looks; begins dark.
pub fn apply(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_theme(egui::Theme::Dark);
    // The window has its own keys for that, with its own steps.
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
    ctx.set_visuals_of(egui::Theme::Dark, visuals(&DARK, Visuals::dark()));
    ctx.set_visuals_of(egui::Theme::Light, visuals(&LIGHT, Visuals::light()));
    ctx.all_styles_mut(|style| {
        let sizes = [
            (egui::TextStyle::Small, sizes::SMALL),
            (egui::TextStyle::Body, sizes::BODY),
            (egui::TextStyle::Button, sizes::BODY),
            (egui::TextStyle::Heading, sizes::HEADING),
        ];
        for (name, size) in sizes {
            style.text_styles.insert(name, FontId::proportional(size));
        }
        style.text_styles.insert(egui::TextStyle::Monospace, FontId::monospace(sizes::MONO));
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(8.0, 3.0);
        style.spacing.slider_width = 130.0;
        style.spacing.interact_size.y = 22.0;
    });
}

/// The look and scale that the user chose; does nothing if both are on already.
pub fn set(ctx: &egui::Context, preferences: &crate::Preferences) {
    let theme = if preferences.look == crate::Look::Light { egui::Theme::Light } else { egui::Theme::Dark };
    if ctx.theme() != theme {
        ctx.set_theme(theme);
    }
    let zoom = f32::from(preferences.scale_percent) / 100.0;
    if (ctx.zoom_factor() - zoom).abs() > 1e-3 {
        ctx.set_zoom_factor(zoom);
    }
}

/// The family of headings and numbers that matter.
pub fn semi_bold(ctx: &egui::Context) -> egui::FontFamily {
    let family = semi_bold_family();
    // Without [`apply`] it is not there, and text in it could not be drawn.
    let is_there = ctx.fonts(|fonts| fonts.definitions().families.contains_key(&family));
    if is_there { family } else { egui::FontFamily::Proportional }
}

fn semi_bold_family() -> egui::FontFamily {
    egui::FontFamily::Name("semi-bold".into())
}

/// Noto Sans (Latin, Greek, Cyrillic, Vietnamese) before the fonts that come with egui.
fn fonts() -> egui::FontDefinitions {
    let mut fonts = egui::FontDefinitions::default();
    let font = |bytes: &'static [u8]| std::sync::Arc::new(egui::FontData::from_static(bytes));
    fonts.font_data.insert("noto".into(), font(include_bytes!("../../../assets/fonts/NotoSans-Regular.ttf")));
    fonts
        .font_data
        .insert("noto-semi-bold".into(), font(include_bytes!("../../../assets/fonts/NotoSans-SemiBold.ttf")));
    let mut behind = fonts.families.get(&egui::FontFamily::Proportional).cloned().unwrap_or_default();
    // It has arrows and other signs.
    behind.push("Hack".into());
    let family = |first: &str| std::iter::once(first.to_owned()).chain(behind.iter().cloned()).collect::<Vec<_>>();
    fonts.families.insert(semi_bold_family(), family("noto-semi-bold"));
    fonts.families.insert(egui::FontFamily::Proportional, family("noto"));
    fonts
}

fn visuals(tokens: &Tokens, mut visuals: Visuals) -> Visuals {
    visuals.panel_fill = tokens.panel;
    visuals.window_fill = tokens.window;
    visuals.extreme_bg_color = tokens.field;
    visuals.text_edit_bg_color = Some(tokens.field);
    visuals.faint_bg_color = tokens.stripe;
    visuals.weak_text_color = Some(tokens.text_weak);
    visuals.window_stroke = Stroke::new(1.0, tokens.line);
    visuals.selection.bg_fill = tokens.accent;
    visuals.selection.stroke = Stroke::new(1.0, tokens.on_accent);
    visuals.hyperlink_color = tokens.accent;
    let widgets = &mut visuals.widgets;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, tokens.line);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, tokens.text);
    for (widget, fill, text) in [
        (&mut widgets.inactive, tokens.widget, tokens.text),
        (&mut widgets.hovered, tokens.widget_hovered, tokens.text_strong),
        (&mut widgets.active, tokens.widget_active, tokens.text_strong),
        (&mut widgets.open, tokens.widget_hovered, tokens.text_strong),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = CornerRadius::same(sizes::ROUNDING);
    }
    widgets.inactive.bg_stroke = Stroke::new(1.0, tokens.edge);
    visuals
}

#[cfg(test)]
mod tests {
    use super::{DARK, ERROR, LIGHT, PREDICTION, TRUTH, Tokens, WARNING, contrast, darkened};

    #[test]
    fn text_can_be_read_in_both_looks() {
        for tokens in [&DARK, &LIGHT] {
            let Tokens { text, text_strong, text_weak, panel, window, field, accent, on_accent, widget, edge, .. } =
                *tokens;
            for background in [panel, window, field, widget] {
                assert!(contrast(text, background) >= 7.0, "text: {}", contrast(text, background));
                assert!(contrast(text_strong, background) >= 7.0);
                assert!(contrast(text_weak, background) >= 4.0, "weak: {}", contrast(text_weak, background));
            }
            assert!(contrast(edge, panel) >= 3.0 && contrast(edge, window) >= 3.0, "edges: {}", contrast(edge, panel));
            assert!(contrast(on_accent, accent) >= 4.5, "accent: {}", contrast(on_accent, accent));
        }
        for color in [ERROR, WARNING, TRUTH, PREDICTION] {
            assert!(contrast(color, DARK.panel) >= 4.5);
            assert!(contrast(darkened(color, LIGHT.panel), LIGHT.panel) >= 4.5);
        }
    }
}
