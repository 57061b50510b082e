//! Operations on slices as operations on tensors, gradients included.

use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind, Flex,
};
use burn::tensor::{DType, TensorData};

use super::Limit;

/// A tensor of `Device::flex().autodiff()`.
type Node = FloatTensor<Autodiff<Flex>>;

/// An operation on `N` tensors in plain memory that knows its gradients.
pub trait CpuOp<const N: usize>: Clone + Send + Debug + 'static {
    /// What the gradients need besides the inputs.
    type Saved: Clone + Send + Debug + 'static;

    /// The output.
    fn forward(&self, inputs: [&[f32]; N]) -> (Value, Self::Saved);

    /// The gradient of every input that wants one, from that of the output.
    fn backward(
        &self,
        inputs: [&[f32]; N],
        saved: &Self::Saved,
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Value>; N];
}

/// Numbers with their shape.
#[derive(Debug, Clone)]
pub struct Value {
    /// Row-major.
    pub numbers: Vec<f32>,
    /// As many axes as the tensor has.
    pub shape: Vec<usize>,
}

impl Value {
    /// `numbers` in the given shape.
    pub fn new(numbers: Vec<f32>, shape: &[usize]) -> Self {
        Self { numbers, shape: shape.to_vec() }
    }

    fn into_flex(self) -> FlexTensor {
        FlexTensor::from_data(TensorData::new(self.numbers, self.shape))
    }
}

/// Inputs of a [`CpuOp`]: `f32`, in plain memory.
pub struct Inputs<const N: usize> {
    places: [Place; N],
    context: DispatchAutodiffContext,
}

enum Place {
    Plain(FlexTensor),
    Node(Node),
}

impl<const N: usize> Inputs<N> {
    /// `None` when one of the tensors lies elsewhere or has another format, or
    /// when the kernels are switched off.
    pub fn new(tensors: [DispatchTensor; N]) -> Option<Self> {
        if !super::may_use(Limit::Portable) {
            return None;
        }
        let mut context = DispatchAutodiffContext::Disabled;
        let mut places = Vec::with_capacity(N);
        for tensor in tensors {
            if tensor.autodiff != DispatchAutodiffContext::Disabled {
                if context != DispatchAutodiffContext::Disabled && context != tensor.autodiff {
                    return None;
                }
                context = tensor.autodiff;
            }
            let (place, dtype) = match tensor.kind {
                DispatchTensorKind::Flex(BackendTensor::Float(plain)) => {
                    let dtype = plain.dtype();
                    (Place::Plain(plain), dtype)
                }
                DispatchTensorKind::Autodiff(inner) => match *inner {
                    DispatchTensorKind::Flex(BackendTensor::Autodiff(node)) => {
                        let dtype = node.primitive().dtype();
                        (Place::Node(node), dtype)
                    }
                    _ => return None,
                },
                _ => return None,
            };
            if dtype != DType::F32 {
                return None;
            }
            places.push(place);
        }
        Some(Self { places: places.try_into().ok()?, context })
    }

    /// Runs `op` and records it where a graph is being recorded.
    pub fn apply<O: CpuOp<N>>(self, op: O) -> DispatchTensor {
        let kind = if self.context == DispatchAutodiffContext::Disabled {
            let plain = self.places.map(|place| match place {
                Place::Plain(plain) => plain,
                Place::Node(node) => node.into_primitive(),
            });
            DispatchTensorKind::Flex(BackendTensor::Float(forward(&op, &plain).0))
        } else {
            let nodes = self.places.map(|place| match place {
                Place::Plain(plain) => <Autodiff<Flex> as AutodiffBackend>::from_inner(plain),
                Place::Node(node) => node,
            });
            let output = record(op, &nodes);
            DispatchTensorKind::Autodiff(Box::new(DispatchTensorKind::Flex(BackendTensor::Autodiff(output))))
        };
        DispatchTensor { kind, autodiff: self.context }
    }
}

fn forward<const N: usize, O: CpuOp<N>>(op: &O, inputs: &[FlexTensor; N]) -> (FlexTensor, O::Saved) {
    let contiguous = inputs.each_ref().map(FlexTensor::to_contiguous);
    let (value, saved) = op.forward(contiguous.each_ref().map(slice));
    (value.into_flex(), saved)
}

/// The numbers of a contiguous tensor.
fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous f32 tensor")
}

fn record<const N: usize, O: CpuOp<N>>(op: O, inputs: &[Node; N]) -> Node {
    let plain = inputs.each_ref().map(|node| node.primitive().clone());
    let (output, saved) = forward(&op, &plain);
    // The strategy has no say in operations that are too dear to be repeated.
    let prepared = Recorded(op).prepare::<NoCheckpointing>(inputs.each_ref().map(Node::node));
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(mut prepared) => {
            let kept = inputs.each_ref().map(|node| prepared.checkpoint(node));
            prepared.finish((kept, saved), output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

#[derive(Debug)]
struct Recorded<O>(O);

impl<const N: usize, O: CpuOp<N>> Backward<Flex, N> for Recorded<O> {
    type State = ([NodeId; N], O::Saved);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (kept, saved) = ops.state;
        let inputs = kept.map(|id| checkpointer.retrieve_node_output::<FlexTensor>(id).to_contiguous());
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0.backward(inputs.each_ref().map(slice), &saved, slice(&gradient), wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient.into_flex());
            }
        }
    }
}
