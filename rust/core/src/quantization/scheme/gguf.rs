//! GGUF mixes: the type of each tensor by llama.cpp's rule.
//!
//! Source: llama.cpp 0c1e57098 (as in llama-cpp-python 0.3.36), `src/llama-quant.cpp`: `tensor_allows_quantization`,
//! `llama_tensor_get_type_impl`, `tensor_type_fallback`; `conversion/base.py` for what is always in 32 bits; gguf 0.19,
//! `tensor_mapping.py` for which tensor is which. Not modelled: mixes that a publisher makes by hand, importance matrices
//! where a mix does without them, and towers beyond their 16 bits, which lie in a file of their own.

use super::matrix::{Matrix, linear};
use super::{Stored, Weight};
use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Mixer};
use crate::architecture::template::Template;
use crate::checkpoint::Role;
use crate::quantization::format::{
    F16, F32, Format, IQ1_M, IQ1_S, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_NL, IQ4_XS, MXFP4,
    Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, TQ1_0, TQ2_0,
};

macro_rules! ftypes {
    ($($variant:ident $base:ident,)+) => {
        /// A mix, by the name that llama.cpp has for it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Ftype { $(#[doc = concat!("Mostly ", stringify!($base), ".")] $variant,)+ }

        impl Ftype {
            /// The type of what no rule changes (`llama_ftype_get_default_type`).
            #[must_use]
            pub const fn base(self) -> Format {
                match self { $(Self::$variant => $base,)+ }
            }
        }
    };
}

ftypes! {
    F16 F16,
    Bf16 F16,
    Q4_0 Q4_0,
    Q4_1 Q4_1,
    Q5_0 Q5_0,
    Q5_1 Q5_1,
    Q8_0 Q8_0,
    Q2K Q2_K,
    Q2KS Q2_K,
    Q3KS Q3_K,
    Q3KM Q3_K,
    Q3KL Q3_K,
    Q4KS Q4_K,
    Q4KM Q4_K,
    Q5KS Q5_K,
    Q5KM Q5_K,
    Q6K Q6_K,
    Iq1S IQ1_S,
    Iq1M IQ1_M,
    Iq2Xxs IQ2_XXS,
    Iq2Xs IQ2_XS,
    Iq2S IQ2_XS,
    Iq2M IQ2_S,
    Iq3Xxs IQ3_XXS,
    Iq3Xs IQ3_S,
    Iq3S IQ3_S,
    Iq3M IQ3_S,
    Iq4Xs IQ4_XS,
    Iq4Nl IQ4_NL,
    Tq1_0 TQ1_0,
    Tq2_0 TQ2_0,
    Mxfp4Moe MXFP4,
}

/// What a tensor is to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    TokenEmbedding,
    Output,
    Query,
    Key,
    /// Values, and what values are fused in.
    Value,
    AttentionOutput,
    Gate,
    Up,
    Down,
    Other,
}

/// Last words of modules, as `tensor_mapping.py` has them.
const QUERIES: &[&str] = &["q_proj", "wq", "query", "q_lin"];
const KEYS: &[&str] = &["k_proj", "wk", "key", "k_lin", "k"];
const VALUES: &[&str] = &[
    "v_proj",
    "wv",
    "value",
    "v_lin",
    "v",
    "qkv_proj",
    "query_key_value",
    "c_attn",
    "Wqkv",
    "att_proj",
    "in_proj_qkv",
];
const ATTENTION_OUTPUTS: &[&str] = &[
    "o_proj", "out_proj", "dense", "wo", "Wo", "out_lin", "attn_out", "c_proj",
];
const DOWNS: &[&str] = &[
    "down_proj",
    "down",
    "w2",
    "fc2",
    "dense_4h_to_h",
    "c_proj",
    "dense",
    "lin2",
    "fc_out",
    "wo",
    "Wo",
    "ff_out",
    "output_linear",
    "proj_2",
];
const GATES: &[&str] = &["gate_proj", "w1", "fc12", "gate", "ff_proj"];

