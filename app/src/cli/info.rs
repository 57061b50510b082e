use clap::Args;
use serde_json::{Value, json};
use voco_io::Scan;
use voco_volume::{Stats, axis_codes};

use super::input::Input;

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    input: Input,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &InfoArgs) -> anyhow::Result<()> {
    let scan = args.input.scan()?;
    let series = scan.as_ref().map(series_json);
    if let (Some(scan), None) = (&scan, args.input.series)
        && scan.series.len() > 1
    {
        return list(scan, args.json);
    }
    let mut first = None;
    let (mut min, mut max, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_usize);
    let mut num_non_finite = 0;
    let mut each = |opened: voco_io::Opened| {
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
    };
    match scan {
        Some(scan) => args.input.each_of(&scan, &mut each)?,
        None => args.input.each(&mut each)?,
    }
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
    let mut document = json!({
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
    if let Some(series) = series {
        document["series"] = series;
    }
    if !opened.segments.is_empty() {
        let segment =
            |s: &voco_io::Segment| json!({ "id": s.value, "name": s.name, "layer": s.layer, "color": s.color });
        document["segments"] = opened.segments.iter().map(segment).collect();
    }
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

/// Nothing that tells whose they are.
fn series_json(scan: &Scan) -> Value {
    let entry = |s: &voco_io::Series| {
        json!({
            "description": s.description,
            "modality": s.modality,
            "num_slices": s.num_slices,
            "num_volumes": s.num_components,
            "dims": s.dims,
            "spacing_mm": s.spacing_mm,
            "warnings": s.warnings,
        })
    };
    scan.series.iter().map(entry).collect()
}

/// A folder of several series.
fn list(scan: &Scan, json: bool) -> anyhow::Result<()> {
    if json {
        let format = voco_io::Format::Dicom.name();
        return super::print_json(&json!({ "format": format, "series": series_json(scan), "warnings": scan.warnings }));
    }
    for (n, series) in scan.series.iter().enumerate() {
        let [nx, ny, nz] = series.dims;
        let [x, y, z] = series.spacing_mm;
        let name = if series.description.is_empty() { "without a description" } else { &series.description };
        super::print(&format!(
            "series {:<3} {:<4} {nx} × {ny} × {nz}, {x:.3} × {y:.3} × {z:.3} mm, {} volume(s), {name}",
            n + 1,
            series.modality,
            series.num_components
        ));
        for warning in &series.warnings {
            super::print(&format!("note       {warning}"));
        }
    }
    for warning in &scan.warnings {
        super::print(&format!("note       {warning}"));
    }
    Ok(())
}
