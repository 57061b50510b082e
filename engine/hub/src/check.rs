//! Whether a file is the one that was published.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

/// What was compared with a published value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The MD5 of the built-in list.
    Md5,
    /// The SHA-256 that the hub names.
    Sha256,
    /// Nobody published a checksum: the length only.
    Size,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Size => "size",
        })
    }
}

/// The checksums that a file should have, as lower-case hexadecimal digits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checksums {
    pub md5: Option<String>,
    pub sha256: Option<String>,
}

/// What is wrong with a file.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub kind: Check,
    pub wanted: String,
    pub found: String,
}

/// Why a file was not compared to its end.
#[derive(Debug)]
pub(crate) enum Unchecked {
    Io(io::Error),
    Cancelled,
}

impl Checksums {
    /// The strongest thing that is compared.
    pub fn strongest(&self) -> Check {
        match (&self.sha256, &self.md5) {
            (Some(_), _) => Check::Sha256,
            (None, Some(_)) => Check::Md5,
            (None, None) => Check::Size,
        }
    }

    /// Reads the whole file as it is on the disk. `progress` gets the bytes read so far and says whether to stop.
    pub fn compare(
        &self,
        path: &Path,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Result<(), Mismatch>, Unchecked> {
        if self.strongest() == Check::Size {
            return Ok(Ok(()));
        }
        let mut file = File::open(path).map_err(Unchecked::Io)?;
        let mut md5 = self.md5.as_ref().map(|_| Md5::new());
        let mut sha256 = self.sha256.as_ref().map(|_| Sha256::new());
        let mut block = vec![0; 1 << 20];
        let mut done = 0;
        loop {
            if progress(done) {
                return Err(Unchecked::Cancelled);
            }
            let count = match file.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Unchecked::Io(e)),
            };
            let bytes = &block[..count];
            if let Some(md5) = &mut md5 {
                md5.update(bytes);
            }
            if let Some(sha256) = &mut sha256 {
                sha256.update(bytes);
            }
            done += count as u64;
        }
        let found = [
            (Check::Md5, &self.md5, md5.map(|md5| hex(&md5.finalize()))),
            (Check::Sha256, &self.sha256, sha256.map(|sha256| hex(&sha256.finalize()))),
        ];
        for (kind, wanted, found) in found {
            if let (Some(wanted), Some(found)) = (wanted, found)
                && !wanted.eq_ignore_ascii_case(&found)
            {
                return Ok(Err(Mismatch { kind, wanted: wanted.clone(), found }));
            }
        }
        Ok(Ok(()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
