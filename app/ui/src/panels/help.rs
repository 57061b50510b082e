use egui::Ui;

/// Mouse and keys.
pub(crate) fn help_ui(ui: &mut Ui) {
    let rows = [
        ("Wheel, arrows, Page up/down", "Next and previous slice"),
        ("Left drag", "Moves the crosshair (or the window, as chosen)"),
        ("Ctrl + left drag", "Window and level: right wider, up higher level"),
        ("Right drag, Ctrl + wheel", "Zoom"),
        ("Middle drag", "Pan"),
        ("Double click", "Fill the window with a view, and back"),
        ("3D: left, right, middle drag", "Turn, zoom, pan"),
        ("1 … 9", "Window presets"),
        ("A, S, D", "Labels: fainter, hide or show, stronger"),
        ("C, W", "Left drag moves the crosshair, or the window"),
        ("X", "Crosshair on and off"),
        ("G", "Base crops on and off"),
        ("R", "Fit and centre all views"),
        ("Ctrl+O", "Open"),
        ("Ctrl+S", "Save the label map"),
        ("F1", "This sheet"),
    ];
    egui::Grid::new("help").num_columns(2).striped(true).spacing([24.0, 5.0]).show(ui, |ui| {
        for (input, what) in rows {
            ui.strong(input);
            ui.label(what);
            ui.end_row();
        }
    });
    ui.add_space(6.0);
    ui.weak("Pictures are in radiological convention: the patient's right is at the left. Not for diagnostic use.");
}
