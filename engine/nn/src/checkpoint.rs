//! Gradient checkpointing: a part of a network that keeps its inputs only, and
//! computes what lies between again when the gradients come (Chen and others,
//! "Training Deep Nets with Sublinear Memory Cost", 2016).
//!
//! burn's own checkpointing repeats single cheap operations and keeps the outputs
//! of all dear ones, which here are nearly all there is. A part costs one forward
//! pass more, and its gradients are the same numbers.

use std::fmt::{Debug, Formatter};

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Cube, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// What a part computes from `N` maps `[N, C, D, H, W]`.
pub type Part<M, const N: usize> = fn(&M, [Tensor<5>; N]) -> Tensor<5>;

/// [`run`] if `is_on`, the plain call if not.
pub fn part<M: Module + 'static, const N: usize>(
    is_on: bool,
    module: &M,
    inputs: [Tensor<5>; N],
    forward: Part<M, N>,
) -> Tensor<5> {
    if is_on { run(module, inputs, forward) } else { forward(module, inputs) }
}

/// `forward(module, inputs)`; where a graph is recorded, without keeping what lies between.
///
/// Without a graph, that is when no parameter of `module` asks for gradients, it is just the call.
pub fn run<M: Module + 'static, const N: usize>(module: &M, inputs: [Tensor<5>; N], forward: Part<M, N>) -> Tensor<5> {
    let mut parameters = Parameters::default();
    module.visit(&mut parameters);
    let Some(context) = parameters.context else { return forward(module, inputs) };
    let first = inputs.first().map(|x| x.clone().into_dispatch().kind);
    match first.map(plain_kind) {
        Some(DispatchTensorKind::Flex(_)) => record::<Flex, M, N>(module, inputs, forward, parameters.nodes, context),
        Some(DispatchTensorKind::Cube(_)) => record::<Cube, M, N>(module, inputs, forward, parameters.nodes, context),
        _ => forward(module, inputs),
    }
}

/// The kind of backend below an autodiff wrapper.
fn plain_kind(kind: DispatchTensorKind) -> DispatchTensorKind {
    match kind {
        DispatchTensorKind::Autodiff(inner) => *inner,
        other => other,
    }
}

/// A backend whose tensors can be put into burn's common tensor and taken out of it.
trait Place: Backend {
    fn wrap(tensor: BackendTensor<Self>) -> DispatchTensorKind;
    fn unwrap(kind: DispatchTensorKind) -> Option<BackendTensor<Self>>;
}

macro_rules! place {
    ($backend:ty, $variant:ident) => {
        impl Place for $backend {
            fn wrap(tensor: BackendTensor<Self>) -> DispatchTensorKind {
                DispatchTensorKind::$variant(tensor)
            }

            fn unwrap(kind: DispatchTensorKind) -> Option<BackendTensor<Self>> {
                match kind {
                    DispatchTensorKind::$variant(tensor) => Some(tensor),
                    _ => None,
                }
            }
        }
    };
}

place!(Flex, Flex);
place!(Cube, Cube);

/// A tensor without a graph.
fn tensor<B: Place, const D: usize>(primitive: FloatTensor<B>) -> Tensor<D> {
    let kind = B::wrap(BackendTensor::Float(primitive));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: DispatchAutodiffContext::Disabled })
}

/// The primitive of a tensor without a graph.
fn primitive<B: Place, const D: usize>(tensor: Tensor<D>) -> FloatTensor<B> {
    match B::unwrap(tensor.into_dispatch().kind) {
        Some(BackendTensor::Float(primitive)) => primitive,
        _ => panic!("a part of a network moved its tensors to another device"),
    }
}

/// Nodes of the parameters that ask for gradients.
#[derive(Default)]
struct Parameters {
    nodes: Vec<(ParamId, NodeId)>,
    context: Option<DispatchAutodiffContext>,
}

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let DispatchTensor { kind, autodiff } = value.into_dispatch();
        let node = match plain_kind(kind) {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(node)) => node.id(),
            DispatchTensorKind::Cube(BackendTensor::Autodiff(node)) => node.id(),
            _ => return,
        };
        self.context = Some(autodiff);
        self.nodes.push((param.id, node));
    }
}

/// What is kept for the gradients, all without a graph.
#[derive(Clone)]
struct Kept<M, const N: usize> {
    module: M,
    inputs: [Tensor<5>; N],
    forward: Part<M, N>,
    nodes: Vec<(ParamId, NodeId)>,
}

