use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use voco_engine_api::{EngineFailure, ModelCard, SegmentConfig, Task, WithoutCard};
use voco_nn::infer::softmax;
use voco_nn::{Architecture, Network};
use voco_volume::PreprocessSpec;

use crate::model_file::{file_name, load_network};

/// Edge of the window where nothing else tells.
const USUAL_EDGE: usize = 96;

/// One or several networks with the same classes and the same input.
pub(crate) struct Ensemble {
    members: Vec<Network>,
    /// Mirrorings of each window; the first is none.
    flips: Vec<Vec<isize>>,
    pub plan: Plan,
}

/// What the networks were trained for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Names by id, background first; one for each output.
    pub classes: Vec<String>,
    pub channels: usize,
    pub preprocess: PreprocessSpec,
    pub roi: [usize; 3],
}

impl Ensemble {
    pub fn load(config: &SegmentConfig, device: &Device) -> Result<Self, EngineFailure> {
        let mut members = Vec::with_capacity(config.checkpoints.len());
        let mut plan: Option<(String, Plan)> = None;
        for path in &config.checkpoints {
            let (network, own) = load_member(path, config, device)?;
            let name = file_name(path);
            match &plan {
                None => plan = Some((name, own)),
                Some((first, plan)) if plan.classes != own.classes => {
                    return Err(EngineFailure::BadInput(format!(
                        "{name}: its classes are not those of {first}; only networks for one task can vote together"
                    )));
                }
                Some((first, plan)) if (plan.channels, &plan.preprocess) != (own.channels, &own.preprocess) => {
                    return Err(EngineFailure::BadInput(format!(
                        "{name}: it was trained on volumes prepared otherwise than {first}; segment with each by itself"
                    )));
                }
                Some(_) => {}
            }
            members.push(network);
        }
        let Some((_, mut plan)) = plan else {
            return Err(EngineFailure::BadInput("There is no checkpoint to segment with; choose one".into()));
        };
        plan.preprocess.pad_to = std::array::from_fn(|a| plan.preprocess.pad_to[a].max(plan.roi[a]));
        Ok(Self { members, flips: mirrorings(config.flips), plan })
    }

    /// True if windows come back as probabilities; otherwise as logits, which a single network blends as MONAI does.
    pub fn gives_probabilities(&self) -> bool {
        self.members.len() * self.flips.len() > 1
    }

    /// Logits or probabilities `[K, roi]` of a window `[C, roi]`.
    pub fn predict(&self, window: Vec<f32>, device: &Device) -> Result<Vec<f32>, EngineFailure> {
        let [x, y, z] = self.plan.roi;
        let input = Tensor::<5>::from_data(TensorData::new(window, [1, self.plan.channels, x, y, z]), device);
        let mut mean: Vec<f32> = Vec::new();
        let count = (self.members.len() * self.flips.len()) as f32;
        for member in &self.members {
            for flips in &self.flips {
                // Spatial axes follow those of batch and channel.
                let mirrored = |x: Tensor<5>| flips.iter().fold(x, |x, axis| x.flip([axis + 2]));
                let Some(logits) = member.forward(mirrored(input.clone())).logits else {
                    return Err(EngineFailure::Internal("the network gives no logits".into()));
                };
                let logits = mirrored(logits);
                let mut values: Vec<f32> = logits.into_data().iter::<f32>().collect();
                if !values.iter().all(|v| v.is_finite()) {
                    return Err(EngineFailure::BadInput(
                        "The network gives values that are no numbers; the checkpoint is damaged or was trained with others"
                            .into(),
                    ));
                }
                if !self.gives_probabilities() {
                    return Ok(values);
                }
                softmax(&mut values, x * y * z);
                mean.resize(values.len(), 0.0);
                mean.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value / count);
            }
        }
        Ok(mean)
    }
}

/// All combinations of the chosen axes.
fn mirrorings(axes: [bool; 3]) -> Vec<Vec<isize>> {
    let mut all = vec![Vec::new()];
    for axis in (0..3).filter(|&axis| axes[axis]) {
        let more: Vec<Vec<isize>> =
            all.iter().map(|flips: &Vec<isize>| [&flips[..], &[axis as isize]].concat()).collect();
        all.extend(more);
    }
    all
}

