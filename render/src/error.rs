/// Why something cannot be drawn. Each text is one sentence that a user can act on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// There is no graphics adapter, not even one in software.
    #[error(
        "no graphics adapter was found; install a Vulkan driver (a software one, such as Mesa's lavapipe, will do)"
    )]
    NoAdapter,
    /// The adapter gave no device.
    #[error("the graphics adapter {adapter} could not be opened: {reason}")]
    NoDevice {
        /// Its name.
        adapter: String,
        /// What the driver said.
        reason: String,
    },
    /// The memory for a texture or picture was refused.
    #[error("the graphics adapter has no memory for {what} ({mib} MiB); close other volumes or programs that use it")]
    OutOfMemory {
        /// What was to be stored.
        what: &'static str,
        /// How much of it.
        mib: u64,
    },
    /// The driver refused a call.
    #[error("the graphics driver refused {what}: {reason}")]
    Refused {
        /// What was to be done.
        what: &'static str,
        /// What it said.
        reason: String,
    },
    /// The device is gone or does not answer.
    #[error("the graphics device stopped answering; reopen the program or choose another adapter ({0})")]
    Lost(String),
    /// A label map with values that cannot be labels.
    #[error("a label map needs whole numbers from 0 to 65535, but this one holds {0}")]
    NotLabels(f64),
    /// A picture without pixels, or one larger than the adapter allows.
    #[error("a picture of {width}×{height} pixels cannot be drawn; its sides must be 1 to {greatest}")]
    PictureSize {
        /// Asked for.
        width: u32,
        /// Asked for.
        height: u32,
        /// Greatest side the adapter allows.
        greatest: u32,
    },
    /// A renderer made for a target that cannot be read back as RGBA bytes.
    #[error("pictures cannot be read back from targets of type {0}; use an 8-bit RGBA or BGRA one")]
    UnreadableTarget(String),
}
