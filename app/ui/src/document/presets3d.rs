//! The user's own 3D presets as JSON.

use serde_json::{Map, Value, json};
use voco_render::{Lighting, RenderMode, TransferFunction};

use crate::i18n;

/// More than anybody keeps.
const MAX_PRESETS: usize = 200;
const MAX_POINTS: usize = 256;

/// As text for a file.
pub fn presets_to_json(presets: &[TransferFunction]) -> String {
    let list: Vec<Value> = presets
        .iter()
        .map(|preset| {
            let Lighting { ambient, diffuse, specular, shininess, full_gradient } = preset.lighting;
            let points: Vec<Value> =
                preset.points.iter().map(|(value, [r, g, b, a])| json!([value, r, g, b, a])).collect();
            json!({
                "name": preset.name,
                "mode": preset.mode.id(),
                "relative": preset.is_relative,
                "shaded": preset.shaded,
                "lighting": {
                    "ambient": ambient, "diffuse": diffuse, "specular": specular,
                    "shininess": shininess, "full_gradient": full_gradient,
                },
                // Value, red, green, blue and opacity per millimetre.
                "points": points,
            })
        })
        .collect();
    serde_json::to_string_pretty(&json!({ "presets_3d": list })).unwrap_or_default()
}

/// Reads what [`presets_to_json`] wrote, possibly edited by hand. Presets that make no sense are left out.
///
/// # Errors
/// One sentence if it is no such file.
pub fn presets_from_json(text: &str) -> Result<Vec<TransferFunction>, String> {
    let root: Value = serde_json::from_str(text)
        .map_err(|e| i18n::text_with("tell-presets-not-valid", [("problem", e.to_string().into())]))?;
    let list = root.get("presets_3d").and_then(Value::as_array);
    let list = list.ok_or(i18n::text("tell-presets-no-list"))?;
    Ok(list.iter().take(MAX_PRESETS).filter_map(Value::as_object).filter_map(preset).collect())
}

fn preset(row: &Map<String, Value>) -> Option<TransferFunction> {
    let mode = row.get("mode").and_then(Value::as_str)?;
    let number = |value: &Value| value.as_f64().filter(|v| v.is_finite());
    let share = |value: &Value| number(value).map(|v| v.clamp(0.0, 1.0) as f32);
    let lighting = row.get("lighting").and_then(Value::as_object)?;
    let light = |name: &str, most: f64| lighting.get(name).and_then(number).map(|v| v.clamp(0.0, most) as f32);
    let mut points = Vec::new();
    for point in row.get("points")?.as_array()?.iter().take(MAX_POINTS) {
        let [value, r, g, b, a] = point.as_array()?.as_slice() else { return None };
        points.push((number(value)?, [share(r)?, share(g)?, share(b)?, share(a)?]));
    }
    if points.is_empty() {
        return None;
    }
    Some(TransferFunction {
        name: row.get("name")?.as_str()?.chars().take(80).collect(),
        points,
        mode: RenderMode::ALL.into_iter().find(|m| m.id() == mode)?,
        shaded: row.get("shaded")?.as_bool()?,
        lighting: Lighting {
            ambient: light("ambient", 1.0)?,
            diffuse: light("diffuse", 2.0)?,
            specular: light("specular", 2.0)?,
            shininess: light("shininess", 200.0)?,
            full_gradient: light("full_gradient", 1e9)?,
        },
        is_relative: row.get("relative")?.as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use voco_render::TransferFunction;

    use super::{presets_from_json, presets_to_json};

    #[test]
    fn presets_survive_being_written_and_read() {
        let presets = TransferFunction::presets();
        let read = presets_from_json(&presets_to_json(&presets)).expect("what was written");
        assert_eq!(read, presets);
    }

    #[test]
    fn what_makes_no_sense_is_left_out_and_what_is_no_list_is_said() {
        assert!(presets_from_json("{").is_err() && presets_from_json("{}").is_err());
        let text = presets_to_json(&TransferFunction::presets()[..2]);
        let broken = text.replacen("\"composite\"", "\"magic\"", 1);
        assert_eq!(presets_from_json(&broken).expect("a list").len(), 1);
        let wild = text.replacen("\"ambient\": 0.2", "\"ambient\": 7", 1);
        assert!(presets_from_json(&wild).expect("a list").iter().all(|p| p.lighting.ambient <= 1.0));
    }
}
