use std::collections::HashMap;

use rand::seq::SliceRandom;

use super::{Case, Part};
use crate::rng;

/// Which cases are held out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Holdout {
    /// Those that the list calls validation.
    Listed,
    /// This share of the persons, at least one if it is above 0; the list's own division is put together first.
    Share(f64),
    /// Part `k` (from 0) of `n` parts of the persons; over all k each person is held out once.
    Fold {
        /// Which part.
        k: usize,
        /// Of how many.
        n: usize,
    },
}

/// Indices into the cases of a list, in its order. Cases for testing are in neither.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// To train on.
    pub training: Vec<usize>,
    /// Held out.
    pub validation: Vec<usize>,
}

pub(super) fn split(cases: &[Case], holdout: Holdout, seed: u64) -> Split {
    let mut persons: Vec<&str> = Vec::new();
    let mut number: HashMap<&str, usize> = HashMap::new();
    for case in cases.iter().filter(|c| c.part != Part::Test) {
        number.entry(&case.person).or_insert_with(|| {
            persons.push(&case.person);
            persons.len() - 1
        });
    }
    // In the order of names, so that a list in another order is divided alike.
    let mut order: Vec<usize> = (0..persons.len()).collect();
    order.sort_by_key(|&n| persons[n]);
    order.shuffle(&mut rng(seed, 0, u64::MAX - 1));
    let count = persons.len();
    let mut is_held_out = vec![false; count];
    match holdout {
        // A person of whom one case is held out by the list is held out altogether.
        Holdout::Listed => {
            for case in cases.iter().filter(|c| c.part == Part::Validation) {
                is_held_out[number[case.person.as_str()]] = true;
            }
        }
        Holdout::Share(share) => {
            let wanted = (share.clamp(0.0, 1.0) * count as f64).round() as usize;
            let wanted = if share > 0.0 { wanted.max(1) } else { 0 };
            order.iter().take(wanted.min(count)).for_each(|&n| is_held_out[n] = true);
        }
        Holdout::Fold { k, n } => {
            order.iter().skip(k).step_by(n.max(1)).for_each(|&person| is_held_out[person] = true);
        }
    }
    let mut split = Split::default();
    for (n, case) in cases.iter().enumerate().filter(|(_, c)| c.part != Part::Test) {
        if is_held_out[number[case.person.as_str()]] {
            // Of a list's own division, training cases of held-out persons are left out of both sides.
            if holdout != Holdout::Listed || case.part == Part::Validation {
                split.validation.push(n);
            }
        } else {
            split.training.push(n);
        }
    }
    split
}
