//! Sliding windows against MONAI.

use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use voco_nn::NnError;
use voco_nn::infer::{Blend, Slab, SlidingWindow, Stitcher};

use crate::fixture::{Fixture, json, max_abs, rel_l2, vec, within};
use crate::swin::sampled;

fn window(case: &serde_json::Value) -> SlidingWindow {
    let roi = &case["roi"];
    SlidingWindow {
        roi: std::array::from_fn(|axis| usize::try_from(roi[axis].as_u64().unwrap()).unwrap()),
        overlap: case["overlap"].as_f64().unwrap(),
        blend: if case["mode"] == "gaussian" { Blend::Gaussian } else { Blend::Constant },
    }
}

fn triple(value: &serde_json::Value) -> [usize; 3] {
    std::array::from_fn(|axis| usize::try_from(value[axis].as_u64().unwrap()).unwrap())
}

fn check(logits: &Tensor<5>, data: &Fixture, name: &str, limit: f64, unsure: u64) {
    let error = rel_l2(&vec(sampled(logits.clone(), 3)), data.values(&format!("{name}.logits_s3")));
    println!("{name}: {:.1e}", within(name, error, limit));
    let key = format!("{name}.argmax");
    if data.tensors.contains_key(&key) {
        let best = vec(logits.clone().argmax(1).float());
        let differ = best.iter().zip(data.values(&key)).filter(|(a, b)| a != b).count();
        assert!(differ as u64 <= unsure, "{name}: {differ} voxels differ, {unsure} are unsure");
    }
    let [_, classes, d, h, w] = logits.dims();
    let (deviation, mean) = logits.clone().reshape([classes, d * h * w]).var_mean(1);
    let got = vec(Tensor::cat(vec![mean.reshape([1, classes]), deviation.sqrt().reshape([1, classes])], 0));
    within(name, rel_l2(&got, data.values(&format!("{name}.mean_std"))), limit);
}

#[test]
fn convolution_windows_follow_monai() {
    let Some(data) = Fixture::open("inference/conv.safetensors") else { return };
    let cases = json("inference/cases.json").unwrap();
    let device = Device::flex();
    let weight = data.get::<5>("conv_weight", &device);
    let bias = data.get::<1>("conv_bias", &device);
    let predict = |x: Tensor<5>| -> Result<Tensor<5>, NnError> {
        let x = x.clone() - x.mean().unsqueeze();
        Ok(conv3d(x, weight.clone(), Some(bias.clone()), ConvOptions::new([1; 3], [1; 3], [1; 3], 1)))
    };
    let volume = data.get::<5>("volume", &device);
    for (name, case) in cases["cases"].as_object().unwrap() {
        let sliding = window(case);
        let starts: Vec<[usize; 3]> = case["window_starts"].as_array().unwrap().iter().map(triple).collect();
        assert_eq!(sliding.starts(triple(&case["padded_size"])), starts, "{name}");
        if !data.tensors.contains_key(&format!("{name}.logits_s3")) {
            continue;
        }
        let logits = sliding.run(&volume, predict).unwrap();
        let unsure = case["voxels_with_margin_below_1e_4"].as_u64().unwrap_or(0);
        check(&logits, &data, name, 1e-5, unsure);
    }
}

/// The whole volume by a stitcher that may open about `most_bytes`; windows that start in `skipped` are left out.
fn stitched(
    sliding: SlidingWindow,
    volume: &Tensor<5>,
    classes: usize,
    most_bytes: usize,
    skipped: impl Fn([usize; 3]) -> bool,
    predict: impl Fn(Tensor<5>) -> Vec<f32>,
) -> (Vec<u16>, usize) {
    let [_, _, d, h, w] = volume.dims();
    let mut stitcher = Stitcher::new(sliding, [d, h, w], classes, most_bytes);
    let mut labels = vec![u16::MAX; d * h * w];
    let mut open = 0;
    while let Some(start) = stitcher.next_window() {
        let slab = if skipped(start) {
            stitcher.skip()
        } else {
            let [x, y, z] = std::array::from_fn(|axis| start[axis]..start[axis] + sliding.roi[axis]);
            stitcher.add(&predict(volume.clone().slice([0..1, 0..1, x, y, z])))
        };
        if let Some(slab) = slab {
            open = open.max(slab.planes.len());
            take(&slab, [d, h, w], &mut labels);
        }
    }
    assert_eq!(stitcher.num_done(), stitcher.num_windows(), "all windows were wanted");
    (labels, open)
}

/// Copies a slab's own labels to their place; no voxel may come twice.
fn take(slab: &Slab, size: [usize; 3], labels: &mut [u16]) {
    let rest: Vec<usize> = (0..3).filter(|axis| *axis != slab.axis).collect();
    let own = slab.labels();
    for (n, label) in own.into_iter().enumerate() {
        let [b, c] = [slab.size[rest[0]], slab.size[rest[1]]];
        let mut at = slab.start;
        at[slab.axis] += n / (b * c);
        at[rest[0]] += n / c % b;
        at[rest[1]] += n % c;
        if slab.own.contains(&at[slab.strip_axis]) {
            let to = &mut labels[(at[0] * size[1] + at[1]) * size[2] + at[2]];
            assert_eq!(*to, u16::MAX, "voxel {at:?} came twice");
            *to = label;
        }
    }
}

