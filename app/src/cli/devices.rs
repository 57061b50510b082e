use clap::Args;
use serde_json::json;
use voco_engine_api::DeviceChoice;

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DevicesArgs) -> anyhow::Result<()> {
    let devices = voco_engine::devices();
    let (_, auto, why) = voco_engine::resolve_device(DeviceChoice::Auto)?;
    if args.json {
        return super::print_json(&json!({ "devices": devices, "auto": auto, "auto_reason": why }));
    }
    for d in &devices {
        let note = if d.is_software { "pictures only: too slow to compute on" } else { "pictures and computing" };
        super::print(&format!("{:<7} {:<48} {:<8} {:<18} {note}", d.choice, d.name, d.backend, d.kind));
    }
    super::print(&format!("auto    takes {auto}: {why}"));
    Ok(())
}
