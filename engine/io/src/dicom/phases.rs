//! Slices that lie at one place: points in time, phases, echoes, or duplicates.

use std::collections::BTreeSet;

use crate::dicom::series::Slice;

/// Volumes that a warning names one by one.
const MOST_NAMED: usize = 5;
/// Where the number of an image stands in the order of a frame that is no part of an enhanced image.
const INSTANCE_NUMBER: usize = 6;
/// How long that order is.
const CLASSIC_LEN: usize = 8;

/// A slice, and which of the places in space is its.
type Placed = (usize, Slice);

/// The volumes of a series, by what orders the slices at each place. Those that lack slices are left out, and told.
pub(super) fn split(mut places: Vec<Vec<Slice>>, warnings: &mut Vec<String>) -> Vec<Vec<Slice>> {
    let most = places.iter().map(Vec::len).max().unwrap_or(1);
    if most > 1 && places.iter().any(|p| p.len() != most) {
        let num_same = drop_same(&mut places);
        told_left_out(num_same, "duplicates", warnings);
    }
    if let Some(volumes) = by_rank(&places) {
        return volumes;
    }
    let count = places.len();
    let slices: Vec<Placed> =
        places.iter().enumerate().flat_map(|(n, p)| p.iter().map(move |s| (n, s.clone()))).collect();
    if let Some(volumes) = by_values(&slices, count).or_else(|| by_numbers(&slices, count)) {
        return whole(volumes, count, warnings);
    }
    let left_out = places.iter().map(|p| p.len() - 1).sum();
    told_left_out(left_out, "duplicates, or a series that is not whole", warnings);
    vec![places.into_iter().filter_map(|p| p.into_iter().next()).collect()]
}

/// The first slices of all places are a volume, the second ones another, if each place has as many.
fn by_rank(places: &[Vec<Slice>]) -> Option<Vec<Vec<Slice>>> {
    let count = places.first().map_or(1, Vec::len);
    let volume = |n: usize| places.iter().map(|p| p[n].clone()).collect();
    places.iter().all(|p| p.len() == count).then(|| (0..count).map(volume).collect())
}

/// Leaves one of the slices that nothing tells apart; how many go.
fn drop_same(places: &mut [Vec<Slice>]) -> usize {
    let before: usize = places.iter().map(Vec::len).sum();
    // They are sorted by it.
    for place in places.iter_mut() {
        place.dedup_by(|b, a| a.frame.order == b.frame.order);
    }
    before - places.iter().map(Vec::len).sum::<usize>()
}

fn told_left_out(count: usize, why: &str, warnings: &mut Vec<String>) {
    let (slices, are) = match count {
        0 => return,
        1 => ("1 slice lies".to_owned(), "is"),
        n => (format!("{n} slices lie"), "are"),
    };
    warnings.push(format!("{slices} where another slice of the series lies already and {are} left out ({why})."));
}

/// By the values that part the slices into volumes and not into places: the position in time, an echo time or the like.
fn by_values(slices: &[Placed], count: usize) -> Option<Vec<Vec<Placed>>> {
    let num_values = slices.iter().map(|(_, s)| s.frame.order.len()).max()?;
    let mut volumes = vec![slices.to_vec()];
    for value in 0..num_values {
        let of = |(_, s): &Placed| s.frame.order.get(value).copied().unwrap_or(0.0);
        let finer: Vec<Vec<Placed>> = volumes.iter().flat_map(|v| parted(v, of)).collect();
        if is_nearly_whole(&finer, count) {
            volumes = finer;
        }
    }
    are_volumes(&volumes, count).then_some(volumes)
}

