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
        let stem = LabelFormat::ALL.iter().find_map(|f| self.path.strip_suffix(f.ending()));
        let stem = stem.or_else(|| self.path.strip_suffix(".nii")).unwrap_or(&self.path).to_owned();
        self.path = stem + format.ending();
        (self.format, self.replaces) = (format, false);
    }
}
