//! The numbers of one GPU of one stage that activations depend on.

use super::start::Start;
use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Stack};
use crate::architecture::template::{Routing, Template};
use crate::checkpoint::Role;
use crate::engine::Rank;
use crate::memory::store::local_heads;

/// Experts of one layer on one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Experts {
    /// How many each token visits.
    pub chosen: u64,
    /// The inner width of one, on this GPU.
    pub width: u64,
    /// The width of what goes into it.
    pub input: u64,
    /// How many projections of the inner width it begins with: a gated one has two.
    pub projections: u64,
    /// Whether their kernel takes no workspace of its own (MXFP4 on Hopper, in Triton).
    pub monolithic: bool,
}

/// Latent attention of one layer on one GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latent {
    /// Numbers of keys without the rotary part and of values, of all heads here.
    pub expanded: u64,
    /// Tokens whose keys and values are expanded at once.
    pub tokens: u64,
}

/// What activations depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// How the version starts.
    pub start: Start,
    /// Tokens of a step.
    pub tokens: u64,
    /// Replicas whose tokens the experts here work on.
    pub replicas: u64,
    /// Sequences of a step, and so rows of logits.
    pub sequences: u64,
    /// Tokens of the longest request.
    pub context: u64,
    /// Bytes of a number of the model's dtype.
    pub bytes: u64,
    /// Entries of the vocabulary; 0 for a model that writes no tokens.
    pub vocabulary: u64,
    /// The width of the residual stream.
    pub hidden: u64,
    /// The inner width of the widest dense network here, and how many times it is alive at once.
    pub inner: (u64, u64),
    /// Numbers per token that the widest mixer takes in and gives out.
    pub mixer: u64,
    /// The experts of the layer that takes most for them.
    pub experts: Option<Experts>,
    /// Latent attention, if there is any.
    pub latent: Option<Latent>,
    /// Whether requests come in here.
    pub first: bool,
    /// Whether logits come out here.
    pub last: bool,
    /// Whether graphs are neither compiled nor captured.
    pub eager: bool,
    /// NVIDIA's compute capability, if known.
    pub capability: Option<(u8, u8)>,
    /// Multiprocessors of the GPU.
    pub multiprocessors: u64,
}

impl Numbers {
    /// Those of one GPU.
    #[must_use]
    pub fn of(rank: &Rank<'_>, start: Start) -> Self {
        let architecture = rank.architecture();
        let (settings, deployment) = (rank.settings, rank.deployment);
        let ranks = deployment.options.parallel.tensor.max(1);
        let hidden = hidden(architecture);
        let tokens = settings.batched_tokens;
        let sequences = settings.sequences.min(tokens);
        let layers = layers(rank);
        let inner = layers
            .iter()
            .map(|layer| inner(architecture, layer, ranks, hidden))
            .max_by_key(|(width, times)| width.saturating_mul(*times))
            .unwrap_or((0, 0));
        Self {
            start,
            tokens,
            replicas: deployment.options.parallel.data.max(1),
            sequences,
            context: settings.context,
            bytes: settings.model_bytes,
            vocabulary: if generates(architecture) {
                architecture.vocab_size.unwrap_or(0)
            } else {
                0
            },
            hidden,
            inner,
            mixer: layers
                .iter()
                .map(|layer| mixer(layer, ranks))
                .max()
                .unwrap_or(0),
            experts: experts(rank, hidden),
            latent: latent(rank, ranks),
            first: rank.stage.is_first(),
            last: rank.stage.is_last(),
            eager: deployment.options.eager,
            capability: deployment.gpu.compute_capability,
            multiprocessors: super::device::multiprocessors(&deployment.gpu),
        }
    }

    /// A product, at the end of 64 bits where it would not fit: no GPU holds that.
    #[must_use]
    pub fn product(factors: &[u64]) -> u64 {
        factors
            .iter()
            .fold(1_u64, |product, factor| product.saturating_mul(*factor))
    }
}

/// The layers of a step: those that write tokens, or else those of an encoder of text.
fn layers<'a>(rank: &Rank<'a>) -> Vec<&'a Layer> {
    if !rank.layers.is_empty() {
        return rank.layers.clone();
    }
    let layers = rank.subject.architecture.layers.iter();
    layers
        .filter(|layer| layer.stack == Stack::Encoder)
        .collect()
}

