//! The fast kernels compute what burn's operators compute, gradients included.

#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::time::Instant;

use burn::module::Param;
use burn::nn::PaddingConfig3d;
use burn::nn::conv::{Conv3d, Conv3dConfig, ConvTranspose3dConfig};
use burn::tensor::{Device, Distribution, Tensor};
use voco_nn::kernels::{self, Limit};
use voco_nn::ops::{Norm, convolve};
use voco_nn::{VocoBatch, VocoModelConfig};

/// Relative L2 distance that is still the order of additions.
const TOLERANCE: f64 = 1e-5;

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.3, 1.0), device)
}

fn close<const D: usize>(what: &str, got: Tensor<D>, want: Tensor<D>) {
    within(what, got, want, TOLERANCE);
}

fn within<const D: usize>(what: &str, got: Tensor<D>, want: Tensor<D>, tolerance: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}: shape");
    let (got, want): (Vec<f32>, Vec<f32>) =
        (got.into_data().iter::<f32>().collect(), want.into_data().iter::<f32>().collect());
    let distance: f64 = got.iter().zip(&want).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let norm: f64 = want.iter().map(|b| f64::from(*b).powi(2)).sum();
    let error = (distance / norm.max(1e-12)).sqrt();
    assert!(error < tolerance, "{what}: {error:.2e}");
}

struct Case {
    batch: usize,
    channels: [usize; 2],
    size: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
    bias: bool,
}

impl Case {
    fn cube(channels: [usize; 2], size: [usize; 3], kernel: usize, stride: usize) -> Self {
        let padding = [(kernel - 1) / 2; 3];
        Self { batch: 2, channels, size, kernel: [kernel; 3], stride: [stride; 3], padding, bias: true }
    }

    fn layer(&self, device: &Device) -> Conv3d {
        let [d, h, w] = self.padding;
        Conv3dConfig::new(self.channels, self.kernel)
            .with_stride(self.stride)
            .with_padding(PaddingConfig3d::Explicit(d, h, w))
            .with_bias(self.bias)
            .init(device)
    }

    fn check(&self) {
        let device = Device::flex().autodiff();
        let what =
            format!("{:?} {:?} k{:?} s{:?} p{:?}", self.channels, self.size, self.kernel, self.stride, self.padding);
        let layer = self.layer(&device);
        let [d, h, w] = self.size;
        let x = random([self.batch, self.channels[0], d, h, w], &device).require_grad();
        let fast = kernels::conv::conv3d(&layer, &x).expect("a supported layer");
        let slow = layer.forward(x.clone());
        let upstream = random(slow.dims(), &device);
        close(&what, fast.clone().inner(), slow.clone().inner());
        let fast = (fast * upstream.clone()).sum().backward();
        let slow = (slow * upstream).sum().backward();
        let pair = |t: &Tensor<5>| (t.grad(&fast).expect("a gradient"), t.grad(&slow).expect("a gradient"));
        let (got, want) = pair(&x);
        close(&format!("{what}: gradient of the input"), got, want);
        let (got, want) = pair(&layer.weight.val());
        close(&format!("{what}: gradient of the weight"), got, want);
        if let Some(bias) = &layer.bias {
            let (got, want) =
                (bias.val().grad(&fast).expect("a gradient"), bias.val().grad(&slow).expect("a gradient"));
            close(&format!("{what}: gradient of the bias"), got, want);
        }
    }
}

#[test]
fn convolutions_of_the_networks() {
    for (channels, size, kernel, stride) in [
        ([1, 8], [12, 10, 16], 3, 2),
        ([8, 16], [9, 7, 11], 3, 2),
        ([16, 16], [8, 8, 8], 3, 1),
        ([12, 24], [5, 6, 33], 3, 1),
        ([13, 3], [4, 3, 50], 3, 1),
        ([64, 64], [2, 2, 2], 3, 1),
        ([32, 64], [4, 4, 4], 3, 2),
        ([20, 20], [3, 3, 3], 3, 1),
        ([1, 12], [8, 6, 10], 2, 2),
        ([12, 24], [7, 5, 9], 1, 1),
        ([3, 5], [1, 1, 1], 1, 1),
        ([2, 5], [1, 1, 2], 3, 1),
    ] {
        Case::cube(channels, size, kernel, stride).check();
    }
}

#[test]
fn convolutions_in_tiles() {
    // Enough channels and voxels for Winograd's tiles: odd edges, paddings of all widths, a last block of 4 and of 8.
    for (channels, size, padding) in [
        ([8, 12], [7, 5, 9], [1, 1, 1]),
        ([13, 9], [8, 9, 17], [0, 1, 2]),
        ([9, 21], [6, 7, 40], [2, 0, 1]),
        ([16, 16], [5, 6, 7], [1, 2, 0]),
    ] {
        Case { padding, ..Case::cube(channels, size, 3, 1) }.check();
    }
}

