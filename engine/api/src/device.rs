use serde::{Deserialize, Serialize};

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number in the list of devices.
    Gpu(usize),
}

/// How a network computes while it learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Compute {
    /// Number format of the forward and backward pass.
    pub precision: Precision,
    /// Blocks keep their inputs only and are computed again for the gradients: less memory, about a third more time.
    pub gradient_checkpointing: bool,
}

/// A number format. Weights, losses and the optimiser are always in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Half precision, with a factor on the loss that is found while training.
    F16,
    /// Half precision with the range of f32.
    Bf16,
}

impl Precision {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::F32, Self::F16, Self::Bf16];
        all.into_iter()
            .find(|precision| precision.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("'{text}' is not a precision; use f32, f16 or bf16"))
    }
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(0)),
            _ => text
                .strip_prefix("gpu:")
                .and_then(|n| n.parse().ok())
                .map(Self::Gpu)
                .ok_or_else(|| format!("'{text}' is not a device; use auto, cpu, gpu or gpu:N")),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(n) => write!(f, "gpu:{n}"),
        }
    }
}

/// A device that the engine can see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// What to say to `--device`.
    pub choice: String,
    /// The maker's name.
    pub name: String,
    /// Vulkan, Metal, DirectX 12 or none.
    pub backend: String,
    /// Discrete, integrated, virtual, software or CPU.
    pub kind: String,
    /// Draws the picture only; never used for computing, since it is slower than the CPU path.
    pub is_software: bool,
}