/// A mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    ftype: Ftype,
    /// Whether an importance matrix is at hand: these mixes are refused without one (`tensor_requires_imatrix`).
    measured: bool,
}

/// What the rule looks at in the model.
struct Facts {
    /// Experts of a layer, at least 1.
    experts: u64,
    /// Query heads for each head of keys and values.
    queries_per_key: u64,
    /// Layers.
    layers: u64,
    /// llama.cpp's class of 70 billion: 80 layers, and fewer heads of keys than of queries where it is a llama.
    is_70b: bool,
    is_falcon: bool,
    tied: bool,
}

/// Model types that llama.cpp loads as `LLM_ARCH_LLAMA` or `LLM_ARCH_QWEN2` and calls 70B at 80 layers
/// (`src/models/llama.cpp`, `src/models/qwen2.cpp`).
const HAVE_70B: &[&str] = &["llama", "mistral", "qwen2"];

impl Facts {
    fn of(architecture: &Architecture) -> Self {
        let layers = architecture.decoder().count() as u64;
        let heads = architecture
            .decoder()
            .flat_map(|layer| &layer.mixers)
            .find_map(|mixer| match *mixer {
                Mixer::Attention {
                    heads, kv_heads, ..
                } => Some((heads, kv_heads)),
                Mixer::Latent { heads, .. } => Some((heads, 1)),
                _ => None,
            });
        let experts = architecture
            .decoder()
            .flat_map(|layer| &layer.feed_forward)
            .find_map(|part| match *part {
                FeedForward::Experts { experts, .. } => Some(experts),
                FeedForward::Dense { .. } => None,
            });
        let queries_per_key = heads.map_or(0, |(heads, keys)| heads.checked_div(keys).unwrap_or(0));
        Self {
            experts: experts.unwrap_or(1).max(1),
            queries_per_key,
            layers,
            is_70b: layers == 80
                && HAVE_70B.contains(&architecture.model_type.as_str())
                && (architecture.model_type == "qwen2" || queries_per_key > 1),
            is_falcon: architecture.model_type == "falcon",
            tied: !architecture
                .templates
                .iter()
                .any(|template| template.role == Role::Head),
        }
    }
}

impl Mix {
    /// The mix as it comes without hints but those it cannot be made without.
    pub(super) const fn new(ftype: Ftype) -> Self {
        Self {
            ftype,
            measured: matches!(
                ftype,
                Ftype::Iq1S
                    | Ftype::Iq1M
                    | Ftype::Iq2Xxs
                    | Ftype::Iq2Xs
                    | Ftype::Iq2S
                    | Ftype::Iq2M
                    | Ftype::Iq3Xxs
                    | Ftype::Iq3Xs
                    | Ftype::Q2KS
            ),
        }
    }

    /// What becomes of a tensor.
    pub(super) fn store(self, weight: &Weight<'_>) -> Stored {
        let Weight {
            template,
            architecture,
            ..
        } = *weight;
        let elements = template.elements().unwrap_or(u64::MAX);
        let whole = |format: Format| Stored {
            bytes: format.size(elements).unwrap_or(u64::MAX),
            touched: false,
        };
        let Some(matrix) = matrix(template, architecture) else {
            return whole(kept(template));
        };
        if matches!(self.ftype, Ftype::F16 | Ftype::Bf16) {
            return whole(F16);
        }
        let facts = Facts::of(architecture);
        let split = latent_halves(weight, &matrix);
        let bytes = if let Some(halves) = split {
            // The up-projection of latent attention is stored as its two halves, the keys' transposed.
            let chosen = self.choose(Category::Other, weight, &facts);
            halves.iter().fold(0_u64, |sum, half| {
                sum.saturating_add(rows(fitting(chosen, half.columns), half))
            })
        } else {
            let category = categorize(template);
            let mut chosen = self.choose(category, weight, &facts);
            let is_output = category == Category::Output
                || (facts.tied && category == Category::TokenEmbedding);
            if is_output && !matrix.columns.is_multiple_of(self.ftype.base().weights) {
                chosen = Q8_0;
            }
            rows(fitting(chosen, matrix.columns), &matrix)
        };
        Stored {
            bytes,
            touched: true,
        }
    }

