use rand::Rng;

/// Most voxels that are remembered of each class.
const MOST: u64 = 4096;

/// Voxels of one kind to draw from: how many there are, and a bounded number of them, spread evenly over all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VoxelDraw {
    groups: Vec<Group>,
    count: u64,
}

/// The voxels of one class.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub class: u16,
    pub count: u64,
    /// Flat indices, x fastest, ascending.
    pub voxels: Vec<u32>,
}

impl VoxelDraw {
    pub(crate) fn new(groups: Vec<Group>) -> Self {
        let count = groups.iter().map(|g| g.count).sum();
        Self { groups, count }
    }

    /// Voxels there are in all.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The classes there are, each with its number of voxels.
    pub fn classes(&self) -> impl Iterator<Item = (u16, u64)> {
        self.groups.iter().map(|g| (g.class, g.count))
    }

    /// Flat index (x fastest) of a voxel, each as likely as any other but for the bound on what is remembered.
    pub fn draw(&self, random: &mut impl Rng) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let mut nth = random.random_range(0..self.count);
        let group = self.groups.iter().find(|g| {
            let is_here = nth < g.count;
            nth = if is_here { nth } else { nth - g.count };
            is_here
        })?;
        Some(group.voxels[random.random_range(0..group.voxels.len())])
    }

    /// Flat index of a voxel of one class.
    pub fn draw_class(&self, class: u16, random: &mut impl Rng) -> Option<u32> {
        let group = self.groups.iter().find(|g| g.class == class)?;
        Some(group.voxels[random.random_range(0..group.voxels.len())])
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

/// Voxels by class (background: class 0 where any channel is above 0), from values with x fastest.
pub(super) fn find(images: &[&[f32]], label: &[u16]) -> (VoxelDraw, VoxelDraw) {
    // None: neither a class nor background inside the body.
    let kind = |n: usize, class: u16| (class > 0 || images.iter().any(|c| c[n] > 0.0)).then_some(usize::from(class));
    let mut counts = vec![0_u64; label.iter().copied().max().map_or(0, usize::from) + 1];
    for (n, &class) in label.iter().enumerate() {
        if let Some(k) = kind(n, class) {
            counts[k] += 1;
        }
    }
    let mut seen = vec![0_u64; counts.len()];
    let mut kept: Vec<Vec<u32>> = counts.iter().map(|&c| Vec::with_capacity(c.min(MOST) as usize)).collect();
    for (n, &class) in label.iter().enumerate() {
        let Some(k) = kind(n, class) else { continue };
        // The first voxel of each of MOST equal parts; all of them where there are no more.
        let (count, nth) = (counts[k], seen[k]);
        let part = |m: u64| (u128::from(m) * u128::from(MOST) / u128::from(count)) as u64;
        if count <= MOST || nth == 0 || part(nth) != part(nth - 1) {
            kept[k].push(n as u32);
        }
        seen[k] += 1;
    }
    let mut groups: Vec<Group> = kept
        .into_iter()
        .zip(counts)
        .enumerate()
        .filter(|(_, (_, count))| *count > 0)
        .map(|(class, (voxels, count))| Group { class: class as u16, count, voxels })
        .collect();
    let foreground = groups.split_off(groups.partition_point(|g| g.class == 0));
    (VoxelDraw::new(foreground), VoxelDraw::new(groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voxels_are_counted_and_drawn_by_class() {
        let label: Vec<u16> = (0..100_000).map(|n| u16::from(n % 10 == 0) + 2 * u16::from(n == 77)).collect();
        let image: Vec<f32> = (0..100_000).map(|n| if n < 50_000 { 1.0 } else { 0.0 }).collect();
        let (foreground, background) = find(&[&image], &label);
        assert_eq!(foreground.classes().collect::<Vec<_>>(), [(1, 10_000), (2, 1)]);
        assert_eq!(background.count(), 50_000 - 5000 - 1, "background where the image is above 0");
        let mut random = crate::rng(1, 2, 3);
        for _ in 0..1000 {
            let n = background.draw(&mut random).expect("there is background") as usize;
            assert!(label[n] == 0 && image[n] > 0.0, "voxel {n} is background inside the body");
            assert!(label[foreground.draw(&mut random).expect("foreground") as usize] > 0);
        }
        assert_eq!(foreground.draw_class(2, &mut random), Some(77));
        let part = &foreground.groups()[0].voxels;
        assert_eq!(part.len() as u64, MOST, "bounded");
        assert!(part.windows(2).all(|w| w[1] - w[0] <= 40), "spread evenly");
    }
}
