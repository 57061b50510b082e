use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use voco_label::{BRICK_VOXELS, Brick, LabelValues, LabelVolume, MaskBrick, VoxelBox};

#[test]
fn bricks_hold_what_is_written() {
    let mut rng = StdRng::seed_from_u64(1);
    for round in 0..60 {
        let most = [1, 2, 3, 17, 40, 300, 65_535][round % 7];
        let mut values: Vec<u16> = (0..BRICK_VOXELS).map(|_| rng.random_range(0..=most)).collect();
        let mut brick = Brick::from_values(&values);
        for _ in 0..4 {
            let value = rng.random_range(0..=most);
            let mut bits = Box::new([0_u32; 1024]);
            for row in 0..1024 {
                bits[row] = if rng.random_bool(0.5) { rng.random() } else { 0 };
                for x in (0..32).filter(|x| bits[row] >> x & 1 == 1) {
                    values[row * 32 + x] = value;
                }
            }
            brick = brick.written(&MaskBrick::from_bits(bits), value);
        }
        assert_eq!(brick, Brick::from_values(&values), "one form for one content, round {round}");
        let mut out = vec![0; BRICK_VOXELS];
        brick.read(&mut out);
        assert_eq!(out, values, "round {round}");
        let chosen = values[rng.random_range(0..values.len())];
        let count = values.iter().filter(|v| **v == chosen).count() as u64;
        assert_eq!(brick.select(&[chosen]).count(), count, "selected");
        let mut bytes = Vec::new();
        brick.to_bytes(&mut bytes);
        let mut rest = bytes.as_slice();
        assert_eq!(Brick::from_bytes(&mut rest), Some(brick.clone()), "there and back");
        assert!(rest.is_empty(), "all taken");
        for _ in 0..20 {
            let mut bad = bytes.clone();
            let at = rng.random_range(0..bad.len());
            bad[at] = rng.random();
            bad.truncate(rng.random_range(0..=bad.len()));
            // Whatever it is, it must not panic, and what is accepted must be whole.
            if let Some(read) = Brick::from_bytes(&mut bad.as_slice()) {
                let mut sum = 0;
                read.for_each_count(|_, count| sum += count);
                assert_eq!(sum, BRICK_VOXELS as u64, "whole");
            }
        }
        let other = Brick::from_values(&(0..BRICK_VOXELS).map(|_| rng.random_range(0..3)).collect::<Vec<u16>>());
        let between = brick.xor(&other);
        assert_eq!((brick.xor(&between), other.xor(&between)), (other, brick), "both ways");
    }
}

#[test]
fn volumes_come_back_as_they_were() {
    let mut rng = StdRng::seed_from_u64(2);
    for dims in [[1, 1, 1], [33, 5, 64], [70, 40, 3], [32, 32, 32], [31, 65, 33]] {
        for most in [0_u16, 1, 9, 1000] {
            let values: Vec<u16> = (0..dims.iter().product())
                .map(|n: usize| if n % 7 < 3 { rng.random_range(0..=most) } else { 0 })
                .collect();
            let volume = LabelVolume::from_values(&values, dims).expect("a volume");
            match volume.to_values().expect("values") {
                LabelValues::U8(all) => assert!(all.iter().zip(&values).all(|(a, b)| u16::from(*a) == *b), "{dims:?}"),
                LabelValues::U16(all) => assert_eq!(all, values, "{dims:?}"),
                LabelValues::U32(_) => panic!("never"),
            }
            let part = VoxelBox { min: dims.map(|n| n / 3), max: dims.map(|n| n.div_ceil(2).max(n / 3 + 1)) };
            let size = part.size();
            for (n, value) in volume.read_box(&part).expect("a box").into_iter().enumerate() {
                let at = crate::place(n, size);
                assert_eq!(Some(value), volume.get(std::array::from_fn(|a| part.min[a] + at[a])), "{dims:?} {at:?}");
            }
            let zeros = values.iter().filter(|v| **v == 0).count() as u64;
            assert_eq!(volume.select(&[0]).count(), zeros, "background within the grid only");
            let counted: u64 = volume.counts().iter().map(|c| c.1).sum();
            assert_eq!(counted, values.len() as u64 - zeros, "counts");
        }
    }
}
