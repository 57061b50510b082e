use super::damaged;
use crate::Problem;

/// Codes up to this length are looked up at once.
const FAST: u32 = 9;

/// A table of codes (ITU-T T.81, annex C).
#[derive(Debug)]
pub(super) struct Huffman {
    /// For each beginning of `FAST` bits: symbol and length; length 0 if the code is longer.
    fast: Vec<(u8, u8)>,
    /// For each length: the first code, one past the last code, where its symbols begin.
    first: [u32; 17],
    end: [u32; 17],
    start: [usize; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From the number of codes of each length, and all symbols.
    pub fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let (first, end, start) = ([0; 17], [0; 17], [0; 17]);
        let mut table = Self { fast: vec![(0, 0); 1 << FAST], first, end, start, symbols: symbols.to_vec() };
        let (mut code, mut start) = (0_u32, 0);
        for (length, &count) in (1..).zip(counts) {
            table.first[length] = code;
            table.start[length] = start;
            for n in 0..usize::from(count) {
                let shift = FAST.checked_sub(length as u32);
                if let (Some(shift), Some(&symbol)) = (shift, symbols.get(start + n)) {
                    let from = (code as usize) << shift;
                    table.fast.get_mut(from..from + (1 << shift))?.fill((symbol, length as u8));
                }
                code += 1;
            }
            table.end[length] = code;
            // More codes than bits can tell apart.
            if code > 1 << length {
                return None;
            }
            start += usize::from(count);
            code <<= 1;
        }
        Some(table)
    }
}

/// Bits of a stream in which each byte 0xff of data is followed by a 0. After its end come zeros, and then an error.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Left-aligned.
    held: u64,
    count: u32,
    /// Zeros put in after the end.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, held: 0, count: 0, made_up: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match self.bytes.get(self.at) {
                Some(0xff) if self.bytes.get(self.at + 1) == Some(&0) => {
                    self.at += 2;
                    0xff
                }
                Some(&byte) if byte != 0xff => {
                    self.at += 1;
                    byte
                }
                // A marker or the end.
                _ => {
                    self.made_up += 8;
                    0
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn skip(&mut self, count: u32) {
        self.held <<= count;
        self.count -= count;
    }

    /// True if bits were taken that are not there.
    fn is_over(&self) -> bool {
        self.made_up > self.count
    }

    pub fn symbol(&mut self, table: &Huffman) -> Result<u8, Problem> {
        if self.count < 32 {
            self.fill();
        }
        let (symbol, length) = table.fast[(self.held >> (64 - FAST)) as usize];
        if length > 0 {
            self.skip(length.into());
            return if self.is_over() { Err(damaged("the JPEG stream ends too early")) } else { Ok(symbol) };
        }
        for length in FAST as usize + 1..=16 {
            let code = (self.held >> (64 - length)) as u32;
            if code >= table.first[length] && code < table.end[length] {
                let n = table.start[length] + (code - table.first[length]) as usize;
                self.skip(length as u32);
                return table.symbols.get(n).copied().ok_or_else(|| damaged("a JPEG code is unknown"));
            }
        }
        Err(damaged(if self.is_over() { "the JPEG stream ends too early" } else { "a JPEG code is unknown" }))
    }

    /// A number of `length` bits, at most 16; those that begin with 0 are negative.
    pub fn signed(&mut self, length: u8) -> Result<i32, Problem> {
        if length == 0 {
            return Ok(0);
        }
        if length > 16 {
            return Err(damaged("a JPEG number is too long"));
        }
        if self.count < 32 {
            self.fill();
        }
        let value = (self.held >> (64 - u32::from(length))) as i32;
        self.skip(length.into());
        if self.is_over() {
            return Err(damaged("the JPEG stream ends too early"));
        }
        Ok(if value < 1 << (length - 1) { value - (1 << length) + 1 } else { value })
    }

    /// Goes on after a restart mark.
    pub fn restart(&mut self) -> Result<(), Problem> {
        // What was read ahead stops before a marker in any case.
        (self.held, self.count, self.made_up) = (0, 0, 0);
        match self.bytes.get(self.at..self.at + 2) {
            Some(&[0xff, 0xd0..=0xd7]) => {
                self.at += 2;
                Ok(())
            }
            _ => Err(damaged("a JPEG restart mark is missing")),
        }
    }

    /// Where the next marker is, from the beginning of the bits.
    pub fn next_marker(&self) -> usize {
        let mut at = self.at;
        while let Some(pair) = self.bytes.get(at..at + 2) {
            if pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff {
                return at;
            }
            at += 1;
        }
        self.bytes.len()
    }
}
