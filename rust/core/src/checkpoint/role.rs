//! The role of a tensor, read from its name.
//!
//! A name is given as a *pattern*: every dot-separated segment that is wholly a decimal number is
//! written `*`, so that the tensors of all layers share one pattern. [`classify`] looks a single
//! pattern up in one ordered table (`rules::RULES`); [`assign`] takes all patterns of a
//! checkpoint and adds the few decisions that need sibling names (`rules::CONTEXTS`).
//!
//! # How a rule matches
//!
//! A rule is a role and some globs, and the first rule with a matching glob wins. A glob is a run
//! of dotted segments that must match neighbouring segments of the name, anywhere in it. Letters
//! compare without case. Within a segment of a glob:
//!
//! | glob | matches |
//! |---|---|
//! | `attn` | the segment `attn`, and never a part of a longer segment |
//! | `*_attn`, `ln_*`, `*norm*` | any characters, also none, in place of each `*` |
//! | `#` | a number segment (`*` in a pattern) |
//! | `^` before the first segment | only the start of the name |
//! | `$` after the last segment | only the end of the name |
//!
//! Tables that belong to quantized weights (`qweight`, `scales`, `weight_scale_inv`, `absmax`, ...)
//! need no rules: they sit inside the module of the weight they serve, and so get its role.
//!
//! # What a name alone cannot tell
//!
//! - Kimi Linear names the projections of full attention and of KDA alike, `self_attn.q_proj` and
//!   so on, and Ling's linear layers share `attention.query_key_value` with its softmax layers.
//!   These are attention; the parts that only the linear layers have are state.
//! - U-Net `resnets`, `conv_in` and the original `input_blocks.*.*.in_layers` are mlp, as a
//!   convolutional feed-forward. In the original names only a number tells the group norms among
//!   them from the convolutions.
//! - Flux fuses attention and feed-forward in `single_blocks.*.linear1` and `linear2`: mlp, as the
//!   larger part.
//! - A mixture of attention experts (`JetMoE`) is expert: its matrices are routed too.
//! - A norm inside a head is norm. Inside a vision, audio, projector, multi-token-prediction or
//!   adapter module the module's role wins.
//!
//! # What stays `other`
//!
//! - `betas`, `alphas_cumprod` and the like in original Stable Diffusion files: constants of the
//!   noise schedule, part of no module.
//! - `model_ema.*` in the same files: a second copy of the weights whose names lost their dots.
//! - Convolutional detectors and other image-only networks, as far as no line of the table or
//!   context knows them: this is a table for language, diffusion, embedding and speech models.
//! - Names of more than 64 segments: no model has them, and the bound keeps a hostile file cheap.
//!
//! This module reads neither shapes nor layer numbers. It does not know which layers of a
//! checkpoint are multi-token-prediction layers: [`mtp_marker`] says which patterns mark one, and
//! the caller carries the mark to the whole layer.

mod context;
mod glob;
mod rules;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::LazyLock;

use glob::{Index, Segments, wildcard};
use rules::{BUFFERS, MTP_MARKERS, RULES, STACKS};