    fn choose(self, category: Category, weight: &Weight<'_>, facts: &Facts) -> Format {
        use Ftype as F;
        let base = self.ftype.base();
        let ftype = self.ftype;
        let shared = facts.queries_per_key >= 4;
        if category == Category::Output || (facts.tied && category == Category::TokenEmbedding) {
            return match ftype {
                F::Mxfp4Moe => Q8_0,
                _ if facts.is_falcon => Q8_0,
                F::Iq2Xxs | F::Iq2Xs | F::Iq3Xxs | F::Iq1S | F::Iq2S | F::Iq2M | F::Iq1M => Q5_K,
                F::Q8_0 => Q8_0,
                _ => Q6_K,
            };
        }
        if ftype == F::Mxfp4Moe {
            return if weight.template.role == Role::Expert {
                MXFP4
            } else {
                Q8_0
            };
        }
        if category == Category::TokenEmbedding {
            return match ftype {
                F::Iq2Xxs | F::Iq2Xs | F::Iq1S | F::Iq1M => Q2_K,
                F::Iq2S | F::Iq2M | F::Iq3Xxs => IQ3_S,
                F::Tq1_0 | F::Tq2_0 => Q4_K,
                _ => base,
            };
        }
        let (place, places) = place(category, weight, facts);
        let early = place < places / 8;
        let more = early || place >= 7 * places / 8 || (place - places / 8) % 3 == 2;
        if matches!(
            ftype,
            F::Iq2Xxs | F::Iq2Xs | F::Iq1S | F::Iq2S | F::Iq2M | F::Iq1M
        ) {
            let larger = matches!(ftype, F::Iq2S | F::Iq2M);
            return match category {
                Category::Value if shared || facts.experts >= 4 => Q4_K,
                Category::Value if larger => IQ3_S,
                Category::Value => Q2_K,
                Category::Key if facts.experts == 8 => Q4_K,
                Category::Down if early && larger => IQ3_S,
                Category::Down if early => Q2_K,
                Category::AttentionOutput if facts.experts == 8 => Q5_K,
                Category::AttentionOutput if matches!(ftype, F::Iq1S | F::Iq1M) => IQ2_XXS,
                Category::AttentionOutput if larger => IQ3_S,
                _ => base,
            };
        }
        match category {
            Category::Value => self.value(facts, place, more, shared),
            Category::Key if facts.experts == 8 => Q8_0,
            Category::Key | Category::Query => match ftype {
                F::Iq3Xs => IQ3_XXS,
                F::Iq3Xxs => IQ2_S,
                _ => base,
            },
            Category::Down => self.down(facts, place, places, more),
            Category::AttentionOutput => self.attention_output(facts),
            Category::Gate | Category::Up
                if ftype == F::Iq3Xs && !early && place < 7 * places / 8 =>
            {
                IQ3_XXS
            }
            _ => base,
        }
    }

    #[expect(clippy::match_same_arms, reason = "the order is that of the source")]
    fn value(self, facts: &Facts, place: u64, more: bool, shared: bool) -> Format {
        use Ftype as F;
        if facts.experts == 8 {
            return Q8_0;
        }
        let chosen = match self.ftype {
            F::Q2K if shared => Q4_K,
            F::Q2K => Q3_K,
            F::Q2KS | F::Iq3Xxs | F::Iq3Xs | F::Iq3S if shared => Q4_K,
            F::Iq3Xxs if !self.measured => IQ3_S,
            F::Iq3M => Q4_K,
            F::Q3KM if place < 2 => Q5_K,
            F::Q3KM => Q4_K,
            F::Q3KL => Q5_K,
            F::Iq4Nl | F::Iq4Xs if shared => Q5_K,
            F::Q4KM | F::Q5KM if more => Q6_K,
            F::Q4KS if place < 4 => Q5_K,
            _ => self.ftype.base(),
        };
        if facts.is_70b && matches!(chosen, Q3_K | Q4_K) {
            Q5_K
        } else {
            chosen
        }
    }