#[test]
fn convolutions_of_few_voxels() {
    for (channels, size, kernel, stride) in [
        ([40, 33], [3, 3, 3], 3, 1),
        ([36, 50], [4, 4, 4], 3, 2),
        ([64, 66], [4, 2, 6], 2, 2),
        ([200, 170], [5, 4, 5], 1, 1),
    ] {
        Case::cube(channels, size, kernel, stride).check();
    }
}

#[test]
fn unusual_convolutions() {
    let plain = || Case::cube([5, 7], [6, 7, 8], 3, 1);
    Case { bias: false, batch: 3, ..plain() }.check();
    Case { padding: [0; 3], ..plain() }.check();
    Case { padding: [2; 3], ..plain() }.check();
    Case { kernel: [1, 3, 3], padding: [0, 1, 1], ..plain() }.check();
    Case { kernel: [1, 3, 3], padding: [0, 1, 1], stride: [1, 2, 2], ..plain() }.check();
    Case { kernel: [3, 1, 5], padding: [1, 0, 2], ..plain() }.check();
    Case { kernel: [5; 3], padding: [1; 3], stride: [2, 3, 1], ..plain() }.check();
    // Voxels that no output reads.
    Case { kernel: [1; 3], padding: [0; 3], stride: [2; 3], ..plain() }.check();
    Case { kernel: [2; 3], padding: [0; 3], stride: [3; 3], ..plain() }.check();
    Case { kernel: [3; 3], padding: [0; 3], stride: [2; 3], size: [6, 8, 10], ..plain() }.check();
}

#[test]
fn random_convolutions() {
    // A small generator of its own: the cases must not depend on burn's.
    let mut state = 20_240_607_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n) as usize
    };
    for _ in 0..25 {
        let kernel = [3, 3, 2, 1][below(4)];
        Case {
            batch: 1 + below(3),
            channels: [1 + below(20), 1 + below(20)],
            size: [kernel + below(6), kernel + below(8), kernel + below(40)],
            kernel: [kernel; 3],
            stride: [1 + below(2); 3],
            padding: [(kernel - 1) / 2; 3],
            bias: below(2) == 0,
        }
        .check();
    }
}

#[test]
fn narrow_vectors_compute_the_same() {
    // A limit holds for the whole process, but makes no other test fail.
    for limit in [Limit::Avx2, Limit::Portable] {
        kernels::set_limit(limit);
        for channels in [[1, 8], [5, 12], [9, 3]] {
            Case::cube(channels, [5, 6, 37], 3, 1).check();
            Case::cube(channels, [4, 5, 9], 3, 2).check();
            Case::cube([9, 12], [6, 5, 9], 3, 1).check();
            Case::cube([40, 33], [3, 3, 3], 3, 1).check();
        }
        check_norm([2, 3, 4, 5, 6], true, true, true);
    }
    kernels::set_limit(Limit::None);
}

#[test]
fn transposed_convolutions() {
    let device = Device::flex().autodiff();
    for (channels, kernel, stride, padding, padding_out) in
        [([6, 3], 2, 2, 0, 0), ([9, 8], 2, 2, 0, 0), ([4, 5], 3, 2, 1, 1), ([3, 4], 3, 1, 1, 0), ([2, 9], 4, 3, 0, 2)]
    {
        let what = format!("{channels:?} k{kernel} s{stride}");
        let layer = ConvTranspose3dConfig::new(channels, [kernel; 3])
            .with_stride([stride; 3])
            .with_padding([padding; 3])
            .with_padding_out([padding_out; 3])
            .init(&device);
        let x = random([2, channels[0], 3, 5, 6], &device).require_grad();
        let fast = kernels::conv::conv_transpose3d(&layer, &x).expect("a supported layer");
        let slow = layer.forward(x.clone());
        close(&what, fast.clone().inner(), slow.clone().inner());
        let upstream = random(slow.dims(), &device);
        let fast = (fast * upstream.clone()).sum().backward();
        let slow = (slow * upstream).sum().backward();
        for t in [&x, &layer.weight.val()] {
            close(&what, t.grad(&fast).expect("a gradient"), t.grad(&slow).expect("a gradient"));
        }
        let bias = layer.bias.as_ref().expect("has a bias").val();
        close(&what, bias.grad(&fast).expect("a gradient"), bias.grad(&slow).expect("a gradient"));
    }
}

