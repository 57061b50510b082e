use std::sync::Arc;

use glam::DVec3;
use voco_engine_api::CancelFlag;
use voco_render::{Comparison, ComparisonStyle};

use super::OpenLabels;

/// The label map of a volume against a reference, as the "Compare" panel holds it.
pub struct ReferenceLabels {
    /// What the label map is compared with: the reference with the ids that the label map has for classes of the same names.
    pub labels: OpenLabels,
    /// The reference as it was opened.
    pub original: OpenLabels,
    /// The names of the label map that it was matched with; none if it has not been.
    pub matched_with: Option<String>,
    /// Classes of the reference that the label map has no name for.
    pub left_out: usize,
    /// How the two are drawn.
    pub look: Comparison,
    /// Being measured, with the way to stop it.
    pub measuring: Option<(u64, CancelFlag)>,
    /// The measurement, once there.
    pub report: Option<Arc<ComparisonReport>>,
}

/// Agreement of two label maps.
#[derive(Debug, Clone, Default)]
pub struct ComparisonReport {
    /// One row per class that either has, by id.
    pub classes: Vec<ClassAgreement>,
}

/// Agreement in one class.
#[derive(Debug, Clone)]
pub struct ClassAgreement {
    /// Voxel value.
    pub id: u16,
    /// Name for people.
    pub name: String,
    /// Dice overlap, 0…1; none if the reference lacks the class.
    pub dice: Option<f64>,
    /// 95th percentile of the surface distances; none if one of the two lacks the class.
    pub hd95_mm: Option<f64>,
    /// Average symmetric surface distance.
    pub assd_mm: Option<f64>,
    /// Volume in the map on show.
    pub volume_ml: f64,
    /// Volume in the reference.
    pub reference_ml: f64,
    /// The middle of the difference in the slice that has most of it; none where there is no difference.
    pub worst_mm: Option<DVec3>,
}

impl ReferenceLabels {
    /// A reference that is still to be matched and measured.
    pub fn new(original: OpenLabels) -> Self {
        let look = Comparison { style: ComparisonStyle::Outlines, class: None };
        let labels = original.clone();
        Self { labels, original, matched_with: None, left_out: 0, look, measuring: None, report: None }
    }
}

impl ComparisonReport {
    /// Mean Dice over the classes that the reference has.
    pub fn mean_dice(&self) -> Option<f64> {
        let dice: Vec<f64> = self.classes.iter().filter(|c| c.reference_ml > 0.0).filter_map(|c| c.dice).collect();
        (!dice.is_empty()).then(|| dice.iter().sum::<f64>() / dice.len() as f64)
    }
}
