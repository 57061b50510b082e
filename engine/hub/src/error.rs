use std::io;

use crate::Check;

/// Why a checkpoint is not there: one sentence that names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// No checkpoint of that name.
    #[error("there is no model '{name}'; the models are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// Known, and not on this machine.
    #[error("{name} is not on this machine; fetch it with 'voco model fetch {name}' ({})", human_bytes(*.bytes))]
    NotHere {
        /// Its name.
        name: String,
        /// Its size.
        bytes: u64,
    },
    /// No folder to keep models in.
    #[error("there is no data folder for models; set VOCO_MODELS_DIR to a folder")]
    NoFolder,
    /// The address of the hub is none.
    #[error("'{0}' is not the address of a hub; write one that begins with https:// or http://")]
    Endpoint(String),
    /// No answer.
    #[error(
        "{file}: the hub cannot be reached ({reason}); check the network and the proxy, or name a mirror in VOCO_HUB_ENDPOINT"
    )]
    Unreachable {
        /// The file asked for.
        file: String,
        /// Why.
        reason: String,
    },
    /// The hub has no such file.
    #[error("{file}: the hub does not have it (status 404); check VOCO_HUB_ENDPOINT, or take the file from a folder")]
    NotFound {
        /// The file asked for.
        file: String,
    },
    /// Another answer than a file.
    #[error("{file}: the hub refused it ({reason}); try again later, or take the file from a folder")]
    Refused {
        /// The file asked for.
        file: String,
        /// Status or what is odd in the answer.
        reason: String,
    },
    /// The connection broke off, or the hub was busy, again and again.
    #[error("{file}: the hub does not send it to the end ({reason}); {} of {} are kept, fetch it again to go on", human_bytes(*.kept), human_bytes(*.total))]
    Interrupted {
        /// The file.
        file: String,
        /// The last reason.
        reason: String,
        /// Bytes on the disk.
        kept: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A file of this length cannot be the model.
    #[error("{file}: {} are offered where about {} belong, so this is not the model; check where it comes from", human_bytes(*.bytes), human_bytes(*.wanted))]
    WrongSize {
        /// The file.
        file: String,
        /// Its length.
        bytes: u64,
        /// What the tensors alone take.
        wanted: u64,
    },
    /// What arrived is not what was published, and is gone.
    #[error(
        "{file}: the {kind} of what arrived is {found}, not {wanted}; it was not kept, fetch it again or take it from elsewhere"
    )]
    WrongChecksum {
        /// The file.
        file: String,
        /// Which checksum.
        kind: Check,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// The file that is on the disk is not the published one.
    #[error(
        "{file}: the file on this machine is damaged or another one ({kind} {found}, not {wanted}); delete it and fetch it again"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Which checksum, or the size.
        kind: Check,
        /// What it should be.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// The disk is too full.
    #[error("{file}: {} are needed and {} are free; free some, or choose a folder on another disk", human_bytes(*.needed), human_bytes(*.free))]
    Space {
        /// The file.
        file: String,
        /// Bytes to write.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Somebody else writes it now.
    #[error("{file}: another program is fetching it at this moment; wait until that has ended")]
    Busy {
        /// The file.
        file: String,
    },
    /// The folder that the user chose does not have it.
    #[error("{file}: there is no such file in that folder; choose the folder that holds it")]
    NotInFolder {
        /// The file looked for.
        file: String,
    },
    /// The disk's word.
    #[error("{file}: the file cannot be {what} ({kind}); check the folder and that you may write there")]
    Disk {
        /// The file.
        file: String,
        /// "read" or "written".
        what: &'static str,
        /// The operating system's word.
        kind: io::ErrorKind,
    },
    /// Stopped by the user.
    #[error("{file}: stopped; {} are kept, fetch it again to go on", human_bytes(*.kept))]
    Cancelled {
        /// The file.
        file: String,
        /// Bytes on the disk.
        kept: u64,
    },
}

impl HubError {
    /// True if the user stopped it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    pub(crate) fn read(file: &str, error: &io::Error) -> Self {
        Self::Disk { file: file.to_owned(), what: "read", kind: error.kind() }
    }

    pub(crate) fn write(file: &str, error: &io::Error) -> Self {
        Self::Disk { file: file.to_owned(), what: "written", kind: error.kind() }
    }
}

/// Bytes for people, in decimal units as the hub shows them: `220 MB`, `1.17 GB`.
pub fn human_bytes(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} bytes"),
        1 | 2 => format!("{value:.0} {}", units[unit]),
        _ => format!("{value:.2} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::human_bytes;

    #[test]
    fn bytes_are_said_as_the_hub_says_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (220_186_120, "220 MB"),
            (999_600_000, "1.00 GB"),
            (4_650_911_260, "4.65 GB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