/// By the numbers of the images alone, where each volume is numbered after the other, or each place, upwards or downwards.
fn by_numbers(slices: &[Placed], count: usize) -> Option<Vec<Vec<Placed>>> {
    let is_classic = |(_, s): &Placed| s.frame.order.len() == CLASSIC_LEN;
    if !slices.iter().all(is_classic) {
        return None;
    }
    let number = |(_, s): &Placed| s.frame.order[INSTANCE_NUMBER];
    let mut at_place = vec![0_usize; count];
    for (place, _) in slices {
        at_place[*place] += 1;
    }
    let num_volumes = at_place.into_iter().max()?;
    let least = slices.iter().map(number).fold(f64::INFINITY, f64::min);
    for is_downwards in [false, true] {
        let place = |(place, _): &Placed| if is_downwards { count - 1 - place } else { *place } as f64;
        // From the first of a volume: its place, and whole volumes before.
        let (first, length) = (slices.iter().find(|s| place(s) == 0.0).map(number)?, count as f64);
        let mut found = None;
        if slices.iter().all(|s| (number(s) - first).rem_euclid(length) == place(s)) {
            found = Some(parted(slices, |s| (number(s) - first).div_euclid(length)));
        }
        // The first image of a place may be the one that is missing.
        for start in (0..num_volumes).map(|n| least - n as f64) {
            let length = num_volumes as f64;
            if found.is_none() && slices.iter().all(|s| (number(s) - start).div_euclid(length) == place(s)) {
                found = Some(parted(slices, |s| (number(s) - start).rem_euclid(length)));
            }
        }
        if let Some(volumes) = found.filter(|v| are_volumes(v, count)) {
            return Some(volumes);
        }
    }
    None
}

/// Parts of one value each, by rising value.
fn parted(slices: &[Placed], of: impl Fn(&Placed) -> f64) -> Vec<Vec<Placed>> {
    let mut sorted = slices.to_vec();
    sorted.sort_by(|a, b| of(a).total_cmp(&of(b)));
    sorted.chunk_by(|a, b| of(a).total_cmp(&of(b)).is_eq()).map(<[Placed]>::to_vec).collect()
}

fn num_places(volume: &[Placed]) -> usize {
    volume.iter().map(|(place, _)| place).collect::<BTreeSet<_>>().len()
}

/// True if the largest part lies at nearly all places: parts that share the places out among them are none of time.
fn is_nearly_whole(volumes: &[Vec<Placed>], count: usize) -> bool {
    let most_missing = if count < 4 { 0 } else { (count / 10).max(1) };
    volumes.iter().map(|v| num_places(v)).max().is_some_and(|n| n + most_missing >= count)
}

/// True if these are several volumes with one slice at a place.
fn are_volumes(volumes: &[Vec<Placed>], count: usize) -> bool {
    volumes.len() > 1 && is_nearly_whole(volumes, count) && volumes.iter().all(|v| num_places(v) == v.len())
}