    fn down(self, facts: &Facts, place: u64, places: u64, more: bool) -> Format {
        use Ftype as F;
        let early = place < places / 8;
        match self.ftype {
            F::Q2K => Q3_K,
            F::Q2KS if early => Q4_K,
            F::Iq3Xxs if !self.measured && early => Q4_K,
            F::Iq3Xxs if !self.measured => Q3_K,
            F::Q3KM if place < places / 16 => Q5_K,
            F::Q3KM if !facts.is_falcon || more => Q4_K,
            F::Iq3M if early || (facts.experts == 8 && more) => Q4_K,
            F::Q3KL if facts.is_falcon => Q4_K,
            F::Q3KL => Q5_K,
            F::Q4KM if facts.is_falcon && place < places / 16 => Q6_K,
            F::Q4KM if facts.is_falcon && more => Q5_K,
            F::Q4KM if !facts.is_falcon && more => Q6_K,
            F::Iq4Nl | F::Iq4Xs if early && !self.measured => Q5_K,
            F::Q5KM if more => Q6_K,
            F::Q4KS if !facts.is_falcon && early => Q5_K,
            F::Q4_0 if self.measured && early => Q4_1,
            F::Q5_0 if self.measured && early => Q5_1,
            _ => self.ftype.base(),
        }
    }

    fn attention_output(self, facts: &Facts) -> Format {
        use Ftype as F;
        match self.ftype {
            F::Q3KL if facts.is_falcon => Q4_K,
            _ if facts.is_falcon => self.ftype.base(),
            F::Q2K
            | F::Iq3Xs
            | F::Iq3Xxs
            | F::Q3KS
            | F::Q3KM
            | F::Iq4Nl
            | F::Q4KS
            | F::Q4KM
            | F::Iq3S
            | F::Iq3M
            | F::Iq4Xs
                if facts.experts == 8 =>
            {
                Q5_K
            }
            _ if facts.experts == 8 => self.ftype.base(),
            F::Q2K => Q3_K,
            F::Iq3Xxs => IQ3_S,
            F::Q3KM | F::Iq3M => Q4_K,
            F::Q3KL => Q5_K,
            _ => self.ftype.base(),
        }
    }
}

/// The type, or what stands in for it where its blocks do not divide a row (`tensor_type_fallback`).
fn fitting(format: Format, columns: u64) -> Format {
    if columns.is_multiple_of(format.weights) {
        return format;
    }
    let other = match format {
        IQ1_S | IQ1_M | IQ2_XXS | IQ2_XS | IQ2_S | IQ3_XXS | IQ3_S | IQ4_XS => IQ4_NL,
        Q2_K | Q3_K | TQ1_0 | TQ2_0 => Q4_0,
        Q4_K => Q5_0,
        Q5_K => Q5_1,
        Q6_K => Q8_0,
        other => other,
    };
    if columns.is_multiple_of(other.weights) {
        other
    } else {
        F16
    }
}

fn rows(format: Format, matrix: &Matrix) -> u64 {
    format
        .size(matrix.columns)
        .unwrap_or(u64::MAX)
        .saturating_mul(matrix.rows)
        .saturating_mul(matrix.count)
}

/// What is quantized at all: matrices of the text model, its table of tokens and its head.
fn matrix(template: &Template, architecture: &Architecture) -> Option<Matrix> {
    match template.role {
        Role::Embedding | Role::Head => match *template.shape {
            [rows, columns] if !template.pattern.contains("token_type") => Some(Matrix {
                count: 1,
                rows,
                columns,
                fused: false,
            }),
            _ => None,
        },
        Role::Attention
        | Role::State
        | Role::Mlp
        | Role::Expert
        | Role::SharedExpert
        | Role::Mtp => linear(template, architecture),
        _ => None,
    }
}