/// Ends of the names of classes that vLLM runs for what they make of a text, and not for what they write on
/// (0.19, `config/model.py:_SUFFIX_TO_DEFAULTS`). `ChatModel` and `LMHeadModel` come before `Model` there.
const WRITE: &[&str] = &[
    "ForCausalLM",
    "ForConditionalGeneration",
    "ChatModel",
    "LMHeadModel",
];
const POOL: &[&str] = &[
    "ForTextEncoding",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForAudioClassification",
    "ForImageClassification",
    "ForVideoClassification",
    "ClassificationModel",
    "ForRewardModeling",
    "RewardModel",
    "EmbeddingModel",
    "Model",
];

/// Whether the model writes tokens, and so samples them.
pub fn generates(architecture: &Architecture) -> bool {
    let class = architecture.class.as_deref().unwrap_or_default();
    let ends = |list: &[&str]| list.iter().any(|end| class.ends_with(end));
    architecture.decoder().next().is_some() && (ends(WRITE) || !ends(POOL))
}

/// The width of the residual stream: what the config says, or the width of the table of embeddings.
fn hidden(architecture: &Architecture) -> u64 {
    let table = || {
        architecture
            .templates
            .iter()
            .find(|template| {
                template.role == Role::Embedding && template.routing == Routing::Lookup
            })
            .and_then(|template| template.shape.last().copied())
    };
    architecture.hidden_size.or_else(table).unwrap_or(0)
}

/// The inner width of a layer's dense network on one rank, and how many times it is alive at once: a gated one has the
/// gate and the other half beside their product.
fn inner(architecture: &Architecture, layer: &Layer, ranks: u64, hidden: u64) -> (u64, u64) {
    layer
        .feed_forward
        .iter()
        .map(|network| match *network {
            FeedForward::Dense { width } => (width, Role::Mlp),
            FeedForward::Experts { shared_width, .. } => (shared_width, Role::SharedExpert),
        })
        .filter(|(width, _)| *width > 0)
        .map(|(width, role)| {
            let times = if is_gated(architecture, layer, role, width, hidden) {
                3
            } else {
                2
            };
            (width.div_ceil(ranks), times)
        })
        .max()
        .unwrap_or((0, 0))
}

/// Whether the network has three matrices, and not two, told by its weights in this layer.
fn is_gated(
    architecture: &Architecture,
    layer: &Layer,
    role: Role,
    width: u64,
    hidden: u64,
) -> bool {
    let weights = in_layer(architecture, layer, role).fold(0_u64, |sum, template| {
        sum.saturating_add(template.elements().unwrap_or(0))
    });
    let matrix = u128::from(width) * u128::from(hidden);
    2 * u128::from(weights) > 5 * matrix
}

/// Numbers per token that a layer's mixers project into and give out, on one rank.
fn mixer(layer: &Layer, ranks: u64) -> u64 {
    layer
        .mixers
        .iter()
        .map(|mixer| match *mixer {
            Mixer::Attention {
                heads,
                kv_heads,
                key_dim,
                value_dim,
                ..
            } => {
                let (queries, pairs) = (heads.div_ceil(ranks), local_heads(kv_heads, ranks));
                let keys = queries.saturating_add(pairs).saturating_mul(key_dim);
                let values = queries.saturating_add(pairs).saturating_mul(value_dim);
                keys.saturating_add(values)
            }
            Mixer::Latent {
                heads,
                rope_dim,
                nope_dim,
                value_dim,
                ..
            } => heads
                .div_ceil(ranks)
                .saturating_mul(nope_dim.saturating_add(rope_dim).saturating_add(value_dim)),
            Mixer::Compressed { heads, key_dim, .. } => heads
                .div_ceil(ranks)
                .saturating_mul(key_dim)
                .saturating_mul(2),
            Mixer::State { convolution, .. } => {
                convolution.channels.div_ceil(ranks).saturating_mul(2)
            }
            Mixer::Cross {
                heads, head_dim, ..
            } => heads
                .div_ceil(ranks)
                .saturating_mul(head_dim)
                .saturating_mul(2),
            Mixer::Stateless => 0,
        })
        .fold(0, u64::saturating_add)
}

