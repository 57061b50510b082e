use std::path::Path;

use super::VolumeId;

/// A kind of file that labels are saved as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFormat {
    /// NIfTI, with the names beside it as JSON.
    Nifti,
    /// 3D Slicer's NRRD: names, colours and overlapping segments in one file.
    SegNrrd,
    /// DICOM segmentation, for images that came as DICOM.
    DicomSeg,
    /// DICOM structure set, likewise.
    RtStruct,
    /// Surfaces, one file for each segment.
    Stl,
    /// The same as OBJ.
    Obj,
    /// The same as PLY.
    Ply,
    /// The same as glTF.
    Glb,
    /// Names and colours only, for ITK-SNAP.
    ItkSnapTable,
    /// Names and colours only, for 3D Slicer.
    SlicerTable,
}

/// The window that asks where labels are saved.
#[derive(Debug, Clone, PartialEq)]
pub struct SaveLabelsAs {
    /// Of which volume.
    pub volume: VolumeId,
    /// As what.
    pub format: LabelFormat,
    /// The whole path of the file.
    pub path: String,
    /// The image came as DICOM.
    pub is_dicom: bool,
    /// It is there already, and the user was told.
    pub replaces: bool,
    /// Surfaces are written as x left, y back (DICOM's) rather than x right, y front.
    pub lps: bool,
}

impl LabelFormat {
    /// In the order of the list.
    pub const ALL: [Self; 10] = [
        Self::Nifti,
        Self::SegNrrd,
        Self::DicomSeg,
        Self::RtStruct,
        Self::Stl,
        Self::Obj,
        Self::Ply,
        Self::Glb,
        Self::ItkSnapTable,
        Self::SlicerTable,
    ];

    /// Its name in texts.
    pub fn id(self) -> &'static str {
        match self {
            Self::Nifti => "nifti",
            Self::SegNrrd => "seg-nrrd",
            Self::DicomSeg => "dicom-seg",
            Self::RtStruct => "rtstruct",
            Self::Stl => "stl",
            Self::Obj => "obj",
            Self::Ply => "ply",
            Self::Glb => "glb",
            Self::ItkSnapTable => "itksnap",
            Self::SlicerTable => "slicer",
        }
    }

    /// How its files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Nifti => ".nii.gz",
            Self::SegNrrd => ".seg.nrrd",
            Self::DicomSeg => ".seg.dcm",
            Self::RtStruct => ".rtstruct.dcm",
            Self::Stl => ".stl",
            Self::Obj => ".obj",
            Self::Ply => ".ply",
            Self::Glb => ".glb",
            Self::ItkSnapTable => ".label.txt",
            Self::SlicerTable => ".ctbl",
        }
    }

    /// Endings that its files may have.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Nifti => &[".nii.gz", ".nii"],
            Self::SegNrrd => &[".seg.nrrd", ".nrrd"],
            Self::DicomSeg => &[".seg.dcm", ".dcm"],
            Self::RtStruct => &[".rtstruct.dcm", ".dcm"],
            Self::Stl => &[".stl"],
            Self::Obj => &[".obj"],
            Self::Ply => &[".ply"],
            Self::Glb => &[".glb"],
            Self::ItkSnapTable => &[".label.txt", ".txt"],
            Self::SlicerTable => &[".ctbl"],
        }
    }

    /// A name of a file with the ending of this format: as it is if it has one, else with the usual one in place of another format's.
    pub fn named(self, name: &str) -> String {
        let lower = name.to_lowercase();
        let is_named = self.endings().iter().any(|ending| lower.len() > ending.len() && lower.ends_with(ending));
        if is_named { name.to_owned() } else { format!("{}{}", stem(name), self.ending()) }
    }

    /// The format of a file of this name, of those that hold all voxels; none where the name does not say it.
    pub fn of_whole(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        // Both kinds of DICOM file end in that.
        let says_it = |ending: &str| ending != ".dcm" && lower.ends_with(ending);
        Self::ALL.into_iter().find(|format| format.is_whole() && format.endings().iter().copied().any(says_it))
    }

    /// True for what needs an image from DICOM.
    pub fn is_dicom(self) -> bool {
        matches!(self, Self::DicomSeg | Self::RtStruct)
    }

    /// True for surfaces.
    pub fn is_mesh(self) -> bool {
        matches!(self, Self::Stl | Self::Obj | Self::Ply | Self::Glb)
    }

    /// True for what holds all voxels, so that nothing is unsaved afterwards.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Nifti | Self::SegNrrd | Self::DicomSeg)
    }
}

impl SaveLabelsAs {
    /// Another kind of file: the name gets its ending.
    pub fn set_format(&mut self, format: LabelFormat) {
        let path = Path::new(&self.path);
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = format!("{}{}", stem(&name), format.ending());
        self.path = path.with_file_name(name).to_string_lossy().into_owned();
        (self.format, self.replaces) = (format, false);
    }
}

/// A name without the longest ending that any format has.
fn stem(name: &str) -> &str {
    let lower = name.to_lowercase();
    let endings = LabelFormat::ALL.iter().flat_map(|format| format.endings());
    let length = endings.filter(|ending| lower.ends_with(**ending)).map(|ending| ending.len()).max();
    // Where small letters have another length than large ones, nothing is cut.
    length.and_then(|length| name.get(..name.len() - length)).filter(|stem| !stem.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_ending_of_the_format_that_was_chosen() {
        for (format, name, expected) in [
            (LabelFormat::Nifti, "scan.nii", "scan.nii"),
            (LabelFormat::Nifti, "scan.NII.GZ", "scan.NII.GZ"),
            (LabelFormat::Nifti, "scan", "scan.nii.gz"),
            (LabelFormat::Nifti, "scan.seg.nrrd", "scan.nii.gz"),
            (LabelFormat::DicomSeg, "scan.dcm", "scan.dcm"),
            (LabelFormat::DicomSeg, "scan.v2", "scan.v2.seg.dcm"),
            (LabelFormat::Stl, "scan.nii.gz", "scan.stl"),
            (LabelFormat::SlicerTable, ".ctbl", ".ctbl.ctbl"),
        ] {
            assert_eq!(format.named(name), expected, "{format:?} {name}");
        }
        assert_eq!(LabelFormat::of_whole("a.nii"), Some(LabelFormat::Nifti));
        assert_eq!(LabelFormat::of_whole("a.seg.dcm"), Some(LabelFormat::DicomSeg));
        assert_eq!([LabelFormat::of_whole("a.dcm"), LabelFormat::of_whole("a.stl")], [None, None]);
    }
}
