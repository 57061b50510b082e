//! Optimisers with a state that survives a restart.
//!
//! burn files its state under random parameter ids, which a new process does not
//! have; here it is filed under PyTorch keys.

mod adamw;
mod sgd;

pub use adamw::{AdamW, AdamWSettings};
pub use sgd::{Sgd, SgdSettings};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::keys::KeyPath;

/// Root of the sum of squares of all gradients: the number to watch for
/// divergence. Not a number if any gradient is not.
pub fn gradient_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    struct Norm<'a> {
        gradients: &'a GradientsParams,
        parts: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.parts.push(gradient.square().sum());
            }
        }
    }
    let mut norm = Norm { gradients, parts: Vec::new() };
    module.visit(&mut norm);
    if norm.parts.is_empty() {
        return 0.0;
    }
    let squares = Tensor::cat(norm.parts, 0).into_data();
    squares.iter::<f64>().sum::<f64>().sqrt()
}

/// The gradients of a loss `[1]`, computed from `scale` times the loss: the same but for what half precision cannot hold.
pub fn unscaled_gradients<M: Module>(module: &M, loss: Tensor<1>, scale: f64) -> GradientsParams {
    if scale == 1.0 {
        return GradientsParams::from_grads(loss.backward(), module);
    }
    let mut gradients = GradientsParams::from_grads((loss * scale).backward(), module);
    scale_gradients(module, &mut gradients, 1.0 / scale);
    gradients
}

/// Multiplies all gradients by `factor`.
pub fn scale_gradients<M: Module>(module: &M, gradients: &mut GradientsParams, factor: f64) {
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        factor: f64,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                self.gradients.register(param.id, gradient * self.factor);
            }
        }
    }
    module.visit(&mut Scale { gradients, factor });
}

/// Scales all gradients so that their common norm is at most `max_norm`, and
/// returns the norm before (`torch.nn.utils.clip_grad_norm_`).
pub fn clip_gradient_norm<M: Module>(module: &M, gradients: &mut GradientsParams, max_norm: f64) -> f64 {
    let norm = gradient_norm(module, gradients);
    let factor = max_norm / (norm + 1e-6);
    if factor < 1.0 {
        scale_gradients(module, gradients, factor);
    }
    norm
}

/// What an optimiser does with one parameter.
trait Rule {
    /// The new value of the parameter called `key`, flat and outside any graph.
    fn update(&mut self, key: String, lr: f64, value: Tensor<1>, gradient: Tensor<1>) -> Tensor<1>;
}

/// One step of `rule` on every parameter that has a gradient; the others stay as
/// they are.
fn step_module<M: Module>(rule: &mut impl Rule, lr: f64, module: M, gradients: GradientsParams) -> M {
    step_layers(rule, &|_| lr, module, gradients)
}

/// The same with a learning rate for each parameter, by its PyTorch key.
fn step_layers<M: Module>(rule: &mut impl Rule, lr: &dyn Fn(&str) -> f64, module: M, gradients: GradientsParams) -> M {
    let mut step = Step { rule, gradients, lr, path: KeyPath::default() };
    module.map(&mut step)
}

struct Step<'a, R> {
    rule: &'a mut R,
    gradients: GradientsParams,
    lr: &'a dyn Fn(&str) -> f64,
    path: KeyPath,
}

impl<R: Rule> ModuleMapper for Step<'_, R> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let key = self.path.key();
        let (id, value, mapper) = param.consume();
        let required = value.is_require_grad();
        let strategy = value.gradient_checkpointing_strategy();
        let shape = value.shape();
        let gradient = gradient.without_autodiff().reshape([-1]);
        let lr = (self.lr)(&key);
        let updated = self.rule.update(key, lr, value.without_autodiff().reshape([-1]), gradient);
        let updated = updated.reshape(shape);
        let updated = match strategy {
            Some(strategy) => {
                updated.autodiff().with_gradient_checkpointing_strategy(strategy).set_require_grad(required)
            }
            None => updated,
        };
        Param::from_mapped_value(id, updated, mapper)
    }
}
