//! Seconds and memory of one case, for `tests/compare/speed_vs_torch.py`.
//!
//! `nn_measure CASE RUNS` prints `wall SECONDS` and `cpu SECONDS` (of all threads) for every run and then `peak MEGABYTES`,
//! the largest resident set of the process; the latter two on Linux only, else 0. Without arguments it prints the names
//! of the cases. `RAYON_NUM_THREADS` sets the threads; with `VOCO_CHECKPOINTING` networks keep less for their gradients.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Int, Tensor};
use voco_nn::losses::{DiceCeSettings, dice_ce};
use voco_nn::plain::PlainUnetConfig;
use voco_nn::swin::{SwinConfig, SwinUnetrConfig};
use voco_nn::{AdamW, AdamWSettings, VocoBatch, VocoModelConfig};

/// Classes of the published networks.
const CLASSES: usize = 21;

/// What is measured, by name. One-crop cases carry the edge of the crop.
const CASES: [(&str, Case); 18] = [
    ("encoder-tiny-64", Case::Encoder { width: 12, edge: 64, graph: false }),
    ("encoder-tiny-96", Case::Encoder { width: 12, edge: 96, graph: false }),
    ("encoder-b-64", Case::Encoder { width: 48, edge: 64, graph: false }),
    ("encoder-b-96", Case::Encoder { width: 48, edge: 96, graph: false }),
    ("swinunetr-tiny-64", Case::Unetr { width: 12, edge: 64, graph: false }),
    ("swinunetr-tiny-96", Case::Unetr { width: 12, edge: 96, graph: false }),
    ("swinunetr-b-64", Case::Unetr { width: 48, edge: 64, graph: false }),
    ("swinunetr-b-96", Case::Unetr { width: 48, edge: 96, graph: false }),
    ("plain-64", Case::Plain { edge: 64, graph: false }),
    ("plain-96", Case::Plain { edge: 96, graph: false }),
    ("step-unet-tiny", Case::Step { name: "unet-tiny", chunk: 0 }),
    ("step-tiny", Case::Step { name: "tiny", chunk: 2 }),
    ("encoder-tiny-64-backward", Case::Encoder { width: 12, edge: 64, graph: true }),
    ("encoder-b-64-backward", Case::Encoder { width: 48, edge: 64, graph: true }),
    ("encoder-b-96-backward", Case::Encoder { width: 48, edge: 96, graph: true }),
    ("swinunetr-b-64-backward", Case::Unetr { width: 48, edge: 64, graph: true }),
    ("swinunetr-b-96-backward", Case::Unetr { width: 48, edge: 96, graph: true }),
    ("plain-96-backward", Case::Plain { edge: 96, graph: true }),
];

#[derive(Clone, Copy)]
enum Case {
    /// The encoder of `SwinUNETR` up to the embedding.
    Encoder { width: usize, edge: usize, graph: bool },
    /// The whole `SwinUNETR`; with a graph also loss and gradients.
    Unetr { width: usize, edge: usize, graph: bool },
    /// The published `PlainConvUNet`, likewise.
    Plain { edge: usize, graph: bool },
    /// A whole step of the pre-training: 22 crops of 64³, optimiser included.
    Step { name: &'static str, chunk: usize },
}

fn main() {
    // As the program does.
    if std::env::var_os("VOCO_RETURN_FREED").is_none() {
        voco_nn::memory::keep_freed();
    }
    let checkpointing = std::env::var_os("VOCO_CHECKPOINTING").is_some();
    let arguments: Vec<String> = std::env::args().collect();
    let (Some(name), runs) = (arguments.get(1), arguments.get(2)) else {
        for (name, _) in CASES {
            println!("{name}");
        }
        return;
    };
    let runs = runs.and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let Some((_, case)) = CASES.iter().find(|(known, _)| known == name) else {
        println!("there is no case {name}");
        std::process::exit(2);
    };
    case.measure(runs, checkpointing);
    println!("peak {}", peak_megabytes());
}

impl Case {
    fn measure(self, runs: usize, checkpointing: bool) {
        let device = |graph: bool| if graph { Device::flex().autodiff() } else { Device::flex() };
        match self {
            Self::Encoder { width, edge, graph } => {
                let device = device(graph);
                let model = SwinConfig::new(width).init(&device).with_checkpointing(checkpointing);
                let x = crops(1, edge, &device);
                time(runs, || {
                    let rows = model.embed(x.clone());
                    if graph {
                        drop(rows.sum().backward());
                    }
                });
            }
            Self::Unetr { width, edge, graph } => {
                let device = device(graph);
                let model = SwinUnetrConfig::new(width, CLASSES).init(&device).with_checkpointing(checkpointing);
                segmentation(runs, graph, &crops(1, edge, &device), |x| model.forward(x).logits);
            }
            Self::Plain { edge, graph } => {
                let device = device(graph);
                let model = PlainUnetConfig::nnunet([32, 64, 128, 256, 320, 320], CLASSES).init(&device);
                let model = model.with_checkpointing(checkpointing);
                segmentation(runs, graph, &crops(1, edge, &device), |x| model.forward(x));
            }
            Self::Step { name, chunk } => step(name, chunk, runs),
        }
    }
}

fn segmentation(runs: usize, graph: bool, x: &Tensor<5>, forward: impl Fn(Tensor<5>) -> Tensor<5>) {
    let [n, _, d, h, w] = x.dims();
    let labels = Tensor::<5, Int>::zeros([n, 1, d, h, w], &x.device());
    time(runs, || {
        let logits = forward(x.clone());
        if graph {
            drop(dice_ce(&DiceCeSettings::default(), logits, labels.clone()).backward());
        }
    });
}

fn step(name: &str, chunk: usize, runs: usize) {
    let device = Device::flex().autodiff();
    let Some(config) = VocoModelConfig::from_name(name) else { return };
    let mut model = Some(config.init(&device, 1));
    let mut optimizer = AdamW::new(AdamWSettings::default());
    let mut labels = vec![0.0f32; 36];
    for row in labels.chunks_mut(9) {
        row[4] = 1.0;
    }
    let batch = VocoBatch {
        queries: crops(4, 64, &device),
        bases: crops(18, 64, &device),
        labels: Tensor::<1>::from_data(labels.as_slice(), &device).reshape([2, 2, 9]),
    };
    time(runs, || {
        let Some(mut current) = model.take() else { return };
        if let Some((_, gradients)) = current.step_chunked(&batch, None, chunk, || true) {
            current = optimizer.step(1e-4, current, gradients);
        }
        model = Some(current);
    });
}

fn crops(count: usize, edge: usize, device: &Device) -> Tensor<5> {
    Tensor::random([count, 1, edge, edge, edge], Distribution::Uniform(0.0, 1.0), device)
}

fn time(runs: usize, mut run: impl FnMut()) {
    for _ in 0..runs {
        let (begin, cpu) = (Instant::now(), cpu_seconds());
        run();
        println!("wall {:.4}\ncpu {:.2}", begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    }
}

/// Processor time of all threads so far, in and outside the kernel.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name of the program, which is in parentheses: fields 14 and 15, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Megabytes (10⁶ bytes) of the largest resident set so far.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    kibibytes * 1024 / 1_000_000
}