impl<M, const N: usize> Debug for Kept<M, N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("inputs", &N).field("parameters", &self.nodes.len()).finish_non_exhaustive()
    }
}

/// The operation in the graph. Its last parent stands for the parameters: whatever the inputs ask for, it asks for
/// gradients. The number of parents is fixed: two maps at most.
#[derive(Debug)]
struct Repeated<M, const N: usize>(std::marker::PhantomData<fn(M)>);

/// Parents of every part: up to two maps and the stand-in for the parameters.
const PARENTS: usize = 3;

fn record<B: Place, M: Module + 'static, const N: usize>(
    module: &M,
    inputs: [Tensor<5>; N],
    forward: Part<M, N>,
    nodes: Vec<(ParamId, NodeId)>,
    context: DispatchAutodiffContext,
) -> Tensor<5> {
    const { assert!(N > 0 && N < PARENTS, "a part has one or two maps") };
    let plain = module.valid();
    let kept_inputs = inputs.clone().map(|x| if x.is_autodiff() { x.inner() } else { x });
    let output = primitive::<B, 5>(forward(&plain, kept_inputs.clone()));

    let stand_in = node::<B, 1>(Tensor::zeros([1], &kept_inputs[0].device()).autodiff().require_grad());
    let mut parents: Vec<_> =
        inputs.into_iter().map(|x| node::<B, 5>(if x.is_autodiff() { x } else { x.autodiff() })).collect();
    parents.resize(PARENTS, stand_in);
    let guards = std::array::from_fn(|index| parents[index].node());
    let prepared = Repeated::<M, N>(std::marker::PhantomData).prepare::<NoCheckpointing>(guards);
    let output = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            prepared.finish(Kept { module: plain, inputs: kept_inputs, forward, nodes }, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    let kind = DispatchTensorKind::Autodiff(Box::new(B::wrap(BackendTensor::Autodiff(output))));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: context })
}

/// The node of a tensor in a graph.
fn node<B: Place, const D: usize>(tensor: Tensor<D>) -> FloatTensor<Autodiff<B>> {
    match B::unwrap(plain_kind(tensor.into_dispatch().kind)) {
        Some(BackendTensor::Autodiff(node)) => node,
        _ => panic!("the inputs of a part of a network lie on different devices"),
    }
}

impl<B: Place, M: Module + 'static, const N: usize> Backward<B, PARENTS> for Repeated<M, N> {
    type State = Kept<M, N>;

    fn backward(self, ops: Ops<Self::State, PARENTS>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream: Tensor<5> = tensor::<B, 5>(grads.consume::<B>(&ops.node));
        let Kept { module, inputs, forward, nodes } = ops.state;
        // A graph of its own, from new leaves: the outer one is locked while it runs.
        let module = module.map(&mut Leaves(&nodes));
        let mut wanted = ops.parents.iter().map(Option::is_some);
        let inputs = inputs.map(|x| {
            let x = x.autodiff();
            if wanted.next() == Some(true) { x.require_grad() } else { x }
        });
        let product = (forward(&module, inputs.clone()) * Tensor::from_inner(upstream)).sum();
        let mut inner = product.backward();
        for (x, parent) in inputs.iter().zip(&ops.parents) {
            if let (Some(parent), Some(gradient)) = (parent, x.grad_remove(&mut inner)) {
                grads.register::<B>(parent.id, primitive::<B, 5>(gradient));
            }
        }
        let gradients = GradientsParams::from_grads(inner, &module);
        module.visit(&mut Register::<B> { gradients, nodes, outer: grads, backend: std::marker::PhantomData });
    }
}

/// Makes parameters leaves of a new graph, those with a node such that ask for gradients.
struct Leaves<'a>(&'a [(ParamId, NodeId)]);

impl ModuleMapper for Leaves<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        let is_wanted = self.0.iter().any(|(known, _)| *known == id);
        Param::from_mapped_value(id, value.autodiff().set_require_grad(is_wanted), mapper)
    }
}

/// Hands the gradients of the repeated part to the parameters of the outer graph.
struct Register<'a, B> {
    gradients: GradientsParams,
    nodes: Vec<(ParamId, NodeId)>,
    outer: &'a mut Gradients,
    backend: std::marker::PhantomData<B>,
}

impl<B: Place> ModuleVisitor for Register<'_, B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some((_, node)) = self.nodes.iter().find(|(id, _)| *id == param.id) else { return };
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.outer.register::<B>(*node, primitive::<B, D>(gradient));
        }
    }
}
