//! Networks, losses and optimiser of the VoCo pre-training, on burn tensors.
//!
//! [`voco::VocoModel`] is the heart: a backbone ([`swin`] or [`plain`]), a
//! student and a teacher projector, and the losses of the volume contrast. The
//! networks of the downstream tasks are [`swin::SwinUnetr`] and
//! [`plain::PlainUnet`].
//! Everything here is a pure function of tensors: no files, no threads, no
//! clocks, no random draws apart from weight initialisation. Callers bring
//! bytes, crops and dropout masks, and take bytes, losses and gradients back.

mod architecture;
pub mod checkpoint;
pub mod error;
pub mod infer;
pub mod kernels;
mod keys;
pub mod losses;
pub mod memory;
pub mod ops;
pub mod optim;
pub mod plain;
pub mod precision;
pub mod schedule;
pub mod swin;
pub mod up_conv;
pub mod voco;
pub mod weights;

pub use architecture::{Architecture, EncoderMaps, Network, NetworkOutput, canonical_shapes};
pub use error::NnError;
pub use optim::{AdamW, AdamWSettings, Sgd, SgdSettings};
pub use precision::{LossScale, Passes, Precision};
pub use voco::{VocoBatch, VocoModel, VocoModelConfig, VocoOutput};
pub use weights::ImportReport;
