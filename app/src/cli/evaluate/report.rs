//! The numbers as JSON and as a table.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use voco_label::{ClassMetrics, MeanMetrics, Protocol, SurfaceKind};

use super::{Evaluated, number};

/// All cases of one run.
pub(super) struct Report {
    protocol: Protocol,
    is_folder: bool,
    notes: Vec<String>,
    cases: Vec<(String, Result<Evaluated, String>)>,
}

/// One class over all cases.
struct OverCases {
    name: Option<String>,
    rows: Vec<MeanMetrics>,
}

impl Report {
    pub(super) fn new(protocol: Protocol, is_folder: bool, notes: Vec<String>) -> Self {
        Self { protocol, is_folder, notes, cases: Vec::new() }
    }

    pub(super) fn add(&mut self, case: &str, result: Evaluated) {
        self.cases.push((case.to_owned(), Ok(result)));
    }

    pub(super) fn add_failed(&mut self, case: &str, error: &str) {
        self.cases.push((case.to_owned(), Err(error.to_owned())));
    }

    pub(super) fn num_failed(&self) -> usize {
        self.cases.iter().filter(|(_, result)| result.is_err()).count()
    }

    /// For one pair of files its classes and mean; for folders the same for each case, each class over the cases, and the mean
    /// of the cases' means.
    pub(super) fn to_json(&self) -> Value {
        let mut document = Map::new();
        document.insert("protocol".into(), json!(self.protocol_name()));
        document.insert("surface".into(), json!(self.surface_name()));
        if self.is_folder {
            let case = |(name, result): &(String, Result<Evaluated, String>)| match result {
                Ok(result) => {
                    let mut case = Map::new();
                    case.insert("case".into(), json!(name));
                    insert_classes(&mut case, result);
                    Value::Object(case)
                }
                Err(error) => json!({ "case": name, "error": error }),
            };
            document.insert("cases".into(), self.cases.iter().map(case).collect());
            let over = self.over_cases();
            let classes = over.iter().map(|(id, class)| {
                let mut row = Map::new();
                row.insert("id".into(), json!(id));
                row.extend(class.name.as_ref().map(|name| ("name".into(), json!(name))));
                row.insert("cases".into(), json!(class.rows.len()));
                row.extend(means(&MeanMetrics::of(&class.rows)));
                Value::Object(row)
            });
            document.insert("classes".into(), classes.collect());
            document.insert("mean".into(), Value::Object(means(&self.mean())));
            document.insert("warnings".into(), json!(self.notes));
        } else if let Some((_, Ok(result))) = self.cases.first() {
            insert_classes(&mut document, result);
        }
        Value::Object(document)
    }

    /// A table for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("protocol {}, surfaces of {}", self.protocol_name(), self.surface_name())];
        for (case, result) in &self.cases {
            let Ok(result) = result else { continue };
            lines.push(String::new());
            if self.is_folder {
                lines.push(case.clone());
            }
            lines.push(format!("{}   tolerance mm  prediction mL  reference mL", header()));
            for (class, rule) in result.classes.iter().zip(&result.rules) {
                lines.push(format!(
                    "{}   {:>12} {:>14.3} {:>13.3}",
                    row(&class.id.to_string(), result.name(class.id).unwrap_or_default(), &class.into()),
                    rule.tolerance_mm,
                    class.volume_ml_prediction,
                    class.volume_ml_reference
                ));
            }
            lines.push(row("", "mean", &mean_of(&result.classes)));
        }
        if self.is_folder {
            lines.extend([String::new(), "means over cases".into(), header()]);
            for (id, class) in self.over_cases() {
                lines.push(row(
                    &id.to_string(),
                    class.name.as_deref().unwrap_or_default(),
                    &MeanMetrics::of(&class.rows),
                ));
            }
            lines.push(row("", "mean", &self.mean()));
        }
        lines
    }

    /// First over the classes of each case, then over the cases.
    fn mean(&self) -> MeanMetrics {
        let cases = self.cases.iter().filter_map(|(_, result)| result.as_ref().ok());
        MeanMetrics::of(&cases.map(|result| mean_of(&result.classes)).collect::<Vec<_>>())
    }

    fn over_cases(&self) -> BTreeMap<u32, OverCases> {
        let mut over = BTreeMap::new();
        for result in self.cases.iter().filter_map(|(_, result)| result.as_ref().ok()) {
            for class in &result.classes {
                let name = || result.name(class.id).map(str::to_owned);
                let entry = over.entry(class.id).or_insert_with(|| OverCases { name: name(), rows: Vec::new() });
                entry.rows.push(class.into());
            }
        }
        over
    }

    fn protocol_name(&self) -> &'static str {
        match self.protocol {
            Protocol::Monai => "monai",
            Protocol::Flare => "flare",
        }
    }

    fn surface_name(&self) -> &'static str {
        match self.protocol.surface() {
            SurfaceKind::EdgeVoxels => "edge voxels",
            SurfaceKind::Elements => "elements with an area",
        }
    }
}

fn mean_of(classes: &[ClassMetrics]) -> MeanMetrics {
    MeanMetrics::of(&classes.iter().map(MeanMetrics::from).collect::<Vec<_>>())
}

fn means(mean: &MeanMetrics) -> Map<String, Value> {
    let &MeanMetrics { dice, iou, hd, hd95, assd, nsd } = mean;
    let fields = [("dice", dice), ("iou", iou), ("hd", hd), ("hd95", hd95), ("assd", assd), ("nsd", nsd)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn insert_classes(document: &mut Map<String, Value>, result: &Evaluated) {
    let class = |(class, rule): (&ClassMetrics, &voco_label::ClassRule)| {
        let mut row = Map::new();
        row.insert("id".into(), json!(class.id));
        row.extend(result.name(class.id).map(|name| ("name".into(), json!(name))));
        row.extend(means(&class.into()));
        row.insert("volume_ml_prediction".into(), number(class.volume_ml_prediction));
        row.insert("volume_ml_reference".into(), number(class.volume_ml_reference));
        row.insert("nsd_tolerance_mm".into(), number(rule.tolerance_mm));
        Value::Object(row)
    };
    document.insert("classes".into(), result.classes.iter().zip(&result.rules).map(class).collect());
    document.insert("mean".into(), Value::Object(means(&mean_of(&result.classes))));
    document.insert("warnings".into(), json!(result.warnings));
}

fn header() -> String {
    format!(
        "{:>5}  {:<28} {:>7} {:>7} {:>8} {:>8} {:>8} {:>7}",
        "label", "name", "Dice", "IoU", "HD mm", "HD95 mm", "ASSD mm", "NSD"
    )
}

fn row(id: &str, name: &str, m: &MeanMetrics) -> String {
    let cell = |value: f64, width: usize, digits: usize| {
        if value.is_nan() { format!("{:>width$}", "–") } else { format!("{value:>width$.digits$}") }
    };
    format!(
        "{id:>5}  {name:<28} {} {} {} {} {} {}",
        cell(m.dice, 7, 4),
        cell(m.iou, 7, 4),
        cell(m.hd, 8, 2),
        cell(m.hd95, 8, 2),
        cell(m.assd, 8, 3),
        cell(m.nsd, 7, 4)
    )
}
