//! A graphics adapter without a window.

use voco_render::RenderContext;

use crate::fixtures::skipped;

/// An adapter, preferably the software one that the golden pictures were made on (see `packaging/test.sh`). `None` where there is
/// none, which is a failure when `VOCO_REQUIRE_GPU` is 1.
///
/// # Panics
/// If an adapter is required and missing.
pub fn context() -> Option<RenderContext> {
    match RenderContext::headless() {
        Ok(context) => Some(context),
        Err(e) => {
            assert!(std::env::var("VOCO_REQUIRE_GPU").as_deref() != Ok("1"), "an adapter is required: {e}");
            skipped(&format!("no graphics adapter ({e})"));
            None
        }
    }
}
