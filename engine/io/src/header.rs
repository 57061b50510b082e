use glam::{DAffine3, DMat3, DVec3};
use nifti::{Endianness, NiftiHeader};
use voco_volume::Rescale;

use crate::Problem;

/// Bytes of a NIfTI-1 and of a NIfTI-2 header.
pub(crate) const LEN_1: usize = 348;
pub(crate) const LEN_2: usize = 540;

/// The fields that decide where voxels are, in the file and in the patient, from either version of the format.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub version: u8,
    /// Voxels are in a second file (`ni1`, `ni2`).
    pub is_pair: bool,
    pub is_big_endian: bool,
    dim: [i64; 8],
    pub datatype: i16,
    vox_offset: f64,
    pixdim: [f64; 8],
    scl_slope: f64,
    scl_inter: f64,
    /// Least and greatest value to show.
    cal: [f64; 2],
    qform_code: i32,
    sform_code: i32,
    quatern: [f64; 3],
    qoffset: DVec3,
    srow: [[f64; 4]; 3],
    xyzt_units: u32,
}

impl Header {
    /// From the first bytes of a file (at least 348, and 540 for version 2).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let Some(&[a, b, c, d]) = bytes.first_chunk::<4>() else {
            return Err(Problem::NotNifti("it is shorter than a header"));
        };
        let size = [i32::from_le_bytes([a, b, c, d]), i32::from_be_bytes([a, b, c, d])];
        if size.contains(&(LEN_1 as i32)) && bytes.len() >= LEN_1 {
            let h = NiftiHeader::from_reader(&bytes[..LEN_1]).map_err(|e| match e {
                nifti::NiftiError::InvalidFormat if bytes[344..348] == [0; 4] => {
                    Problem::NotNifti("it is an Analyze 7.5 header, which does not tell left from right")
                }
                nifti::NiftiError::InvalidFormat => Problem::NotNifti("the magic number is missing"),
                other => Problem::Field { field: "dim", what: format!("cannot be read ({other})") },
            })?;
            Ok(Self::from_version_1(&h))
        } else if size.contains(&(LEN_2 as i32)) && bytes.len() >= LEN_2 {
            Self::parse_version_2(bytes, size[1] == LEN_2 as i32)
        } else if size.contains(&(LEN_1 as i32)) || size.contains(&(LEN_2 as i32)) {
            Err(Problem::NotNifti("its header is cut off"))
        } else {
            Err(Problem::NotNifti("the header size is neither 348 nor 540"))
        }
    }

    fn from_version_1(h: &NiftiHeader) -> Self {
        Self {
            version: 1,
            is_pair: &h.magic == b"ni1\0",
            is_big_endian: matches!(h.endianness, Endianness::Big),
            // The crate reads dim as unsigned; the standard's type is i16.
            dim: h.dim.map(|d| i64::from(d.cast_signed())),
            datatype: h.datatype,
            vox_offset: f64::from(h.vox_offset),
            pixdim: h.pixdim.map(f64::from),
            scl_slope: f64::from(h.scl_slope),
            scl_inter: f64::from(h.scl_inter),
            cal: [h.cal_min, h.cal_max].map(f64::from),
            qform_code: i32::from(h.qform_code),
            sform_code: i32::from(h.sform_code),
            quatern: [h.quatern_b, h.quatern_c, h.quatern_d].map(f64::from),
            qoffset: DVec3::new(f64::from(h.quatern_x), f64::from(h.quatern_y), f64::from(h.quatern_z)),
            srow: [h.srow_x, h.srow_y, h.srow_z].map(|row| row.map(f64::from)),
            xyzt_units: u32::from(h.xyzt_units),
        }
    }

    /// The `nifti` crate knows version 1 only. Offsets are those of the standard's nifti2.h.
    fn parse_version_2(bytes: &[u8], is_big_endian: bool) -> Result<Self, Problem> {
        let magic = &bytes[4..8];
        if magic != b"n+2\0" && magic != b"ni2\0" {
            return Err(Problem::NotNifti("the magic number is missing"));
        }
        let i16_at = |o| i16::from_ne_bytes(at(bytes, o, is_big_endian));
        let i32_at = |o| i32::from_ne_bytes(at(bytes, o, is_big_endian));
        let i64_at = |o| i64::from_ne_bytes(at(bytes, o, is_big_endian));
        let f64_at = |o| f64::from_ne_bytes(at(bytes, o, is_big_endian));
        Ok(Self {
            version: 2,
            is_pair: magic == b"ni2\0",
            is_big_endian,
            datatype: i16_at(12),
            dim: std::array::from_fn(|n| i64_at(16 + 8 * n)),
            pixdim: std::array::from_fn(|n| f64_at(104 + 8 * n)),
            vox_offset: i64_at(168) as f64,
            scl_slope: f64_at(176),
            scl_inter: f64_at(184),
            cal: [f64_at(200), f64_at(192)],
            qform_code: i32_at(344),
            sform_code: i32_at(348),
            quatern: [f64_at(352), f64_at(360), f64_at(368)],
            qoffset: DVec3::new(f64_at(376), f64_at(384), f64_at(392)),
            srow: std::array::from_fn(|r| std::array::from_fn(|c| f64_at(400 + 32 * r + 8 * c))),
            xyzt_units: i32_at(500).cast_unsigned(),
        })
    }

    /// Sides of one volume, and how many volumes there are (time points, components).
    pub(crate) fn dims(&self) -> Result<([usize; 3], usize), Problem> {
        let bad = |what: String| Problem::Field { field: "dim", what };
        let num_axes = usize::try_from(self.dim[0]).unwrap_or(0);
        if !(1..=7).contains(&num_axes) {
            return Err(bad(format!("says that there are {} axes, not 1 to 7", self.dim[0])));
        }
        let mut sides = [1_usize; 7];
        for n in 1..=num_axes {
            let side = self.dim[n];
            sides[n - 1] = usize::try_from(side)
                .ok()
                .filter(|&s| s > 0)
                .ok_or_else(|| bad(format!("gives axis {n} a length of {side}, which must be at least 1")))?;
        }
        let too_many = || bad("claims more voxels than can be counted".into());
        let product = |s: &[usize]| s.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let num_components = product(&sides[3..]).ok_or_else(too_many)?;
        product(&sides).ok_or_else(too_many)?;
        Ok(([sides[0], sides[1], sides[2]], num_components))
    }

    /// First byte of the voxels in their file.
    pub(crate) fn voxel_offset(&self) -> Result<u64, Problem> {
        let least = if self.is_pair {
            0.0
        } else if self.version == 1 {
            LEN_1 as f64
        } else {
            LEN_2 as f64
        };
        // Files with an offset of 0 and the voxels right after the four extension bytes exist; nibabel reads them so.
        let offset = if self.vox_offset == 0.0 && !self.is_pair { least + 4.0 } else { self.vox_offset };
        if !offset.is_finite() || offset < least || offset > 2e9 {
            return Err(Problem::Field {
                field: "vox_offset",
                what: format!("is {offset}, where no voxels can begin"),
            });
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2e9")]
        Ok(offset as u64)
    }

    /// Stored to real values. Slope 0 or NaN means none, as in the standard.
    pub(crate) fn rescale(&self) -> Rescale {
        if self.scl_slope == 0.0 || !self.scl_slope.is_finite() {
            return Rescale::IDENTITY;
        }
        Rescale { slope: self.scl_slope, inter: if self.scl_inter.is_finite() { self.scl_inter } else { 0.0 } }
    }

    /// Width and level that the file wants to be shown in.
    pub(crate) fn window(&self) -> Option<[f64; 2]> {
        let [low, high] = self.cal;
        (low.is_finite() && high.is_finite() && high > low).then(|| [high - low, f64::midpoint(low, high)])
    }

    /// Voxel to RAS+ mm: sform if set, else qform, else the pixel sizes, as nibabel chooses. Warnings go to `warnings`.
    pub(crate) fn world_from_voxel(&self, dims: [usize; 3], warnings: &mut Vec<String>) -> Result<DAffine3, Problem> {
        let to_mm = match self.xyzt_units & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        };
        if to_mm != 1.0 {
            warnings.push(
                "The header says that lengths are not in millimetres (xyzt_units); the affine is used as written."
                    .into(),
            );
        }
        let sform = (self.sform_code > 0).then(|| self.sform());
        let qform = (self.qform_code > 0).then(|| self.qform());
        match (sform, qform) {
            (Some(sform), Some(Ok(qform))) => {
                let last = DVec3::from_array(dims.map(|d| (d - 1) as f64));
                let far = [DVec3::ZERO, last]
                    .map(|v| sform.transform_point3(v).distance(qform.transform_point3(v)))
                    .into_iter()
                    .fold(0.0, f64::max);
                if let Some(which) = mirrored(&sform, &qform) {
                    warnings.push(format!(
                        "sform and qform contradict each other: by one of them {which} are swapped. The sform is used; look at the anatomy before you tell sides."
                    ));
                } else if far > 0.1 {
                    warnings.push(format!("sform and qform disagree by up to {far:.1} mm; the sform is used."));
                }
                self.compare_spacing(&sform, warnings);
                Ok(sform)
            }
            (Some(sform), _) => {
                self.compare_spacing(&sform, warnings);
                Ok(sform)
            }
            (None, Some(qform)) => qform,
            (None, None) => {
                warnings.push("The header has no orientation (sform and qform codes are 0): left and right cannot be told, LAS is assumed.".into());
                Ok(self.base_affine(dims))
            }
        }
    }

    /// Lengths by the sform are what is measured with; programs that read pixdim measure others.
    fn compare_spacing(&self, sform: &DAffine3, warnings: &mut Vec<String>) {
        let m = sform.matrix3;
        let by_sform = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
        let by_pixdim = self.zooms();
        let is_told = by_pixdim.is_finite() && by_pixdim.min_element() > 0.0;
        if is_told && (by_sform / by_pixdim - DVec3::ONE).abs().max_element() > 0.01 {
            let text = |v: DVec3| format!("{:.3} × {:.3} × {:.3}", v.x, v.y, v.z);
            warnings.push(format!(
                "The sform says that voxels are {} mm apart, pixdim says {} mm; the sform is used.",
                text(by_sform),
                text(by_pixdim)
            ));
        }
    }

    fn sform(&self) -> DAffine3 {
        let [x, y, z] = self.srow;
        let column = |n: usize| DVec3::new(x[n], y[n], z[n]);
        DAffine3::from_mat3_translation(DMat3::from_cols(column(0), column(1), column(2)), column(3))
    }

    fn qform(&self) -> Result<DAffine3, Problem> {
        let [b, c, d] = self.quatern;
        let a_squared = 1.0 - (b * b + c * c + d * d);
        // nibabel's tolerance: three times the rounding of the f32 in the file.
        let tolerance = 3.0 * f64::from(f32::EPSILON);
        if a_squared.is_nan() || a_squared < -tolerance {
            return Err(Problem::Field { field: "quatern_b/c/d", what: "is not a rotation (longer than 1)".into() });
        }
        let a = if a_squared.abs() < tolerance { 0.0 } else { a_squared.sqrt() };
        // Not DMat3::from_quat: it asks for unit length, and files are only near it.
        let s = 2.0 / (a * a + b * b + c * c + d * d);
        let rotation = DMat3::from_cols(
            DVec3::new(1.0 - s * (c * c + d * d), s * (b * c + a * d), s * (b * d - a * c)),
            DVec3::new(s * (b * c - a * d), 1.0 - s * (b * b + d * d), s * (c * d + a * b)),
            DVec3::new(s * (b * d + a * c), s * (c * d - a * b), 1.0 - s * (b * b + c * c)),
        );
        let qfac = if self.pixdim[0] == -1.0 { -1.0 } else { 1.0 };
        let zooms = self.zooms() * DVec3::new(1.0, 1.0, qfac);
        Ok(DAffine3::from_mat3_translation(rotation * DMat3::from_diagonal(zooms), self.qoffset))
    }

    fn base_affine(&self, dims: [usize; 3]) -> DAffine3 {
        let zooms = self.zooms() * DVec3::new(-1.0, 1.0, 1.0);
        let middle = DVec3::from_array(dims.map(|d| (d - 1) as f64 / 2.0));
        DAffine3::from_mat3_translation(DMat3::from_diagonal(zooms), -middle * zooms)
    }

    fn zooms(&self) -> DVec3 {
        DVec3::new(self.pixdim[1], self.pixdim[2], self.pixdim[3]).abs()
    }
}

/// Which sides two affines swap, if the same axis of the file runs along the same axis of the patient in the other direction.
fn mirrored(a: &DAffine3, b: &DAffine3) -> Option<&'static str> {
    const SIDES: [&str; 3] = ["left and right", "front and back", "head and feet"];
    let along = |affine: &DAffine3, world: usize| {
        let row = affine.matrix3.transpose().col(world);
        let axis = (0..3).max_by(|&p, &q| row[p].abs().total_cmp(&row[q].abs())).unwrap_or(0);
        (axis, row[axis] > 0.0)
    };
    // If an even number of axes is turned round, that is a rotation, which no mirror shows.
    let turned: Vec<usize> =
        (0..3).filter(|&w| along(a, w).0 == along(b, w).0 && along(a, w).1 != along(b, w).1).collect();
    let is_mirror = a.matrix3.determinant().signum() != b.matrix3.determinant().signum();
    if !is_mirror && !turned.contains(&0) {
        return None;
    }
    turned.first().map(|&w| SIDES[w])
}

/// The bytes of a number at `offset`, in this machine's order.
fn at<const N: usize>(bytes: &[u8], offset: usize, big: bool) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[offset..offset + N]);
    if big != cfg!(target_endian = "big") {
        out.reverse();
    }
    out
}