#[test]
fn what_is_not_supported_goes_to_burn() {
    let device = Device::flex();
    let layer = Conv3dConfig::new([4, 4], [3; 3]).with_groups(2).init(&device);
    let x = random([1, 4, 5, 5, 5], &device);
    assert!(kernels::conv::conv3d(&layer, &x).is_none(), "groups");
    close("groups", convolve(&layer, x.clone()), layer.forward(x));
    let layer = Conv3dConfig::new([4, 4], [3; 3]).with_dilation([2; 3]).init(&device);
    assert!(kernels::conv::conv3d(&layer, &random([1, 4, 7, 7, 7], &device)).is_none(), "dilation");
}

#[test]
fn layouts_and_constants() {
    // A permuted input is no contiguous slice; a weight without a graph is a constant.
    let (plain, graph) = (Device::flex(), Device::flex().autodiff());
    let layer = Case::cube([6, 9], [4, 5, 6], 3, 1).layer(&plain);
    let x = random([2, 4, 5, 6, 6], &plain).permute([0, 4, 1, 2, 3]);
    let want = layer.forward(x.clone());
    close("permuted", kernels::conv::conv3d(&layer, &x).expect("supported"), want.clone());
    let x = Tensor::<5>::from_inner(x).require_grad();
    assert!(x.device().is_autodiff() && graph.is_autodiff(), "on a graph");
    let y = kernels::conv::conv3d(&layer, &x).expect("supported");
    close("constant weight", y.clone().inner(), want);
    assert!(x.grad(&y.sum().backward()).is_some(), "gradient of the input");
}

#[test]
fn gradient_checkpointing_changes_nothing() {
    let x = random([2, 3, 6, 5, 7], &Device::flex());
    let run = |device: Device, fast: bool| {
        let layers = [[3, 8], [8, 5]].map(|channels| {
            // The same numbers on every device.
            let layer = Case::cube(channels, [6, 5, 7], 3, 1).layer(&device);
            let [outputs, inputs, ..] = layer.weight.dims();
            let len = outputs * inputs * 27;
            let numbers = Tensor::<1, burn::tensor::Int>::arange(0..len as i64, &device).float().sin() * 0.1;
            Conv3d { weight: Param::from_tensor(numbers.reshape([outputs, inputs, 3, 3, 3])), bias: None, ..layer }
        });
        let x = Tensor::<5>::from_data(x.clone().into_data(), &device).require_grad();
        let norm = Norm { leaky: true, ..Norm::default() };
        // An operation between that checkpointing repeats.
        let y = if fast {
            convolve(&layers[1], norm.forward(convolve(&layers[0], x.clone())).tanh())
        } else {
            layers[1].forward(norm.reference(layers[0].forward(x.clone())).tanh())
        };
        let gradient = x.grad(&y.square().sum().backward()).expect("a gradient");
        Tensor::<5>::from_data(gradient.into_data(), &Device::flex())
    };
    let plain = run(Device::flex().autodiff(), false);
    close("kept", run(Device::flex().autodiff(), true), plain.clone());
    close("repeated", run(Device::flex().autodiff().gradient_checkpointing(), true), plain);
}

fn check_norm(dims: [usize; 5], affine: bool, shortcut: bool, leaky: bool) {
    let device = Device::flex().autodiff();
    let what = format!("{dims:?} affine {affine} shortcut {shortcut} leaky {leaky}");
    let x = (random(dims, &device) * 2.5 + 4.0).require_grad();
    let (scale, shift) = (random([dims[1]], &device).require_grad(), random([dims[1]], &device).require_grad());
    let other = random(dims, &device).require_grad();
    let norm = Norm {
        affine: affine.then(|| (scale.clone(), shift.clone())),
        shortcut: shortcut.then(|| other.clone()),
        leaky,
    };
    let (fast, slow) = (norm.clone().forward(x.clone()), norm.reference(x.clone()));
    close(&what, fast.clone().inner(), slow.clone().inner());
    let upstream = random(dims, &device);
    let fast = (fast * upstream.clone()).sum().backward();
    let slow = (slow * upstream).sum().backward();
    let image = |what: &str, t: &Tensor<5>| {
        close(what, t.grad(&fast).expect("a gradient"), t.grad(&slow).expect("a gradient"));
    };
    image(&format!("{what}: gradient of the input"), &x);
    if shortcut {
        image(&format!("{what}: gradient of the shortcut"), &other);
    }
    if affine {
        for t in [&scale, &shift] {
            // A few numbers, each a sum whose terms cancel: burn itself is no more exact.
            within(&what, t.grad(&fast).expect("a gradient"), t.grad(&slow).expect("a gradient"), 5e-5);
        }
    }
}

#[test]
fn norms() {
    for dims in [[2, 5, 4, 5, 7], [1, 3, 2, 2, 2], [3, 2, 17, 16, 15], [1, 9, 2, 2, 5]] {
        for index in 0..8 {
            check_norm(dims, index & 1 != 0, index & 2 != 0, index & 4 != 0);
        }
    }
}