fn experts(rank: &Rank<'_>, hidden: u64) -> Option<Experts> {
    let parallel = rank.deployment.options.parallel;
    let dealt = parallel.expert.max(1);
    let cut = (parallel.expert_ranks().max(1) / dealt).max(1);
    let monolithic = super::device::is_hopper(&rank.deployment.gpu) && is_mxfp4(rank);
    let layers = rank
        .layers
        .iter()
        .filter(|layer| layer.stack == Stack::Decoder);
    layers
        .filter_map(|layer| {
            layer
                .feed_forward
                .iter()
                .find_map(|network| match *network {
                    FeedForward::Experts {
                        experts,
                        chosen,
                        width,
                        ..
                    } => {
                        let (input, projections) =
                            shape(rank.architecture(), layer, experts, width, hidden);
                        Some(Experts {
                            chosen,
                            width: width.div_ceil(cut),
                            input,
                            projections,
                            monolithic,
                        })
                    }
                    FeedForward::Dense { .. } => None,
                })
        })
        .max_by_key(|experts| {
            experts
                .chosen
                .saturating_mul(experts.width.max(experts.input))
        })
}

/// The width of what goes into an expert, and how many projections of its inner width it begins with, told by the
/// matrices of a layer's experts.
fn shape(
    architecture: &Architecture,
    layer: &Layer,
    experts: u64,
    width: u64,
    hidden: u64,
) -> (u64, u64) {
    let mut weights = 0_u128;
    let mut input = hidden;
    for template in in_layer(architecture, layer, Role::Expert) {
        let inner = template.numbers.iter().skip(1);
        let count = inner.fold(1_u128, |count, numbers| count * numbers.len() as u128);
        weights += count * u128::from(template.elements().unwrap_or(0));
        let mut sides = template.shape.iter().copied();
        let other = sides.rfind(|side| ![experts, width, width.saturating_mul(2)].contains(side));
        if let Some(other) = other.filter(|_| template.shape.len() > 1) {
            input = other;
        }
    }
    let matrix = u128::from(experts) * u128::from(width) * u128::from(input);
    (input, if 2 * weights > 5 * matrix { 2 } else { 1 })
}

/// The tensors of a role in a layer.
fn in_layer<'a>(
    architecture: &'a Architecture,
    layer: &'a Layer,
    role: Role,
) -> impl Iterator<Item = &'a Template> {
    architecture.templates.iter().filter(move |template| {
        template.role == role
            && template.part == Some(layer.stack)
            && template.in_layer
            && template
                .numbers
                .first()
                .is_some_and(|numbers| numbers.contains(layer.number))
    })
}

/// The dummy step expands keys and values of as many tokens as the workspace of chunked prefill holds (0.19,
/// `model_executor/layers/attention/mla_attention.py:determine_chunked_prefill_workspace_size`).
fn latent(rank: &Rank<'_>, ranks: u64) -> Option<Latent> {
    let settings = rank.settings;
    rank.layers
        .iter()
        .flat_map(|layer| &layer.mixers)
        .filter_map(|mixer| match *mixer {
            Mixer::Latent {
                heads,
                nope_dim,
                value_dim,
                ..
            } => Some(
                heads
                    .div_ceil(ranks)
                    .saturating_mul(nope_dim.saturating_add(value_dim)),
            ),
            _ => None,
        })
        .max()
        .map(|expanded| {
            let least = settings.sequences.saturating_mul(settings.block);
            let most = settings
                .context
                .saturating_mul(8)
                .max(least.saturating_mul(4))
                .min(65_536);
            Latent {
                expanded,
                tokens: most.max(least),
            }
        })
}

/// Whether the experts here are stored as MXFP4.
#[must_use]
pub fn is_mxfp4(rank: &Rank<'_>) -> bool {
    let scheme = rank.deployment.weights.as_ref();
    scheme
        .map_or(rank.subject.storage.as_str(), |scheme| scheme.name.as_str())
        .starts_with("mxfp4")
}

/// The inner width of the widest experts on one rank.
#[must_use]
pub fn expert_width(rank: &Rank<'_>) -> u64 {
    experts(rank, 0).map_or(0, |experts| experts.width)
}
