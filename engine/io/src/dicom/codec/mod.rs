//! Pixels out of compressed streams. Each decoder gets the size that the header claims and refuses a stream of another.

mod huffman;
mod jpeg;
mod jpeg_2000;
mod jpeg_dct;
mod jpeg_lossless;
mod jpeg_ls;
mod rle;

pub(super) use jpeg::decode as jpeg;
pub(super) use jpeg_2000::decode as jpeg_2000;
pub(super) use jpeg_ls::decode as jpeg_ls;
pub(super) use rle::decode as rle;

use crate::Problem;

/// What a decoder is to give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub columns: usize,
    pub rows: usize,
    pub samples: usize,
}

/// A decoded frame: its samples pixel by pixel, as the bits of the stored numbers.
#[derive(Debug)]
pub(super) struct Decoded {
    pub values: Vec<i32>,
    pub samples: usize,
    /// The stream itself says that its first sample is the luminance (true), or that samples are RGB (false).
    pub is_ybr: Option<bool>,
}

impl Size {
    pub fn num_pixels(self) -> usize {
        self.columns * self.rows
    }

    /// # Errors
    /// If a stream's own size is another one.
    pub fn check(self, columns: usize, rows: usize, samples: usize) -> Result<(), Problem> {
        if (columns, rows, samples) == (self.columns, self.rows, self.samples) {
            return Ok(());
        }
        Err(damaged(&format!(
            "it holds {columns} × {rows} pixels of {samples} samples, the header says {} × {} of {}",
            self.columns, self.rows, self.samples
        )))
    }
}

pub(super) fn damaged(what: &str) -> Problem {
    Problem::Pixels(what.to_owned())
}