/// What is not: vectors, routers, positions and convolutions in 32 bits, towers in 16.
fn kept(template: &Template) -> Format {
    let tower = matches!(template.role, Role::Vision | Role::Audio | Role::Projector);
    if tower && template.shape.len() >= 2 {
        F16
    } else {
        F32
    }
}

fn categorize(template: &Template) -> Category {
    let name = template
        .pattern
        .strip_suffix(".weight")
        .unwrap_or(&template.pattern);
    let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
    let is = |words: &[&str]| words.contains(&last);
    match template.role {
        Role::Embedding => Category::TokenEmbedding,
        Role::Head => Category::Output,
        _ if last == "in_proj_qkv" => Category::Value,
        Role::Attention if is(VALUES) => Category::Value,
        Role::Attention if is(KEYS) => Category::Key,
        Role::Attention if is(QUERIES) => Category::Query,
        Role::Attention if is(ATTENTION_OUTPUTS) => Category::AttentionOutput,
        // Qwen's first generation calls its gate `w2`.
        Role::Mlp if last == "w2" && parent.rsplit('.').next() == Some("mlp") => Category::Gate,
        Role::Mlp | Role::Expert | Role::SharedExpert if is(DOWNS) => Category::Down,
        Role::Mlp | Role::Expert | Role::SharedExpert if is(GATES) => Category::Gate,
        Role::Mlp | Role::Expert | Role::SharedExpert => Category::Up,
        _ => Category::Other,
    }
}

/// Which of how many a tensor is. Values are counted as they come, over all layers that have some; of feed-forward
/// networks the layer's number counts where there are experts, and so many of their kind came before where there are none.
fn place(category: Category, weight: &Weight<'_>, facts: &Facts) -> (u64, u64) {
    let layer = weight.layer.unwrap_or(0);
    let like = |template: &&Template| {
        template.in_layer
            && template.part == weight.template.part
            && categorize(template) == category
    };
    let before = || {
        weight
            .architecture
            .templates
            .iter()
            .filter(like)
            .filter_map(|template| template.numbers.first())
            .map(|numbers| numbers.iter().filter(|&number| number < layer).count() as u64)
            .fold(0, u64::saturating_add)
    };
    match category {
        Category::Value => {
            let all = weight
                .architecture
                .templates
                .iter()
                .filter(like)
                .filter_map(|template| template.numbers.first())
                .map(|numbers| numbers.len() as u64)
                .fold(0, u64::saturating_add);
            (before(), all)
        }
        Category::Down | Category::Gate | Category::Up if facts.experts > 1 => {
            (u64::from(layer), facts.layers)
        }
        Category::Down | Category::Gate | Category::Up => (before(), facts.layers),
        _ => (u64::from(layer), facts.layers),
    }
}

/// The halves of the up-projection of latent attention: keys `[rank, nope]` for each head, values `[value, rank]`
/// (`conversion`: `attn_k_b`, `attn_v_b`).
fn latent_halves(weight: &Weight<'_>, matrix: &Matrix) -> Option<[Matrix; 2]> {
    if !weight.template.pattern.ends_with("kv_b_proj.weight") {
        return None;
    }
    let layer = weight.layer?;
    let mixers = weight
        .architecture
        .decoder()
        .find(|one| one.number == layer)
        .map(|one| &one.mixers)?;
    mixers.iter().find_map(|mixer| match *mixer {
        Mixer::Latent {
            heads,
            rank,
            nope_dim,
            value_dim,
            ..
        } if rank == matrix.columns => Some([
            Matrix {
                count: heads,
                rows: rank,
                columns: nope_dim,
                fused: false,
            },
            Matrix {
                count: heads,
                rows: value_dim,
                columns: rank,
                fused: false,
            },
        ]),
        _ => None,
    })
}
