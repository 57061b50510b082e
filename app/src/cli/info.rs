use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use voco_io::Control;
use voco_volume::{Stats, axis_codes};

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// A NIfTI file.
    path: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InfoArgs) -> anyhow::Result<()> {
    let mut first = None;
    let (mut min, mut max, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_usize);
    let mut num_non_finite = 0;
    voco_io::read_components(&args.path, Control::NONE, &mut |opened| {
        let stats = Stats::of(&opened.volume);
        let finite = opened.volume.geometry().num_voxels() - stats.num_non_finite;
        if finite > 0 {
            min = min.min(stats.min);
            max = max.max(stats.max);
            sum += stats.mean * finite as f64;
            count += finite;
        }
        num_non_finite += stats.num_non_finite;
        first.get_or_insert(opened);
        true
    })?;
    let Some(opened) = first else { anyhow::bail!("the file holds no volume") };
    let mut warnings = opened.warnings.clone();
    if num_non_finite > 0 {
        warnings.push(format!("{num_non_finite} voxels are not finite numbers; they are left out of the statistics."));
    }
    let geometry = opened.volume.geometry();
    if geometry.is_oblique() {
        warnings.push("The grid is oblique to the patient's axes.".into());
    }
    let orientation: String = axis_codes(geometry.directions()).map(voco_volume::Anatomical::letter).iter().collect();
    let statistic = |v: f64| if count > 0 { json!(v) } else { json!(null) };
    let document = json!({
        "format": opened.kind.name(),
        "dims": geometry.dims(),
        "spacing_mm": geometry.spacing_mm().to_array(),
        "affine_ras": geometry.affine_rows(),
        "orientation": orientation,
        "dtype": opened.volume.voxels().voxel_type().name(),
        "min": statistic(min),
        "max": statistic(max),
        "mean": statistic(sum / count.max(1) as f64),
        "num_components": opened.num_components,
        "warnings": warnings,
    });
    if args.json {
        return super::print_json(&document);
    }
    let [nx, ny, nz] = geometry.dims();
    let spacing = geometry.spacing_mm();
    super::print(&format!("format       {}", opened.kind.name()));
    super::print(&format!("dims         {nx} × {ny} × {nz}, {} volume(s)", opened.num_components));
    super::print(&format!("spacing      {:.4} × {:.4} × {:.4} mm", spacing.x, spacing.y, spacing.z));
    super::print(&format!("orientation  {orientation}"));
    super::print(&format!("type         {}", opened.volume.voxels().voxel_type().name()));
    if count > 0 {
        super::print(&format!("values       {min} … {max}, mean {:.4}", sum / count as f64));
    }
    for row in geometry.affine_rows() {
        super::print(&format!("affine       {:>12.4} {:>12.4} {:>12.4} {:>12.4}", row[0], row[1], row[2], row[3]));
    }
    for warning in warnings {
        super::print(&format!("note         {warning}"));
    }
    Ok(())
}
