use burn::module::Module;
use burn::tensor::Tensor;
use voco_engine_api::{LossVersion, PretrainRecipe};
use voco_nn::voco::{EmbeddingNorm, OmniModel, losses};
use voco_nn::{Network, VocoModel};

/// What looks at crops and says where they are.
pub(crate) enum Eye<'a> {
    /// Student and teacher projections: what the pre-training trains.
    Voco(&'a VocoModel),
    /// The same of a whole network that is trained with labels besides, and the losses of its contrast.
    Omni(&'a OmniModel, losses::Recipe),
    /// A network without projectors: cosines of its embeddings, each feature standardised over the crops at hand, since raw
    /// embeddings have a large part in common. Tells likeness, not overlap.
    Embeddings(&'a Network),
}

impl Eye<'_> {
    /// Embeddings `[N, E]` of crops `[N, 1, D, H, W]`, without graph.
    pub fn embed(&self, crops: Tensor<5>) -> Tensor<2> {
        match self {
            Self::Voco(model) => model.backbone().valid().embed(crops),
            Self::Omni(model, _) => model.network().valid().embed(crops),
            Self::Embeddings(network) => network.forward(crops).embedding,
        }
    }

    /// Predicted overlaps `[B, S, K]` of embeddings `[B·S + B·K, E]` (random crops first, volume after volume), and the mean
    /// cosine of different base crops of a volume.
    pub fn compare(&self, embeddings: Tensor<2>, volumes: usize, queries: usize) -> (Tensor<3>, f64) {
        match self {
            Self::Voco(model) => {
                let pair = model.project(embeddings, volumes, queries);
                (losses::predictions(model.recipe(), &pair), base_cosine(pair.student_bases))
            }
            Self::Omni(model, recipe) => match model.head() {
                Some(head) => {
                    let pair = head.project(embeddings, volumes, queries);
                    (losses::predictions(*recipe, &pair), base_cosine(pair.student_bases))
                }
                None => likeness(embeddings, volumes, queries),
            },
            Self::Embeddings(_) => likeness(embeddings, volumes, queries),
        }
    }
}

/// What embeddings alone tell.
fn likeness(embeddings: Tensor<2>, volumes: usize, queries: usize) -> (Tensor<3>, f64) {
    let rows = EmbeddingNorm::PerVolume.apply(embeddings, volumes, queries);
    let [n, width] = rows.dims();
    let random = volumes * queries;
    let query_rows = rows.clone().narrow(0, 0, random).reshape([volumes, queries, width]);
    let base_rows = rows.narrow(0, random, n - random).reshape([volumes, (n - random) / volumes, width]);
    (losses::similarity(query_rows, base_rows.clone()), base_cosine(base_rows))
}

/// The losses of a recipe.
pub(crate) fn loss_recipe(recipe: &PretrainRecipe) -> losses::Recipe {
    match recipe.loss.version {
        LossVersion::Tpami => losses::Recipe::Tpami,
        LossVersion::Cvpr => losses::Recipe::Cvpr,
    }
}

/// Mean cosine of different base crops `[B, K, P]` of a volume: near 1 if the network sees the same everywhere.
fn base_cosine(bases: Tensor<3>) -> f64 {
    let [volumes, count, _] = bases.dims();
    let norm = bases.clone().square().sum_dim(2).sqrt().clamp_min(1e-8);
    let unit = bases / norm;
    let all = number(unit.clone().matmul(unit.swap_dims(1, 2)).sum());
    // Each base with itself adds 1.
    (all - (volumes * count) as f64) / (volumes * count * (count - 1)) as f64
}

/// The only number of a tensor.
pub(crate) fn number(tensor: Tensor<1>) -> f64 {
    tensor.into_data().iter::<f32>().next().map_or(f64::NAN, f64::from)
}