/// Those that lie at the same places as the fullest one.
fn whole(volumes: Vec<Vec<Placed>>, count: usize, warnings: &mut Vec<String>) -> Vec<Vec<Slice>> {
    let places = |volume: &[Placed]| volume.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    let mut fullest: Vec<usize> = Vec::new();
    for volume in &volumes {
        if volume.len() > fullest.len() {
            fullest = places(volume);
        }
    }
    let total = volumes.len();
    let (mut kept, mut lacking) = (Vec::new(), Vec::new());
    for (n, volume) in volumes.into_iter().enumerate() {
        if places(&volume) == fullest {
            kept.push(volume.into_iter().map(|(_, slice)| slice).collect());
        } else {
            lacking.push((n + 1, count - volume.len()));
        }
    }
    if fullest.len() < count {
        warnings.push(format!(
            "No volume of the series has all of its {count} slices; what is shown lacks {}.",
            count - fullest.len()
        ));
    }
    match lacking[..] {
        [] => {}
        [(number, missing)] => warnings.push(format!(
            "Volume {number} of {total} (in the order of time or the like) lacks {missing} of its {count} slices and is left out."
        )),
        _ => {
            let named: Vec<String> = lacking.iter().take(MOST_NAMED).map(|(n, m)| format!("{m} of volume {n}")).collect();
            let more = if lacking.len() > MOST_NAMED { " and others" } else { "" };
            warnings.push(format!(
                "{} of {total} volumes (in the order of time or the like) lack some of their {count} slices and are left out: \
                 {}{more}.",
                lacking.len(),
                named.join(", "),
            ));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use glam::DVec3;

    use super::*;
    use crate::dicom::image::{Frame, Place};

    /// A slice by its place and what orders it: position in time, acquisition, echo time, number.
    fn slice(place: usize, [time, acquisition, echo, number]: [f64; 4]) -> Slice {
        let order = vec![time, acquisition, 0.0, 0.0, echo, 0.0, number, 0.0];
        let place = Place {
            row_direction: DVec3::X,
            column_direction: DVec3::Y,
            position: Some(DVec3::Z * place as f64),
            spacing_mm: [1.0; 2],
            slice_spacing_mm: None,
            is_oriented: true,
            has_spacing: true,
        };
        let frame = Frame { index: 0, place, slope: 1.0, inter: 0.0, order, segment: 0, window: None };
        Slice { file: 0, frame, instance: 0 }
    }

    /// Slices of `count` places and `phases`, each by its order, without those that are lost.
    fn series(
        count: usize,
        phases: usize,
        lost: &[(usize, usize)],
        order: impl Fn(usize, usize) -> [f64; 4],
    ) -> Vec<Vec<Slice>> {
        let at = |place| {
            let kept = (0..phases).filter(|&phase| !lost.contains(&(place, phase)));
            kept.map(|phase| slice(place, order(place, phase))).collect()
        };
        (0..count).map(at).collect()
    }

    /// What a value of the order is in each volume; one value for all of its slices.
    fn values(volumes: &[Vec<Slice>], which: usize) -> Vec<f64> {
        let value = |v: &Vec<Slice>| {
            assert!(v.iter().all(|s| s.frame.order[which] == v[0].frame.order[which]), "phases are mixed");
            v[0].frame.order[which]
        };
        volumes.iter().map(value).collect()
    }

    #[test]
    fn a_lost_slice_costs_its_own_volume_only() {
        let order = |place: usize, phase: usize| [0.0, 0.0, 10.0 * phase as f64, (place + 20 * phase) as f64];
        let mut told = Vec::new();
        let volumes = split(series(20, 5, &[(7, 2)], order), &mut told);
        assert_eq!(values(&volumes, 4), [0.0, 10.0, 30.0, 40.0]);
        assert!(volumes.iter().all(|v| v.len() == 20));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("Volume 3 of 5") && told[0].contains("lacks 1 of its 20 slices"), "{told:?}");
        let mut told = Vec::new();
        let volumes = split(series(20, 5, &[(7, 2), (8, 2), (3, 4)], order), &mut told);
        assert_eq!(values(&volumes, 4), [0.0, 10.0, 30.0]);
        assert!(told[0].contains("2 of 5 volumes") && told[0].contains("2 of volume 3, 1 of volume 5"), "{told:?}");
    }

    #[test]
    fn a_last_volume_that_was_broken_off_is_left_out() {
        let lost: Vec<(usize, usize)> = (5..30).map(|place| (place, 2)).collect();
        let mut told = Vec::new();
        let volumes = split(series(30, 3, &lost, |_, phase| [phase as f64, 1.0, 0.0, 0.0]), &mut told);
        assert_eq!(values(&volumes, 0), [0.0, 1.0]);
        assert!(told[0].contains("Volume 3 of 3") && told[0].contains("lacks 25 of its 30 slices"), "{told:?}");
    }

    #[test]
    fn times_and_echoes_together_part_volumes() {
        let order = |_, phase: usize| [(phase / 2) as f64, 0.0, (phase % 2) as f64, phase as f64];
        let mut told = Vec::new();
        let volumes = split(series(10, 6, &[(9, 3)], order), &mut told);
        assert_eq!(values(&volumes, 0), [0.0, 0.0, 1.0, 2.0, 2.0]);
        assert_eq!(values(&volumes, 4), [0.0, 1.0, 0.0, 0.0, 1.0]);
        assert!(told[0].contains("Volume 4 of 6"), "{told:?}");
    }

    #[test]
    fn numbers_alone_part_volumes_one_after_the_other_or_place_by_place() {
        let phase_by_phase = |place: usize, phase: usize| [0.0, 0.0, 0.0, (1 + place + 12 * phase) as f64];
        let place_by_place = |place: usize, phase: usize| [0.0, 0.0, 0.0, (1 + 3 * place + phase) as f64];
        for lost in [(0, 0), (5, 1), (11, 2)] {
            for way in [&phase_by_phase as &dyn Fn(usize, usize) -> [f64; 4], &place_by_place] {
                let mut told = Vec::new();
                let volumes = split(series(12, 3, &[lost], way), &mut told);
                assert_eq!(volumes.len(), 2, "{lost:?}: {told:?}");
                let phases: Vec<usize> = (0..3).filter(|&phase| phase != lost.1).collect();
                let number = |v: &Vec<Slice>, place: usize| v[place].frame.order[INSTANCE_NUMBER];
                for place in 0..12 {
                    let mut found: Vec<f64> = volumes.iter().map(|v| number(v, place)).collect();
                    found.sort_by(f64::total_cmp);
                    let expected: Vec<f64> = phases.iter().map(|&phase| way(place, phase)[3]).collect();
                    assert_eq!(found, expected, "{lost:?} at {place}");
                }
            }
        }
    }

    #[test]
    fn duplicates_are_told_as_such() {
        let order = |place: usize, phase: usize| [phase as f64, 0.0, 0.0, place as f64];
        let mut places = series(6, 2, &[], order);
        let twin = places[3][1].clone();
        places[3].push(twin);
        let mut told = Vec::new();
        let volumes = split(places, &mut told);
        assert_eq!(values(&volumes, 0), [0.0, 1.0]);
        assert_eq!(told, ["1 slice lies where another slice of the series lies already and is left out (duplicates)."]);
    }

    #[test]
    fn parts_of_one_stack_are_no_volumes() {
        // Two acquisitions, one below the other, and one slice that was taken again.
        let mut places = series(10, 1, &[], |place, _| [0.0, (place / 6) as f64, 0.0, place as f64]);
        places[2].push(slice(2, [0.0, 0.5, 0.0, 40.0]));
        let mut told = Vec::new();
        let volumes = split(places, &mut told);
        assert_eq!((volumes.len(), volumes[0].len()), (1, 10));
        assert_eq!(volumes[0][2].frame.order[INSTANCE_NUMBER], 2.0);
        assert_eq!(told.len(), 1, "{told:?}");
        // Without anything that tells volumes apart they stand in the order of the files, if all are there.
        let volumes = split(series(4, 2, &[], |_, _| [0.0; 4]), &mut Vec::new());
        assert_eq!((volumes.len(), volumes[0].len()), (2, 4));
    }

    #[test]
    fn where_no_volume_is_whole_the_fullest_is_shown() {
        let mut told = Vec::new();
        let places = series(10, 2, &[(3, 0), (6, 1), (7, 1)], |place, phase| [phase as f64, 0.0, 0.0, place as f64]);
        let volumes = split(places, &mut told);
        assert_eq!(values(&volumes, 0), [0.0]);
        assert_eq!(volumes[0].len(), 9);
        assert!(told[0].contains("has all of its 10 slices; what is shown lacks 1"), "{told:?}");
        assert!(told[1].contains("Volume 2 of 2") && told[1].contains("lacks 2 of its 10"), "{told:?}");
    }
}
