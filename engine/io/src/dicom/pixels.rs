use std::borrow::Cow;

use crate::Problem;
use crate::dicom::codec::{self, Decoded, Size, damaged};
use crate::dicom::data_set::DataSet;
use crate::dicom::file::Codec;
use crate::dicom::image::{Photometric, PixelFormat, Storage, luma};
use crate::dicom::tags;
use crate::error::human_bytes;

/// Pixels that a compressed frame may hold whatever its length; beyond, its length must account for them.
const FREE_PIXELS: usize = 1 << 24;
/// Most pixels for each byte of a compressed frame beyond that.
const MOST_PIXELS_PER_BYTE: usize = 2048;

/// The pixel data of one file.
pub(super) struct Pixels<'a> {
    format: &'a PixelFormat,
    num_frames: usize,
    bytes: Cow<'a, [u8]>,
    /// The fragments of each frame; none if pixels are not packed.
    frames: Vec<Vec<&'a [u8]>>,
}

/// The stored numbers of a frame, one for each pixel.
#[derive(Debug)]
pub(super) enum Values {
    /// The bits of integers; unsigned ones of 32 bits are cast.
    Integer(Vec<i32>),
    Float(Vec<f32>),
    Double(Vec<f64>),
}

impl<'a> Pixels<'a> {
    /// # Errors
    /// If there are fewer pixels than the header claims.
    pub fn new(data: &DataSet<'a>, format: &'a PixelFormat, num_frames: usize) -> Result<Self, Problem> {
        let tag = match format.storage {
            Storage::Integer => tags::PIXELS,
            Storage::Float => tags::FLOAT_PIXELS,
            Storage::Double => tags::DOUBLE_PIXELS,
        };
        let Some(element) = data.get(tag) else { return Err(Problem::NotDicom("its pixels are missing")) };
        let cut_off = |present: usize| Problem::TooFewBytes {
            claimed: human_bytes((format.frame_bits() as u128 * num_frames as u128).div_ceil(8)),
            present: human_bytes(present as u128),
        };
        if !element.is_undefined {
            let needed = (format.frame_bits() as u128 * num_frames as u128).div_ceil(8);
            if (element.bytes().len() as u128) < needed {
                return Err(cut_off(element.bytes().len()));
            }
            let mut bytes = Cow::Borrowed(element.bytes());
            if format.bits_allocated == 8 && element.is_words() && format.syntax.encoding.is_big_endian {
                // Two pixels to a word, whose first byte is its high one.
                bytes.to_mut().as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.swap(0, 1));
            }
            return Ok(Self { format, num_frames, bytes, frames: Vec::new() });
        }
        let fragments = element.fragments().ok_or_else(|| damaged("the end of its pixels is missing"))?;
        let Some((offsets, fragments)) = fragments.split_first() else {
            return Err(damaged("its pixels have no offset table"));
        };
        let frames = frames_of(offsets, fragments, num_frames)?;
        Ok(Self { format, num_frames, bytes: Cow::Borrowed(&[]), frames })
    }

    /// # Errors
    /// If its stream is damaged.
    pub fn frame(&self, index: usize) -> Result<Values, Problem> {
        if index >= self.num_frames {
            return Err(damaged("a frame is missing"));
        }
        let format = self.format;
        if format.storage != Storage::Integer {
            return self.floats(index);
        }
        let values = if self.frames.is_empty() { self.native(index) } else { self.unpacked(index)? };
        Ok(Values::Integer(self.meant(values)))
    }

    /// The bytes of a frame that is not packed; its length was checked.
    fn native_bytes(&self, index: usize) -> &[u8] {
        let len = self.format.frame_bits() / 8;
        self.bytes.get(index * len..(index + 1) * len).unwrap_or_default()
    }

    fn floats(&self, index: usize) -> Result<Values, Problem> {
        let bytes = self.native_bytes(index);
        let big = self.format.syntax.encoding.is_big_endian;
        if bytes.is_empty() {
            return Err(damaged("its floating-point pixels are packed"));
        }
        Ok(if self.format.storage == Storage::Float {
            let value = |&b: &[u8; 4]| if big { f32::from_be_bytes(b) } else { f32::from_le_bytes(b) };
            Values::Float(bytes.as_chunks().0.iter().map(value).collect())
        } else {
            let value = |&b: &[u8; 8]| if big { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) };
            Values::Double(bytes.as_chunks().0.iter().map(value).collect())
        })
    }

    fn native(&self, index: usize) -> Decoded {
        let format = self.format;
        let encoding = format.syntax.encoding;
        let values: Vec<i32> = match format.bits_allocated {
            1 => {
                let start = index * format.num_pixels();
                let bit = |n: usize| i32::from(self.bytes.get(n / 8).is_some_and(|b| b >> (n % 8) & 1 == 1));
                (start..start + format.num_pixels()).map(bit).collect()
            }
            8 => self.native_bytes(index).iter().map(|&b| b.into()).collect(),
            16 if encoding.is_big_endian => {
                self.native_bytes(index).as_chunks().0.iter().map(|&b| u16::from_be_bytes(b).into()).collect()
            }
            16 => self.native_bytes(index).as_chunks().0.iter().map(|&b| u16::from_le_bytes(b).into()).collect(),
            _ => self.native_bytes(index).as_chunks().0.iter().map(|&b| encoding.u32(b).cast_signed()).collect(),
        };
        if format.photometric == Photometric::Ybr422 {
            // Two pixels: both luminances, then the colour that they share.
            let luminance = values.chunks_exact(4).flat_map(|p| [p[0], p[1]]).collect();
            return Decoded { values: luminance, samples: 1, is_ybr: Some(true) };
        }
        if format.is_planar && format.samples > 1 {
            let count = format.num_pixels();
            let woven = (0..count).flat_map(|n| (0..format.samples).map(move |s| s * count + n));
            let values = woven.map(|n| values[n]).collect();
            return Decoded { values, samples: format.samples, is_ybr: None };
        }
        Decoded { values, samples: format.samples, is_ybr: None }
    }

    fn unpacked(&self, index: usize) -> Result<Decoded, Problem> {
        let format = self.format;
        let fragments = self.frames.get(index).map_or(&[] as &[&[u8]], |f| f);
        let stream = match fragments {
            [] => return Err(damaged("a frame is missing")),
            [one] => Cow::Borrowed(*one),
            many => Cow::Owned(many.concat()),
        };
        let size = Size { columns: format.columns, rows: format.rows, samples: format.samples };
        let most = FREE_PIXELS.max(stream.len().saturating_mul(MOST_PIXELS_PER_BYTE));
        if size.num_pixels() * size.samples > most {
            return Err(damaged("its frames are too short for the size that the header claims"));
        }
        match format.syntax.codec {
            Codec::Native => Err(damaged("its pixels are packed, but its transfer syntax says that they are not")),
            Codec::Rle => codec::rle(&stream, size, usize::from(format.bits_allocated).div_ceil(8)),
            Codec::Jpeg => codec::jpeg(&stream, size),
            Codec::JpegLs => codec::jpeg_ls(&stream, size),
            Codec::Jpeg2000 => codec::jpeg_2000(&stream, size),
        }
    }

    /// From bits to one number for each pixel: the stored bits with their sign, colours as luminance.
    fn meant(&self, decoded: Decoded) -> Vec<i32> {
        let format = self.format;
        let Decoded { mut values, samples, is_ybr } = decoded;
        if let Some(palette) = &format.palette {
            for value in &mut values {
                let index = (i64::from(*value) - palette.first).clamp(0, palette.luminance.len() as i64 - 1);
                *value = palette.luminance[index as usize].into();
            }
            return values;
        }
        if samples == 3 {
            let first = is_ybr.unwrap_or(matches!(format.photometric, Photometric::Ybr | Photometric::Ybr422));
            let number = |v: i32| f64::from(v.cast_unsigned());
            return values
                .chunks_exact(3)
                .map(|p| if first { p[0] } else { (luma([p[0], p[1], p[2]].map(number)) as u32).cast_signed() })
                .collect();
        }
        // Compressed streams have their bits at the bottom.
        let is_native = self.frames.is_empty() || format.syntax.codec == Codec::Rle;
        let low_bit = if is_native { format.high_bit + 1 - format.bits_stored } else { 0 };
        let unused = 32 - u32::from(format.bits_stored);
        if format.is_signed {
            // Up to the sign, and down again.
            let above = unused - u32::from(low_bit).min(unused);
            for v in &mut values {
                *v = *v << above >> unused;
            }
        } else if unused > 0 {
            let mask = u32::MAX >> unused;
            for v in &mut values {
                *v = (v.cast_unsigned() >> low_bit & mask).cast_signed();
            }
        }
        values
    }
}

/// Which fragments belong to which frame.
fn frames_of<'a>(offsets: &[u8], fragments: &[&'a [u8]], num_frames: usize) -> Result<Vec<Vec<&'a [u8]>>, Problem> {
    if num_frames == 1 {
        return Ok(vec![fragments.to_vec()]);
    }
    if fragments.len() == num_frames {
        return Ok(fragments.iter().map(|&f| vec![f]).collect());
    }
    let offsets: Vec<usize> = offsets.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b) as usize).collect();
    if offsets.len() != num_frames {
        return Err(damaged("its frames cannot be told apart (there is no offset table)"));
    }
    let mut frames: Vec<Vec<&[u8]>> = vec![Vec::new(); num_frames];
    let mut at = 0;
    for fragment in fragments {
        // Offsets count from the first fragment's item on.
        let frame = offsets.partition_point(|&start| start <= at).saturating_sub(1);
        frames[frame].push(fragment);
        at += 8 + fragment.len();
    }
    Ok(frames)
}
