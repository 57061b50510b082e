use std::path::PathBuf;

use clap::Args;
use voco_io::{Control, OpenError, Opened, Scan};

/// What a command reads: a file, a folder, or a series or volume of it.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// A volume (NIfTI, DICOM, NRRD, .mha, .mhd) or a folder (a DICOM series, OME-Zarr).
    pub path: PathBuf,
    /// Which series of a DICOM folder that holds several, as `voco info` numbers them from 1.
    #[arg(long, value_name = "N")]
    pub series: Option<usize>,
    /// Which volume of a file that holds several (points in time, components), from 1.
    #[arg(long, value_name = "N")]
    pub volume: Option<usize>,
}

impl Input {
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(|| "the folder".into(), |n| n.to_string_lossy().into_owned())
    }

    /// The series of a DICOM folder; `None` for anything else.
    pub fn scan(&self) -> Result<Option<Scan>, OpenError> {
        if !voco_io::is_dicom_folder(&self.path) {
            return Ok(None);
        }
        voco_io::scan_folder(&self.path, Control::NONE).map(Some)
    }

    /// Gives the volumes that were asked for to `f`, until it returns false.
    pub fn each(&self, f: &mut dyn FnMut(Opened) -> bool) -> anyhow::Result<()> {
        match self.scan()? {
            Some(scan) => self.each_of(&scan, f),
            None if self.series.is_some() => anyhow::bail!("{}: --series is for folders of DICOM files", self.name()),
            None => {
                match self.volume {
                    None => voco_io::read_components(&self.path, Control::NONE, f)?,
                    Some(n) => drop(f(voco_io::open_volume(&self.path, index(n)?, Control::NONE)?)),
                }
                Ok(())
            }
        }
    }

    /// The same from a folder that was scanned already.
    pub fn each_of(&self, scan: &Scan, f: &mut dyn FnMut(Opened) -> bool) -> anyhow::Result<()> {
        let (name, count) = (self.name(), scan.series.len());
        let number = match self.series {
            Some(n) => index(n)?,
            None if count == 1 => 0,
            None if count == 0 => {
                anyhow::bail!("{name}: the folder holds no DICOM images; open one of its files, or another folder")
            }
            None => anyhow::bail!(
                "{name}: the folder holds {count} DICOM series; choose one with --series (voco info lists them)"
            ),
        };
        let Some(series) = scan.series.get(number) else {
            anyhow::bail!("{name}: there is no series number {}; the folder holds {count}", number + 1)
        };
        let wanted = match self.volume {
            None => 0..series.num_components,
            Some(n) => index(n)?..n,
        };
        if wanted.end > series.num_components {
            anyhow::bail!(
                "{name}: there is no volume number {}; the series holds {}",
                wanted.end,
                series.num_components
            );
        }
        for component in wanted {
            let mut opened = voco_io::open_component(series, component, Control::NONE)?;
            opened.warnings.extend(scan.warnings.iter().cloned());
            if !f(opened) {
                break;
            }
        }
        Ok(())
    }
}

fn index(number: usize) -> anyhow::Result<usize> {
    number.checked_sub(1).ok_or_else(|| anyhow::anyhow!("series and volumes are counted from 1"))
}