macro_rules! roles {
    ($($variant:ident $name:literal $meaning:literal),+ $(,)?) => {
        /// What a tensor is for. The order is the order of display.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
        )]
        #[repr(u8)]
        pub enum Role { $(#[doc = $meaning] $variant,)+ }

        impl Role {
            /// Every role, in the order of display.
            pub const ALL: [Self; 16] = [$(Self::$variant),+];

            /// The name as written in reports and columns.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One sentence on what has this role.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

roles! {
    Embedding "embedding" "Token, type, patch and time embeddings, and the projections that belong to them.",
    Position "position" "Learned positions, relative position biases, rotary tables.",
    Attention "attention" "Everything of a softmax-attention mixer but its norms.",
    State "state" "Everything of a recurrent mixer (Mamba, linear attention, short convolution) but its norms.",
    Mlp "mlp" "Dense feed-forward.",
    Router "router" "What decides which experts a token visits.",
    Expert "expert" "Routed experts.",
    SharedExpert "shared_expert" "Experts that every token visits.",
    Norm "norm" "Norms, modulation, and scales or mixing of the residual stream.",
    Head "head" "What turns hidden states into logits, scores or the denoised output.",
    Vision "vision" "A whole vision tower or image autoencoder.",
    Audio "audio" "A whole audio tower or codec.",
    Projector "projector" "What carries one modality into the width of another.",
    Mtp "mtp" "Multi-token prediction and other draft heads.",
    Adapter "adapter" "A parameter-efficient fine-tuning method's tensors.",
    Other "other" "No rule matched.",
}

impl Role {
    /// The place in [`Role::ALL`], for tallies kept in arrays.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Role by the ordered rule table alone. First match wins; no match is [`Role::Other`].
#[must_use]
pub fn classify(pattern: &str) -> Role {
    let lower = pattern.to_ascii_lowercase();
    Segments::new(&lower).map_or(Role::Other, |name| classify_segments(&name))
}

fn classify_segments(name: &Segments) -> Role {
    static INDEX: LazyLock<Index> = LazyLock::new(|| {
        let globs = |rule: &'static rules::Rule| rule.globs.split_ascii_whitespace();
        Index::new(
            RULES
                .iter()
                .enumerate()
                .flat_map(|(owner, rule)| globs(rule).map(move |glob| (owner, glob))),
        )
    });
    let best = Cell::new(RULES.len());
    INDEX.scan(name, |rule| rule < best.get(), |rule, _| best.set(rule));
    RULES.get(best.get()).map_or(Role::Other, |rule| rule.role)
}

/// Roles of all patterns of one checkpoint together: [`classify`], then the context rules, which
/// need to see sibling names.
///
/// `component` is the sub-folder of a diffusers or sentence-transformers pipeline (`vae`,
/// `text_encoder`, `transformer`, `unet`, `image_encoder`, ...), and empty for an ordinary
/// checkpoint. The answer has one role for each pattern, in the order given.
#[must_use]
pub fn assign(patterns: &[&str], component: &str) -> Vec<Role> {
    let mut roles = Vec::with_capacity(patterns.len());
    let mut evidence = context::Evidence::default();
    let mut lower = String::new();
    for pattern in patterns {
        lower.clear();
        lower.push_str(pattern);
        lower.make_ascii_lowercase();
        roles.push(Segments::new(&lower).map_or(Role::Other, |name| {
            evidence.collect(pattern, &name);
            classify_segments(&name)
        }));
    }
    evidence.refine(patterns, &mut roles);
    context::adopt_alphas(patterns, &mut roles);
    context::apply_component(component, &mut roles);
    roles
}

/// The stack prefix that ends in the layer number (`model.layers.*`), if this pattern marks its
/// layer as a multi-token-prediction layer.
///
/// The caller then gives [`Role::Mtp`] to every tensor of the same stack and layer number.
#[must_use]
pub fn mtp_marker(pattern: &str) -> Option<&str> {
    let (prefix, _) = layer_stack(pattern)?;
    let end = prefix + ".*".len();
    let inside = pattern.get(end..)?.strip_prefix('.')?;
    let inside = inside.strip_prefix("transformer.").unwrap_or(inside);
    let module = inside.split('.').next()?;
    MTP_MARKERS.contains(&module).then(|| &pattern[..end])
}

/// The stack a tensor's layer number belongs to: the byte length of the prefix before its `.*`,
/// and the ordinal of that `*` among the pattern's `*` segments.
///
/// The layer number is the first `*` whose preceding segment names a stack of layers. A `*` with
/// nothing but a weight or bias behind it is a step of a plain sequence of linears, as in
/// `aligner.layers.*.weight`, and no layer.
#[must_use]
pub fn layer_stack(pattern: &str) -> Option<(usize, usize)> {
    let (mut start, mut ordinal) = (0, 0);
    let mut previous = "";
    for segment in pattern.split('.') {
        if segment == "*" {
            let inside = pattern.get(start + 2..).unwrap_or_default();
            let plain = ["", "weight", "bias"].contains(&inside);
            if is_stack(previous) && !plain {
                return Some((start.saturating_sub(1), ordinal));
            }
            ordinal += 1;
        }
        previous = segment;
        start += segment.len() + 1;
    }
    None
}

fn is_stack(segment: &str) -> bool {
    STACKS.iter().any(|stack| wildcard(stack, segment))
}

/// Whether this is a buffer that is stored but never learned, so that it counts as bytes and not
/// as parameters.
///
/// `e_score_correction_bias` and `final_logits_bias` are buffers in code but learned or tuned in
/// fact, and are counted as parameters.
#[must_use]
pub fn is_buffer(pattern: &str) -> bool {
    static INDEX: LazyLock<Index> =
        LazyLock::new(|| Index::new(BUFFERS.split_ascii_whitespace().map(|glob| (0, glob))));
    let lower = pattern.to_ascii_lowercase();
    let found = Cell::new(false);
    if let Some(name) = Segments::new(&lower) {
        INDEX.scan(&name, |_| !found.get(), |_, _| found.set(true));
    }
    found.get()
}
