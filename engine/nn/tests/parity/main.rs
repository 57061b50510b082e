//! Parity with the published PyTorch code, number by number.
//!
//! Most tests read `shared/fixtures` beside the workspace (values computed in
//! float64 by torch and MONAI) and skip themselves when it is absent. The golden
//! vectors from formulas need no files.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests stop at the first surprise and print what they measured"
)]

mod fixture;
mod infer;
mod losses;
mod model;
mod optim;
mod plain;
mod registration;
mod segmentation;
mod speed;
mod step;
mod swin;
mod unetr;
mod weights;
