//! The text preprocessor, used by the build script and open to tests.

mod preprocess;

pub use preprocess::{Expanded, expand};
