//! Training data: lists of cases, the cache of preprocessed samples, crops and their augmentation, loading threads.
//!
//! Everything random follows from (seed, epoch, sample), whatever the number of threads: a run that was interrupted draws what
//! it would have drawn.

pub mod augment;
pub mod cache;
pub mod crop;
mod error;
pub mod label;
pub mod list;
pub mod loader;
mod random;

pub use augment::{Augmentation, augment};
pub use cache::{CacheReport, SampleCache, SkipReason, Skipped, StoredSample};
pub use crop::{Crop, PosNeg};
pub use error::DataError;
pub use label::{ClassName, LabelMap};
pub use list::{Case, DataList, Holdout, Part, Source, Split};
pub use loader::{Loader, LoaderError, LoaderOptions};
pub use random::rng;
