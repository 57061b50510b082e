//! Vectors of `f32`, chosen at run time.
//!
//! A [`Simd`] value proves that the processor has the instructions: only
//! [`dispatch`] makes one, after asking the processor. Kernels are generic over
//! it, are marked `#[inline(always)]`, and so are compiled once for each set of
//! instructions.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "vector instructions, and calls of functions compiled for them, are unsafe on processors without them"
    )
)]

#[cfg(target_arch = "x86_64")]
use super::{Limit, may_use};

/// A set of vector instructions.
pub trait Simd: Copy + Send + Sync {
    /// One register.
    type F: Copy;
    /// Numbers in a register.
    const LANES: usize;
    /// Whether there are 32 registers (else 16): kernels hold larger tiles.
    const WIDE: bool;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F;
    /// The first `LANES` numbers of `from`.
    fn load(self, from: &[f32]) -> Self::F;
    /// Into the first `LANES` numbers of `to`.
    fn store(self, to: &mut [f32], x: Self::F);
    /// `a·b + c`.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a − b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a·b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// The larger one.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `2ⁿ` for `n + 1.5·2²³`, n a whole number from −126 to 127: the last bits
    /// of such a number are n.
    fn power(self, shifted: Self::F) -> Self::F;

    /// `eˣ` for x ≤ 0, with a relative error of 2⁻²³; below −87 what e⁻⁸⁷ is.
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        const SHIFT: f32 = 12_582_912.0; // 1.5·2²³: rounds to a whole number
        // ln 2 in two parts, the first of which has few bits.
        const LN2: [f32; 2] = [-0.693_359_4, 2.121_944_4e-4];
        // Cephes' polynomial for (eʳ − 1 − r) / r², |r| ≤ ln 2 / 2.
        const TERMS: [f32; 5] = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
        let x = self.max(x, self.splat(-87.0));
        let shifted = self.mul_add(x, self.splat(std::f32::consts::LOG2_E), self.splat(SHIFT));
        let whole = self.add(shifted, self.splat(-SHIFT));
        let r = self.mul_add(whole, self.splat(LN2[0]), x);
        let r = self.mul_add(whole, self.splat(LN2[1]), r);
        let mut sum = self.splat(1.987_569_1e-4);
        for term in TERMS {
            sum = self.mul_add(sum, r, self.splat(term));
        }
        let sum = self.mul_add(self.mul(r, r), sum, self.add(r, self.splat(1.0)));
        self.mul(sum, self.power(shifted))
    }
}

/// A computation that [`dispatch`] can run with any [`Simd`].
pub trait Kernel {
    /// Runs it; must be `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S);
}

/// Runs `kernel` with the widest vectors of this processor.
pub fn dispatch(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    {
        if may_use(Limit::None) && std::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { x86::run_avx512(kernel) };
        }
        let avx2 = may_use(Limit::Avx2) && std::is_x86_feature_detected!("avx2");
        if avx2 && std::is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::run_avx2(kernel) };
        }
    }
    kernel.run(Portable(()));
}

/// Arrays that the compiler turns into the vectors every processor of the
/// target has: SSE2 on x86-64, NEON on aarch64.
#[derive(Clone, Copy)]
pub struct Portable(());

impl Simd for Portable {
    type F = [f32; 4];
    const LANES: usize = 4;
    const WIDE: bool = cfg!(target_arch = "aarch64");

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 4] {
        [x; 4]
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> [f32; 4] {
        [from[0], from[1], from[2], from[3]]
    }

    #[inline(always)]
    fn store(self, to: &mut [f32], x: [f32; 4]) {
        to[..4].copy_from_slice(&x);
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| {
            // Where it is no instruction, `mul_add` is a slow library call.
            if cfg!(target_arch = "aarch64") { a[lane].mul_add(b[lane], c[lane]) } else { a[lane] * b[lane] + c[lane] }
        })
    }

    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn sub(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn max(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    fn power(self, shifted: [f32; 4]) -> [f32; 4] {
        shifted.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(1.0f32.to_bits())))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_epi32, _mm256_add_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_fmadd_ps,
        _mm256_loadu_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_slli_epi32, _mm256_storeu_ps,
        _mm256_sub_ps, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_slli_epi32, _mm512_storeu_ps,
        _mm512_sub_ps,
    };

    use super::{Kernel, Simd};

    /// Proof of AVX-512F.
    #[derive(Clone, Copy)]
    pub struct Avx512(());

    /// Proof of AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2(());

    /// # Safety
    /// The processor must have AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn run_avx512(kernel: impl Kernel) {
        kernel.run(Avx512(()));
    }

    /// # Safety
    /// The processor must have AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn run_avx2(kernel: impl Kernel) {
        kernel.run(Avx2(()));
    }

    macro_rules! implement {
        ($token:ty, $register:ty, $lanes:literal, $wide:literal,
         $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $sub:ident, $mul:ident, $max:ident,
         $to_bits:ident, $from_bits:ident, $shift:ident, $add_bits:ident) => {
            impl Simd for $token {
                type F = $register;
                const LANES: usize = $lanes;
                const WIDE: bool = $wide;

                #[inline(always)]
                fn splat(self, x: f32) -> $register {
                    // SAFETY: `self` proves that the processor has the instruction.
                    unsafe { $splat(x) }
                }

                #[inline(always)]
                fn load(self, from: &[f32]) -> $register {
                    // SAFETY: as above, and the slice has `LANES` numbers.
                    unsafe { $load(from[..$lanes].as_ptr()) }
                }

                #[inline(always)]
                fn store(self, to: &mut [f32], x: $register) {
                    // SAFETY: as above, and the slice has `LANES` numbers.
                    unsafe { $store(to[..$lanes].as_mut_ptr(), x) }
                }

                #[inline(always)]
                fn mul_add(self, a: $register, b: $register, c: $register) -> $register {
                    // SAFETY: `self` proves that the processor has the instruction.
                    unsafe { $fma(a, b, c) }
                }

                #[inline(always)]
                fn add(self, a: $register, b: $register) -> $register {
                    // SAFETY: as above.
                    unsafe { $add(a, b) }
                }

                #[inline(always)]
                fn sub(self, a: $register, b: $register) -> $register {
                    // SAFETY: as above.
                    unsafe { $sub(a, b) }
                }

                #[inline(always)]
                fn mul(self, a: $register, b: $register) -> $register {
                    // SAFETY: as above.
                    unsafe { $mul(a, b) }
                }

                #[inline(always)]
                fn max(self, a: $register, b: $register) -> $register {
                    // SAFETY: as above.
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                fn power(self, shifted: $register) -> $register {
                    let one = self.splat(1.0);
                    // SAFETY: as above.
                    unsafe { $from_bits($add_bits($shift::<23>($to_bits(shifted)), $to_bits(one))) }
                }
            }
        };
    }

    implement!(
        Avx512,
        __m512,
        16,
        true,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_max_ps,
        _mm512_castps_si512,
        _mm512_castsi512_ps,
        _mm512_slli_epi32,
        _mm512_add_epi32
    );
    implement!(
        Avx2,
        __m256,
        8,
        false,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_max_ps,
        _mm256_castps_si256,
        _mm256_castsi256_ps,
        _mm256_slli_epi32,
        _mm256_add_epi32
    );
}
