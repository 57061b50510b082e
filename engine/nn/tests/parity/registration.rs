//! Registration losses against the formulas written out in f64.

use burn::tensor::{Device, Distribution, Tensor};
use voco_nn::losses::{gradient_l2, local_ncc};

use crate::fixture::{vec, within};

const SIZE: [usize; 3] = [7, 9, 8];

fn random(channels: usize, seed: u64) -> (Tensor<5>, Vec<f64>) {
    let device = Device::flex();
    device.seed(seed);
    let [d, h, w] = SIZE;
    let x = Tensor::<5>::random([1, channels, d, h, w], Distribution::Uniform(0.0, 1.0), &device);
    (x.clone(), vec(x).into_iter().map(f64::from).collect())
}

fn at([i, j, k]: [usize; 3]) -> usize {
    (i * SIZE[1] + j) * SIZE[2] + k
}

fn cells() -> impl Iterator<Item = [usize; 3]> {
    let [d, h, w] = SIZE;
    (0..d * h * w).map(move |n| [n / (h * w), n / w % h, n % w])
}

#[test]
fn local_ncc_is_the_formula() {
    let ((a, x), (b, y)) = (random(1, 3), random(1, 4));
    for window in [3usize, 9] {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let count = window.pow(3) as f64;
        let near = |p: usize, q: usize| p.abs_diff(q) <= window / 2;
        let mut total = 0.0;
        for centre in cells() {
            let inside: Vec<usize> =
                cells().filter(|c| (0..3).all(|axis| near(c[axis], centre[axis]))).map(at).collect();
            // Outside the image all values are 0; they count in the means.
            let outside = count - f64::from(u32::try_from(inside.len()).unwrap());
            let mean = |v: &[f64]| inside.iter().map(|&i| v[i]).sum::<f64>() / count;
            let (mx, my) = (mean(&x), mean(&y));
            let sum = |f: &dyn Fn(f64, f64) -> f64| {
                inside.iter().map(|&i| f(x[i], y[i])).sum::<f64>() + outside * f(0.0, 0.0)
            };
            let cross = sum(&|p, q| (p - mx) * (q - my));
            let (vx, vy) = (sum(&|p, _| (p - mx).powi(2)), sum(&|_, q| (q - my).powi(2)));
            total += cross.powi(2) / (vx * vy + 1e-5);
        }
        let want = -total / f64::from(u32::try_from(cells().count()).unwrap());
        let got = f64::from(local_ncc(a.clone(), b.clone(), window).into_scalar::<f32>());
        println!("window {window}: {got} for {want}");
        within("ncc", (got - want).abs(), 1e-5);
    }
    let same = local_ncc(a.clone(), a * 0.5 + 0.25, 5).into_scalar::<f32>();
    assert!(same < -0.4 && same > -1.0, "related images: {same}");
}

#[test]
fn gradient_l2_is_the_formula() {
    let (flow, values) = random(3, 5);
    let mut sums = [(0.0, 0u32); 3];
    for channel in 0..3 {
        let plane = &values[channel * 504..][..504];
        for cell in cells() {
            for axis in 0..3 {
                if cell[axis] + 1 < SIZE[axis] {
                    let mut next = cell;
                    next[axis] += 1;
                    sums[axis].0 += (plane[at(next)] - plane[at(cell)]).powi(2);
                    sums[axis].1 += 1;
                }
            }
        }
    }
    let want = sums.iter().map(|(sum, count)| sum / f64::from(*count)).sum::<f64>() / 3.0;
    let got = f64::from(gradient_l2(&flow).into_scalar::<f32>());
    within("gradient", (got - want).abs(), 1e-6);
}

#[test]
fn both_have_gradients() {
    let device = Device::flex().autodiff();
    let x = Tensor::<5>::random([2, 1, 6, 6, 6], Distribution::Default, &device).require_grad();
    let y = Tensor::<5>::random([2, 1, 6, 6, 6], Distribution::Default, &device);
    let loss = local_ncc(y, x.clone(), 5) + gradient_l2(&x);
    let gradient = x.grad(&loss.backward()).unwrap();
    assert!(gradient.abs().sum().into_scalar::<f32>() > 0.0, "flows back");
}
