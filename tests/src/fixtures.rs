//! Files to test on: those committed here, and the larger ones beside the checkout where there are any.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A committed fixture.
pub fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A committed JSON fixture.
///
/// # Panics
/// If it cannot be read.
pub fn committed_json(name: &str) -> Value {
    json(&committed(name))
}

/// A file of the shared folder beside the checkout; `None`, with a word on standard error, where there is none.
///
/// # Panics
/// If there is none and `VOCO_REQUIRE_SHARED` is 1.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("VOCO_REQUIRE_SHARED").as_deref() != Ok("1"), "{name} is required beside this checkout");
    skipped(&format!("{name} is not beside this checkout"));
    None
}

/// Says that a test did not run.
#[expect(clippy::print_stderr, reason = "the reader of a test log must know")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// Any JSON file.
///
/// # Panics
/// If it cannot be read.
pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A 4×4 affine from JSON.
///
/// # Panics
/// If it is none.
pub fn affine(value: &Value) -> [[f64; 4]; 4] {
    std::array::from_fn(|r| std::array::from_fn(|c| value[r][c].as_f64().expect("a number in a 4×4 affine")))
}
