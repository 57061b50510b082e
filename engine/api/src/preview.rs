use voco_volume::Geometry;
use voco_volume::position::{Crop, PositionGrid};

/// Where the network thinks the crops of one volume lie, against the truth.
#[derive(Debug, Clone)]
pub struct PositionPreview {
    /// Optimiser step.
    pub step: u64,
    /// Name of the volume, without folders.
    pub volume_name: String,
    /// Its place in the job's list of data.
    pub volume_index: usize,
    /// The frame of the position task in the patient.
    pub frame: Geometry,
    /// The base crops that tile it.
    pub grid: PositionGrid,
    /// The random crops of this step.
    pub crops: Vec<CropPrediction>,
}

/// One random crop.
#[derive(Debug, Clone)]
pub struct CropPrediction {
    /// Its true place in the frame.
    pub crop: Crop,
    /// True overlap with each base crop, index n·i + j.
    pub target: Vec<f32>,
    /// Predicted overlap (cosine similarity, cut at 0), same order.
    pub prediction: Vec<f32>,
}

impl CropPrediction {
    /// True if the base crop of greatest overlap was predicted.
    pub fn is_top1_correct(&self) -> bool {
        arg_max(&self.target) == arg_max(&self.prediction)
    }
}

fn arg_max(values: &[f32]) -> Option<usize> {
    (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)))
}
