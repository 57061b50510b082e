use clap::Args;
use voco_engine_api::{Compute, Precision};

/// How a network computes while it learns.
#[derive(Debug, Args)]
pub(crate) struct ComputeArgs {
    /// Number format of the passes on a GPU: f32, f16 or bf16, where it has them.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Compute blocks again for their gradients in place of keeping their results: less memory, more time.
    #[arg(long)]
    gradient_checkpointing: bool,
}

impl ComputeArgs {
    pub(crate) fn get(&self) -> Compute {
        Compute { precision: self.precision, gradient_checkpointing: self.gradient_checkpointing }
    }
}