fn load_member(path: &Path, config: &SegmentConfig, device: &Device) -> Result<(Network, Plan), EngineFailure> {
    let merging = |card: Option<&ModelCard>| card.map_or(config.patch_merging, |card| card.patch_merging);
    let loaded = load_network(path, merging, device)?;
    let name = file_name(path);
    let mut plan = match (&loaded.card, &config.without_card) {
        (Some(card), _) => plan_of_card(card, &loaded.architecture, &name)?,
        (None, Some(WithoutCard::Task(task))) => plan_of_task(task, &loaded.architecture, &name)?,
        (None, Some(WithoutCard::Preprocess(spec))) => Plan {
            classes: class_names_of(loaded.architecture.classes().unwrap_or(0)),
            channels: loaded.architecture.in_channels(),
            preprocess: PreprocessSpec { pad_to: [1; 3], resize_to: None, ..spec.clone() },
            roi: [USUAL_EDGE; 3],
        },
        (None, None) => {
            return Err(EngineFailure::BadInput(format!(
                "{name}: the file has no model card that tells its classes, spacing and window; name the task it was trained for, \
                 e.g. --task vocomni, or the preprocessing with --recipe"
            )));
        }
    };
    plan.roi = config.roi.unwrap_or(plan.roi);
    if loaded.architecture.classes().is_none() {
        return Err(EngineFailure::BadInput(format!(
            "{name}: this is an encoder, which gives no labels; fine-tune it with 'voco finetune --init' first"
        )));
    }
    loaded
        .architecture
        .check_crop(plan.roi)
        .map_err(|e| EngineFailure::BadInput(format!("{name}: {e}; choose another --roi")))?;
    Ok((loaded.network, plan))
}

fn plan_of_card(card: &ModelCard, architecture: &Architecture, name: &str) -> Result<Plan, EngineFailure> {
    let classes = card.class_names();
    let outputs = architecture.classes().unwrap_or(classes.len());
    if classes.len() > outputs || card.channels != architecture.in_channels() || card.preprocess.problem().is_some() {
        return Err(EngineFailure::BadInput(format!(
            "{name}: its model card does not belong to its weights; name the task with --task after removing the card, or choose \
             another file"
        )));
    }
    let rest = class_names_of(outputs).into_iter().skip(classes.len());
    let classes = classes.into_iter().chain(rest).collect();
    Ok(Plan { classes, channels: card.channels, preprocess: card.preprocess.clone(), roi: card.roi })
}

fn plan_of_task(task: &Task, architecture: &Architecture, name: &str) -> Result<Plan, EngineFailure> {
    let classes = task.class_names();
    let outputs = architecture.classes().unwrap_or(classes.len());
    if outputs != classes.len() {
        return Err(EngineFailure::BadInput(format!(
            "{name}: the network gives {outputs} classes and the task {} has {}, background included; name the task it was \
             trained for",
            task.name,
            classes.len()
        )));
    }
    if task.channels != architecture.in_channels() {
        return Err(EngineFailure::BadInput(format!(
            "{name}: the network takes {} channels and the task {} has {}; name the task it was trained for",
            architecture.in_channels(),
            task.name,
            task.channels
        )));
    }
    Ok(Plan { classes, channels: task.channels, preprocess: task.preprocess.clone(), roi: task.roi })
}

/// Names for outputs without any.
fn class_names_of(count: usize) -> Vec<String> {
    (0..count).map(|id| if id == 0 { "background".into() } else { format!("class {id}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_combinations_of_the_chosen_axes_come_once() {
        let none: Vec<isize> = Vec::new();
        assert_eq!(mirrorings([false; 3]), [none], "none");
        assert_eq!(mirrorings([true, false, true]), [vec![], vec![0], vec![2], vec![0, 2]]);
        assert_eq!(mirrorings([true; 3]).len(), 8);
    }
}