#[test]
fn slabs_and_strips_follow_monai() {
    let Some(data) = Fixture::open("inference/conv.safetensors") else { return };
    let cases = json("inference/cases.json").unwrap();
    let device = Device::flex();
    let weight = data.get::<5>("conv_weight", &device);
    let bias = data.get::<1>("conv_bias", &device);
    let predict = |x: Tensor<5>| {
        let x = x.clone() - x.mean().unsqueeze();
        vec(conv3d(x, weight.clone(), Some(bias.clone()), ConvOptions::new([1; 3], [1; 3], [1; 3], 1)))
    };
    let volume = data.get::<5>("volume", &device);
    let mut checked = 0;
    for (name, case) in cases["cases"].as_object().unwrap() {
        let (sliding, key) = (window(case), format!("{name}.argmax"));
        let size: [usize; 3] = volume.dims()[2..].try_into().unwrap();
        if !data.tensors.contains_key(&key) || (0..3).any(|axis| size[axis] < sliding.roi[axis]) {
            continue;
        }
        checked += 1;
        let unsure = case["voxels_with_margin_below_1e_4"].as_u64().unwrap_or(0);
        let (whole, open) = stitched(sliding, &volume, 5, usize::MAX, |_| false, predict);
        let differ = whole.iter().zip(data.values(&key)).filter(|(a, b)| f32::from(**a) != **b).count();
        assert!(differ as u64 <= unsure, "{name}: {differ} voxels differ, {unsure} are unsure");
        assert!(open <= sliding.roi.into_iter().max().unwrap(), "{name}: {open} planes at a time");
        // A budget for nothing: strips as narrow as they can be, and every number as before.
        let (strips, _) = stitched(sliding, &volume, 5, 1, |_| false, predict);
        assert_eq!(strips, whole, "{name}: strips change nothing");
    }
    assert!(checked > 1, "some cases are checked");
}

#[test]
fn skipped_windows_become_background_and_touch_nothing_else() {
    let device = Device::flex();
    let volume = Tensor::<5>::zeros([1, 1, 40, 9, 8], &device);
    let sliding = SlidingWindow { roi: [8; 3], overlap: 0.5, blend: Blend::Constant };
    // Class 1 everywhere; the windows that start below 8 along the first axis are left out: they cover 0…11.
    let predict = |_: Tensor<5>| [vec![0.0; 512], vec![1.0; 512]].concat();
    let (labels, _) = stitched(sliding, &volume, 2, usize::MAX, |start| start[0] < 8, predict);
    let expected: Vec<u16> = (0..40 * 72).map(|n| u16::from(n / 72 >= 12)).collect();
    assert_eq!(labels, expected);
}

#[test]
fn gaussian_weights_follow_monai() {
    let Some(data) = Fixture::open("inference/importance.safetensors") else { return };
    for roi in [[32, 32, 32], [40, 24, 17], [96, 96, 96]] {
        let weights = SlidingWindow { roi, overlap: 0.5, blend: Blend::Gaussian }.weights();
        let at = |cell: [usize; 3]| weights[(cell[0] * roi[1] + cell[1]) * roi[2] + cell[2]];
        let name = roi.map(|edge| edge.to_string()).join("x");
        for axis in 0..3 {
            let line: Vec<f32> = (0..roi[axis])
                .map(|i| {
                    let mut cell = roi.map(|edge| edge / 2);
                    cell[axis] = i;
                    at(cell)
                })
                .collect();
            let key = format!("importance.{name}.axis{axis}");
            within(&key, max_abs(&line, data.values(&key)), 1e-6);
        }
        let longest = roi.into_iter().max().unwrap();
        let diagonal: Vec<f32> = (0..longest).map(|i| at(roi.map(|edge| i.min(edge - 1)))).collect();
        let key = format!("importance.{name}.diag");
        within(&key, max_abs(&diagonal, data.values(&key)), 1e-6);
        let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let want = f64::from(data.scalar(&format!("importance.{name}.sum")));
        within("sum", ((sum - want) / want).abs(), 1e-5);
    }
}

fn swin(name: &str) {
    let Some(data) = Fixture::open("inference/swin.safetensors") else { return };
    let cases = json("inference/cases.json").unwrap();
    let case = &cases["cases"][format!("swin_{name}")];
    let device = Device::flex();
    let model = crate::unetr::network(voco_nn::swin::MergeOrder::Legacy, &device).unwrap();
    let volume = data.get::<5>("volume", &device);
    let sliding = window(case);
    let logits = sliding.run(&volume, |x| Ok::<_, NnError>(model.forward(x).logits)).unwrap();
    check(&logits, &data, name, 1e-4, case["voxels_with_margin_below_1e_4"].as_u64().unwrap_or(0));
}

#[test]
fn swin_windows_constant() {
    swin("o50_constant");
}

#[test]
fn swin_windows_gaussian() {
    swin("o50_gaussian");
}

#[test]
#[ignore = "a minute: many windows"]
fn swin_windows_three_quarters() {
    swin("o75_constant");
    swin("o75_gaussian");
}

#[test]
fn errors_of_the_network_end_the_run() {
    let volume = Tensor::<5>::ones([1, 1, 8, 8, 8], &Device::flex());
    let sliding = SlidingWindow { roi: [4; 3], overlap: 0.0, blend: Blend::Constant };
    let mut calls = 0;
    let result = sliding.run(&volume, |x| {
        calls += 1;
        if calls == 3 { Err(NnError::UnknownArchitecture { reason: "stop".into() }) } else { Ok(x) }
    });
    assert!(result.is_err() && calls == 3, "stopped at the third window");
    let half = sliding.run(&volume, |x| Ok::<_, NnError>(x.narrow(2, 0, 2)));
    assert!(half.is_err(), "a result of another size");
}