/// Best of some runs, in seconds.
fn best(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::MAX;
    for _ in 0..20 {
        let begin = Instant::now();
        run();
        best = best.min(begin.elapsed().as_secs_f64());
        if start.elapsed().as_secs_f64() > 4.0 {
            break;
        }
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn bench_convolutions() {
    println!("{:22}{:>12}{:>12}{:>8}   forward, then forward and backward", "GFLOP/s", "ours", "burn-flex", "ratio");
    for (name, batch, inputs, outputs, edge, stride) in [
        ("48-48 at 48", 1, 48, 48, 48, 1),
        ("48-48 at 96", 1, 48, 48, 96, 1),
        ("16-16 at 64", 1, 16, 16, 64, 1),
        ("1-48 at 96", 1, 1, 48, 96, 1),
        ("unet 1-8 at 64 /2", 22, 1, 8, 64, 2),
        ("unet 8-16 at 32 /2", 22, 8, 16, 32, 2),
        ("unet 16-16 at 16", 22, 16, 16, 16, 1),
        ("unet 16-32 at 16 /2", 22, 16, 32, 16, 2),
        ("unet 32-32 at 8", 22, 32, 32, 8, 1),
        ("unet 32-64 at 8 /2", 22, 32, 64, 8, 2),
        ("unet 64-64 at 4", 22, 64, 64, 4, 1),
        ("unet 64-64 at 4 /2", 22, 64, 64, 4, 2),
        ("unet 64-64 at 2", 22, 64, 64, 2, 1),
    ] {
        for graph in [false, true] {
            let device = if graph { Device::flex().autodiff() } else { Device::flex() };
            let layer = Case::cube([inputs, outputs], [edge; 3], 3, stride).layer(&device);
            let mut x = random([batch, inputs, edge, edge, edge], &device);
            if graph && inputs > 1 {
                x = x.require_grad();
            }
            let run = |fast: bool| {
                best(|| {
                    let y = if fast { convolve(&layer, x.clone()) } else { layer.forward(x.clone()) };
                    if graph {
                        drop(y.sum().backward());
                    }
                })
            };
            let passes = if !graph {
                1.0
            } else if inputs > 1 {
                3.0
            } else {
                2.0
            };
            let voxels = (edge / stride).pow(3) * batch;
            let work = passes * 2.0 * (voxels * inputs * outputs * 27) as f64 / 1e9;
            let (ours, burns) = (run(true), run(false));
            println!("{name:22}{:12.1}{:12.1}{:8.1}", work / ours, work / burns, burns / ours);
        }
    }
}

/// Seconds with the kernels and, unless `VOCO_OURS_ONLY` is set, without.
fn compare(what: &str, mut run: impl FnMut()) {
    let ours = best(&mut run);
    if std::env::var_os("VOCO_OURS_ONLY").is_some() {
        println!("{what}: {ours:.3} s");
        return;
    }
    kernels::set_limit(Limit::Off);
    let burns = best(&mut run);
    kernels::set_limit(Limit::None);
    println!("{what}: {ours:.3} s, burn-flex {burns:.3} s, ratio {:.1}", burns / ours);
}

#[test]
#[ignore = "a measurement; one thread of tests only"]
fn bench_unet_tiny_step() {
    let device = Device::flex().autodiff();
    let mut model = VocoModelConfig::from_name("unet-tiny").expect("a preset").init(&device, 1);
    let crops = |n: usize| Tensor::<5>::random([n, 1, 64, 64, 64], Distribution::Uniform(0.0, 1.0), &device);
    let batch = VocoBatch { queries: crops(4), bases: crops(18), labels: Tensor::full([2, 2, 9], 0.1, &device) };
    for chunk in [22, 8] {
        let what = format!("unet-tiny step without optimiser, 22 crops of 64³, {chunk} at once");
        compare(&what, || drop(model.step_chunked(&batch, None, chunk, || true)));
    }
}

#[test]
#[ignore = "a measurement; one thread of tests only"]
fn bench_swin_crop() {
    for (name, edge) in [("tiny", 64), ("tiny", 96), ("b", 64)] {
        let device = Device::flex().autodiff();
        let model = VocoModelConfig::from_name(name).expect("a preset").init(&device, 1);
        let crop = Tensor::<5>::random([1, 1, edge, edge, edge], Distribution::Uniform(0.0, 1.0), &device);
        let plain = VocoModelConfig::from_name(name).expect("a preset").init(&Device::flex(), 1);
        compare(&format!("{name} forward at {edge}³"), || {
            drop(plain.embed(crop.clone().inner()).into_data());
        });
        compare(&format!("{name} forward and backward at {edge}³"), || {
            drop(model.embed(crop.clone()).sum().backward());
        });
    }
}
