//! The published checkpoints: which there are, where they lie on this machine, and how to get them.
//!
//! The only crate that opens a network connection, and only when the user asks for a file by name. What it sends is that name;
//! nothing of a patient, of a volume or of the machine goes out. A file gets its name once its size and checksum are right; until
//! then it lies beside as `.part`, and the next fetch goes on from there.

mod catalogue;
mod check;
mod error;
mod fetch;
mod hub;
mod part;
mod store;

pub use catalogue::{Catalogue, Model, catalogue};
pub use check::Check;
pub use error::{HubError, human_bytes};
pub use fetch::{Control, Fetched, Phase, Progress, Source};
pub use hub::Hub;
pub use store::{Presence, Store, resolve};
