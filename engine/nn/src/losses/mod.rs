//! Losses of the downstream tasks: segmentation and registration. Those of the
//! pre-training are in [`crate::voco::losses`].

mod registration;
mod segmentation;

pub use registration::{gradient_l2, local_ncc};
pub use segmentation::{
    DiceCeSettings, DiceSettings, cross_entropy, dice, dice_and_cross_entropy, dice_ce, dice_values, one_hot,
};
