use std::sync::Arc;
use voco_engine_api::*;
fn main() {
    let mut a = std::env::args().skip(1);
    let dir = a.next().unwrap();
    let out = a.next().unwrap();
    let model = a.next().unwrap();
    let steps: u64 = a.next().unwrap().parse().unwrap();
    let mut config = PretrainConfig {
        seed: 1,
        device: DeviceChoice::Cpu,
        ..PretrainConfig::preset(Model::from_name(&model).unwrap(), steps)
    };
    while let (Some(k), Some(v)) = (a.next(), a.next()) {
        match k.as_str() {
            "lr" => config.learning_rate = v.parse().unwrap(),
            "crops" => config.crops_per_volume = v.parse().unwrap(),
            "batch" => config.volumes_per_step = v.parse().unwrap(),
            "augment" => config.augment = v == "true",
            "drop" => config.row_dropout = v.parse().unwrap(),
            "warmup" => config.warmup_steps = v.parse().unwrap(),
            _ => {}
        }
    }
    let data = voco_io::list_images(dir.as_ref()).unwrap().into_iter().map(DataItem::File).collect();
    let engine = voco_engine::EngineHandle::start(Arc::new(|| {})).unwrap();
    engine.start_job(JobSpec::Pretrain { config, data, out: out.into(), resume: false, init: None }).unwrap();
    for e in engine.events() {
        match e {
            EngineEvent::Step { report, .. } => println!("{}", serde_json::to_string(&report).unwrap()),
            EngineEvent::Preview { .. } => {}
            EngineEvent::Ended { outcome, .. } => {
                eprintln!("{outcome:?}");
                break;
            }
            o => eprintln!("{o:?}"),
        }
    }
}
