//! How well a network knows where crops lie: on the held-out people of a run, and on a volume that is asked about.

mod check;
mod eye;
mod predict;

pub(crate) use check::PositionCheck;
pub(crate) use eye::{Eye, loss_recipe, number};
pub use predict::{
    AnswerBatch, AnswerCrop, AnswerFrame, AnswerSummary, AskedCrops, PositionAnswer, PositionQuestion, predict_position,
};
