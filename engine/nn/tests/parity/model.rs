//! The fixture's model, and gradients under PyTorch keys.

use std::collections::BTreeMap;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use voco_nn::weights::{NamedTensor, import_tensors, named_tensors};
use voco_nn::{VocoModel, VocoModelConfig};

use crate::fixture::Fixture;

/// The model of `voco/settings.json` with the head's weights.
pub fn head_model(data: &Fixture) -> VocoModel {
    let mut config = VocoModelConfig::from_name("tiny").unwrap();
    (config.hidden, config.output) = (64, 64);
    let model = config.init(&Device::flex().autodiff(), 1);
    let (model, report) = import_tensors(model, data.below("init.")).unwrap();
    assert_eq!(report.matched.len(), 12, "all tensors of two projectors");
    model
}

/// Gradients under PyTorch keys and layouts, through the export of a module
/// whose parameters were replaced by their gradients.
pub fn named_gradients<M: Module>(model: &M, gradients: &GradientsParams) -> BTreeMap<String, NamedTensor> {
    struct Replace<'a>(&'a GradientsParams);
    impl burn::module::ModuleMapper for Replace<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if let Some(gradient) = self.0.get::<D>(param.id) {
                Param::initialized(param.id, gradient)
            } else {
                let none = param.val().without_autodiff() * f32::NAN;
                Param::initialized(param.id, none)
            }
        }
    }
    let mut named = named_tensors(&model.clone().map(&mut Replace(gradients)));
    named.retain(|_, tensor| !tensor.values.iter().all(|v| v.is_nan()));
    named
}
