//! The table of schemes: names, what each touches, how it lays matrices out, and where that was read.

use super::gguf::{Ftype, Mix};
use super::layout::{Layout, Term};
use super::names::Names;
use super::{Plan, Rule, Scheme, Touches};
use crate::checkpoint::Role;
use crate::hardware::Number;
use crate::quantization::format::{BYTE, HALF_BYTE, MXFP4, MXFP8, NVFP4};

/// What a scheme does.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Every number in so many bytes.
    Plain(u64),
    /// Matrices of these roles in these tensors.
    Matrices(&'static Touched),
    /// A mix of GGUF types.
    Gguf(Ftype),
}

/// Which matrices a scheme touches, and what it makes of each.
#[derive(Debug)]
pub struct Touched {
    roles: &'static [Role],
    fused: bool,
    tables: bool,
    /// Only experts, where there are experts.
    experts_first: bool,
    terms: &'static [Term],
    multiple: u64,
    padding: [u64; 2],
}

/// A scheme.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Bits per weight of most of what it touches, as (bits, weights): what precision is ranked by.
    pub bits: (u64, u64),
    /// The library that writes it.
    pub library: &'static str,
    /// What it is and what it keeps.
    pub summary: &'static str,
    /// Where its layout was read.
    pub source: &'static str,
    /// What activations are quantized to, so that matrices are multiplied in it where the hardware can; nothing where the
    /// weights are unpacked to the model's dtype first.
    pub activations: Option<Number>,
    way: Way,
}

impl Row {
    /// The same with activations that are quantized too.
    const fn multiplied_in(self, number: Number) -> Self {
        Self {
            activations: Some(number),
            ..self
        }
    }
}

/// What libraries that know a model's decoder quantize: vLLM passes no `quant_config` to routers and heads, AutoGPTQ and
/// AutoAWQ walk the decoder's layers, recipes for compressed-tensors ignore the rest.
pub(super) const LINEARS: &[Role] = &[
    Role::Attention,
    Role::State,
    Role::Mlp,
    Role::Expert,
    Role::SharedExpert,
    Role::Mtp,
];

/// Every `nn.Linear` but the head (transformers 4.57, `integrations/bitsandbytes.py:_replace_with_bnb_linear`,
/// `get_keys_to_not_convert`): towers too, and no parameters that experts are fused in.
pub(super) const EVERY_LINEAR: &[Role] = &[
    Role::Attention,
    Role::State,
    Role::Mlp,
    Role::Expert,
    Role::SharedExpert,
    Role::Mtp,
    Role::Vision,
    Role::Audio,
    Role::Projector,
];

pub(super) const MLX_ROLES: &[Role] = &[
    Role::Attention,
    Role::State,
    Role::Mlp,
    Role::Expert,
    Role::SharedExpert,
    Role::Mtp,
    Role::Head,
];

const DECODER: Touched = Touched {
    roles: LINEARS,
    fused: true,
    tables: false,
    experts_first: false,
    terms: &[],
    multiple: 1,
    padding: [1, 1],
};
const MODULES: Touched = Touched {
    roles: EVERY_LINEAR,
    fused: false,
    ..DECODER
};
const MLX: Touched = Touched {
    roles: MLX_ROLES,
    tables: true,
    multiple: 64,
    ..DECODER
};

const fn group(weights: u64, bytes: u64) -> Term {
    Term::Group { weights, bytes }
}

const VLLM_FP8: &str = "vLLM 0.19, quantization/fp8.py:Fp8OnlineLinearMethod";
const FP8: &str =
    "vLLM 0.19, quantization/fp8.py; published headers of DeepSeek-V3.2 and Qwen3-FP8";
const CT: &str = "compressed-tensors 0.12.2, quantization/lifecycle/initialize.py: scales in the dtype of the weight";
const GPTQ: &str = "vLLM 0.19, quantization/gptq.py:GPTQLinearMethod.create_weights";
const AWQ: &str = "vLLM 0.19, quantization/awq.py:AWQLinearMethod.create_weights";
const BNB: &str = "bitsandbytes 0.48.1, functional.py:QuantState, nn/modules.py:Params4bit";
const BNB8: &str = "bitsandbytes 0.48.1, nn/modules.py:Int8Params";
const GPT_OSS: &str = "published header of gpt-oss-20b; transformers 4.57, integrations/mxfp4.py";
const MODELOPT: &str = "vLLM 0.19, quantization/modelopt.py:ModelOptNvFp4LinearMethod";
const HQQ: &str =
    "hqq 0.2.8, core/quantize.py:Quantizer.quantize: a scale and a zero point for each group";
const TORCHAO4: &str = "torchao 0.14.1, dtypes/uintx/tensor_core_tiled_layout.py";
const TORCHAO8: &str =
    "torchao 0.14.1, quantization/quant_api.py:_int8_weight_only_quantize_tensor";
const MLX_LM: &str =
    "mlx-lm 0.28.3, utils.py:quantize_model: whatever has to_quantized, if groups divide its width";
const GGML: &str = "llama.cpp 0c1e57098, src/llama-quant.cpp:llama_tensor_get_type_impl";

macro_rules! touched {
    ($base:expr, $($field:ident: $value:expr),+ $(,)?) => {
        Way::Matrices(&Touched { $($field: $value,)+ ..$base })
    };
}

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    bits: (u64, u64),
    library: &'static str,
    summary: &'static str,
    source: &'static str,
    way: Way,
) -> Row {
    Row {
        name,
        aliases,
        bits,
        library,
        summary,
        source,
        activations: None,
        way,
    }
}

const fn gguf(name: &'static str, aliases: &'static [&'static str], ftype: Ftype) -> Row {
    let base = ftype.base();
    let row = row(
        name,
        aliases,
        (base.bytes * 8, base.weights),
        "llama.cpp",
        "GGUF: a type for each tensor by llama.cpp's rule; vectors, routers and convolutions in 32 bits",
        GGML,
        Way::Gguf(ftype),
    );
    match ftype {
        // Types that ggml_cuda_should_use_mmq (llama.cpp in llama-cpp-python 0.3.16, ggml-cuda/mmq.cu) unpacks to 16 bits.
        Ftype::Bf16 | Ftype::F16 | Ftype::Tq1_0 | Ftype::Tq2_0 | Ftype::Iq1M => row,
        // Of all others activations are quantized to bytes, and bytes are multiplied.
        _ => row.multiplied_in(Number::Int8),
    }
}

/// Every scheme, with those of more bits first in each library. Where bits are equal, what stands first is taken to lose
/// less.
///
/// Of compressed-tensors W8A8, of vLLM's fp8 and mxfp8 and of `ModelOpt`'s NVFP4 the activations are quantized too (vLLM
/// 0.19, `quantization/compressed_tensors/schemes`, `fp8.py`, `modelopt.py`); LLM.int8 multiplies bytes (bitsandbytes
/// 0.48.1, `autograd/_functions.py:MatMul8bitLt`). That MXFP4 runs in 4 bits is the best that hardware allows, and so a
/// bound.
pub const SCHEMES: &[Row] = &[
    row(
        "fp32",
        &["float32", "f32"],
        (32, 1),
        "any",
        "every number in 32 bits",
        "IEEE 754",
        Way::Plain(4),
    ),
    row(
        "bf16",
        &["bfloat16"],
        (16, 1),
        "any",
        "every number in 16 bits",
        "one number after another",
        Way::Plain(2),
    ),
    row(
        "fp16",
        &["float16", "f16", "half"],
        (16, 1),
        "any",
        "every number in 16 bits",
        "IEEE 754",
        Way::Plain(2),
    ),
    row(
        "int8",
        &["w8a8", "int8-channel"],
        (8, 1),
        "compressed-tensors",
        "W8A8: bytes and a scale for each output",
        CT,
        touched!(DECODER, terms: &[Term::Rows(BYTE), Term::Row(2)]),
    )
    .multiplied_in(Number::Int8),
    row(
        "fp8-channel",
        &["fp8-dynamic"],
        (8, 1),
        "compressed-tensors",
        "8-bit floats and a scale for each output",
        CT,
        touched!(DECODER, terms: &[Term::Rows(BYTE), Term::Row(2)]),
    )
    .multiplied_in(Number::Fp8),
    row(
        "fp8-block",
        &["fp8-128"],
        (8, 1),
        "vllm",
        "8-bit floats and a 32-bit scale for 128 x 128 weights",
        FP8,
        touched!(DECODER, terms: &[Term::Rows(BYTE), Term::Tile { rows: 128, columns: 128, bytes: 4 }]),
    )
    .multiplied_in(Number::Fp8),
    row(
        "fp8",
        &["fp8-tensor", "fp8-e4m3"],
        (8, 1),
        "vllm",
        "8-bit floats and one scale for a matrix, as vLLM makes them while it loads",
        VLLM_FP8,
        touched!(DECODER, terms: &[Term::Rows(BYTE), Term::Tensor(4)]),
    )
    .multiplied_in(Number::Fp8),
    row(
        "mxfp8",
        &[],
        (33 * 8, 32),
        "vllm",
        "8-bit floats and an 8-bit scale for 32 weights",
        "OCP Microscaling 1.0; vLLM 0.19, quantization/mxfp8.py",
        touched!(DECODER, terms: &[Term::Rows(MXFP8)], multiple: 32),
    )
    .multiplied_in(Number::Fp8),
    row(
        "int8-bnb",
        &["bnb-int8", "llm-int8", "bnb-8bit"],
        (8, 1),
        "bitsandbytes",
        "LLM.int8: bytes and a 32-bit scale for each output; towers too, fused experts kept",
        BNB8,
        touched!(MODULES, terms: &[Term::Rows(BYTE), Term::Row(4)]),
    )
    .multiplied_in(Number::Int8),
    row(
        "int8wo",
        &["torchao-int8", "int8-torchao"],
        (8, 1),
        "torchao",
        "bytes, a 16-bit scale and a 64-bit zero point for each output; towers too, fused experts kept",
        TORCHAO8,
        touched!(MODULES, terms: &[Term::Rows(BYTE), Term::Row(10)]),
    ),
    row(
        "int4-g32",
        &["gptq-g32"],
        (37, 8),
        "gptq",
        "GPTQ: 4 bits, a 16-bit scale and a 4-bit zero point for 32 weights, an order of inputs",
        GPTQ,
        touched!(DECODER, terms: GPTQ_32, multiple: 32),
    ),
    row(
        "int4-g64",
        &["gptq-g64"],
        (69, 16),
        "gptq",
        "GPTQ with groups of 64 weights",
        GPTQ,
        touched!(DECODER, terms: GPTQ_64, multiple: 64),
    ),
    row(
        "int4-g128",
        &["gptq", "int4", "gptq-g128"],
        (133, 32),
        "gptq",
        "GPTQ with groups of 128 weights",
        GPTQ,
        touched!(DECODER, terms: GPTQ_128, multiple: 128),
    ),
    row(
        "awq",
        &["awq-g128"],
        (133, 32),
        "awq",
        "AWQ: as GPTQ with groups of 128 weights, without the order of inputs",
        AWQ,
        touched!(DECODER, terms: AWQ_128, multiple: 128),
    ),
    row(
        "w4a16",
        &["w4a16-g128"],
        (33, 8),
        "compressed-tensors",
        "4 bits and a 16-bit scale for 128 weights, symmetric",
        CT,
        touched!(DECODER, terms: &[Term::Words(4), group(128, 2), Term::Tensor(8)], multiple: 128),
    ),
    row(
        "nvfp4",
        &["fp4"],
        (72, 16),
        "modelopt",
        "4-bit floats, an 8-bit scale for 16 weights, two scales for a matrix",
        MODELOPT,
        touched!(DECODER, terms: &[Term::Rows(NVFP4), Term::Tensor(8)], multiple: 16),
    )
    .multiplied_in(Number::Fp4),
    row(
        "mxfp4",
        &[],
        (17 * 8, 32),
        "openai",
        "4-bit floats and an 8-bit scale for 32 weights: experts alone where there are experts, or else all matrices",
        GPT_OSS,
        touched!(DECODER, terms: &[Term::Rows(MXFP4)], multiple: 32, experts_first: true),
    )
    .multiplied_in(Number::Fp4),
    row(
        "nf4",
        &["bnb-4bit", "bnb-nf4", "bnb"],
        (36, 8),
        "bitsandbytes",
        "4 bits and a 32-bit scale for 64 weights, a table of 16; towers too, fused experts kept",
        BNB,
        touched!(MODULES, terms: &[Term::Run(HALF_BYTE), Term::Run(ABSMAX), Term::Tensor(64)]),
    ),
    row(
        "nf4-dq",
        &["bnb-nf4-dq", "qlora"],
        (4127, 1000),
        "bitsandbytes",
        "the same with 8-bit scales, a 32-bit scale for 256 of them and a table of 256",
        BNB,
        touched!(MODULES, terms: &[
            Term::Run(HALF_BYTE), Term::Run(ABSMAX_8), Term::Run(NESTED), Term::Tensor(64 + 1024 + 4),
        ]),
    ),
    row(
        "hqq",
        &["hqq-4", "hqq-g64"],
        (36, 8),
        "hqq",
        "4 bits, a 16-bit scale and a 16-bit zero point for 64 weights; towers too, fused experts kept",
        HQQ,
        touched!(MODULES, terms: &[Term::Run(HALF_BYTE), Term::Run(SCALE_AND_ZERO)]),
    ),
    row(
        "int4wo",
        &["torchao-int4", "int4-torchao"],
        (34, 8),
        "torchao",
        "4 bits, a 16-bit scale and zero point for 128 weights, padded to 8 outputs and 1024 inputs; towers too",
        TORCHAO4,
        touched!(MODULES, terms: &[Term::Rows(HALF_BYTE), group(128, 4)], multiple: 128, padding: [8, 1024]),
    ),
    row(
        "mlx-8",
        &["mlx-8bit"],
        (68, 8),
        "mlx",
        "8 bits, a 16-bit scale and bias for 64 weights; embeddings and head too",
        MLX_LM,
        touched!(MLX, terms: &[Term::Words(8), group(64, 4)]),
    ),
    row(
        "mlx-6",
        &["mlx-6bit"],
        (52, 8),
        "mlx",
        "the same with 6 bits",
        MLX_LM,
        touched!(MLX, terms: &[Term::Words(6), group(64, 4)]),
    ),
    row(
        "mlx-4",
        &["mlx-4bit", "mlx"],
        (36, 8),
        "mlx",
        "the same with 4 bits",
        MLX_LM,
        touched!(MLX, terms: &[Term::Words(4), group(64, 4)]),
    ),
    row(
        "mlx-3",
        &["mlx-3bit"],
        (28, 8),
        "mlx",
        "the same with 3 bits",
        MLX_LM,
        touched!(MLX, terms: &[Term::Words(3), group(64, 4)]),
    ),
    gguf("gguf-bf16", &[], Ftype::Bf16),
    gguf("gguf-f16", &[], Ftype::F16),
    gguf("q8_0", &[], Ftype::Q8_0),
    gguf("q6_k", &[], Ftype::Q6K),
    gguf("q5_k_m", &["q5_k"], Ftype::Q5KM),
    gguf("q5_k_s", &[], Ftype::Q5KS),
    gguf("q5_1", &[], Ftype::Q5_1),
    gguf("q5_0", &[], Ftype::Q5_0),
    gguf("q4_k_m", &["q4_k"], Ftype::Q4KM),
    gguf("q4_k_s", &[], Ftype::Q4KS),
    gguf("q4_1", &[], Ftype::Q4_1),
    gguf("iq4_nl", &[], Ftype::Iq4Nl),
    gguf("q4_0", &[], Ftype::Q4_0),
    gguf("iq4_xs", &[], Ftype::Iq4Xs),
    gguf("mxfp4_moe", &[], Ftype::Mxfp4Moe),
    gguf("q3_k_l", &[], Ftype::Q3KL),
    gguf("q3_k_m", &["q3_k"], Ftype::Q3KM),
    gguf("iq3_m", &[], Ftype::Iq3M),
    gguf("iq3_s", &[], Ftype::Iq3S),
    gguf("q3_k_s", &[], Ftype::Q3KS),
    gguf("iq3_xs", &[], Ftype::Iq3Xs),
    gguf("iq3_xxs", &[], Ftype::Iq3Xxs),
    gguf("q2_k", &[], Ftype::Q2K),
    gguf("q2_k_s", &[], Ftype::Q2KS),
    gguf("iq2_m", &[], Ftype::Iq2M),
    gguf("iq2_s", &[], Ftype::Iq2S),
    gguf("iq2_xs", &[], Ftype::Iq2Xs),
    gguf("iq2_xxs", &[], Ftype::Iq2Xxs),
    gguf("tq2_0", &[], Ftype::Tq2_0),
    gguf("iq1_m", &[], Ftype::Iq1M),
    gguf("tq1_0", &[], Ftype::Tq1_0),
    gguf("iq1_s", &[], Ftype::Iq1S),
];

const fn run(weights: u64, bytes: u64) -> crate::quantization::format::Format {
    crate::quantization::format::Format {
        name: "scales",
        weights,
        bytes,
        note: "",
    }
}

/// A 32-bit scale for 64 weights.
pub(super) const ABSMAX: crate::quantization::format::Format = run(64, 4);
/// An 8-bit scale for 64 weights.
pub(super) const ABSMAX_8: crate::quantization::format::Format = run(64, 1);
/// A 32-bit scale for 256 scales of 64 weights.
pub(super) const NESTED: crate::quantization::format::Format = run(64 * 256, 4);
/// A 16-bit scale and a 16-bit zero point for 64 weights.
const SCALE_AND_ZERO: crate::quantization::format::Format = run(64, 4);

const GPTQ_32: &[Term] = &[
    Term::Words(4),
    group(32, 2),
    Term::Zeros { bits: 4, group: 32 },
    Term::Column(4),
];
const GPTQ_64: &[Term] = &[
    Term::Words(4),
    group(64, 2),
    Term::Zeros { bits: 4, group: 64 },
    Term::Column(4),
];
const GPTQ_128: &[Term] = &[
    Term::Words(4),
    group(128, 2),
    Term::Zeros {
        bits: 4,
        group: 128,
    },
    Term::Column(4),
];
const AWQ_128: &[Term] = &[
    Term::OutputWords(4),
    group(128, 2),
    Term::Zeros {
        bits: 4,
        group: 128,
    },
];

impl Row {
    /// The scheme of this row.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        let plan = match self.way {
            Way::Plain(bytes) => Plan::Plain(bytes),
            Way::Gguf(ftype) => Plan::Mix(Mix::new(ftype)),
            Way::Matrices(touched) => {
                let rule = |roles: &'static [Role], without_experts: bool| Rule {
                    touches: Touches {
                        roles,
                        fused: touched.fused,
                        tables: touched.tables,
                        without_experts,
                        only: Names::default(),
                    },
                    layout: Layout {
                        terms: touched.terms.to_vec(),
                        multiple: touched.multiple,
                        padding: touched.padding,
                    },
                };
                let rules = if touched.experts_first {
                    vec![rule(&[Role::Expert], false), rule(touched.roles, true)]
                } else {
                    vec![rule(touched.roles, false)]
                };
                Plan::Rules(rules, Names::default())
            }
        };
        Scheme {
            name: self.name.to_owned(),
            plan,
        }
    }
}

/// Rows from the most bits per weight to the fewest; where these are equal, in the order of the table.
#[must_use]
pub fn by_precision() -> Vec<&'static Row> {
    let mut rows: Vec<&Row> = SCHEMES.iter().collect();
    rows.sort_by(|a, b| {
        let cross = |one: &Row, other: &Row| u128::from(one.bits.0) * u128::from(other.bits.1);
        cross(b, a).cmp(&cross(a, b))
    });
    rows
}

/// How a name is compared: in any case, with either dash.
fn plain(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}

/// The scheme of a name.
pub(super) fn named(name: &str) -> Result<Scheme, String> {
    let asked = plain(name);
    let is = |known: &str| plain(known) == asked;
    if let Some(row) = SCHEMES
        .iter()
        .find(|row| is(row.name) || row.aliases.iter().any(|alias| is(alias)))
    {
        return Ok(row.scheme());
    }
    for generation in [Exl::Two, Exl::Three] {
        if let Some(rest) = asked.strip_prefix(generation.name()) {
            let rest = rest.trim_start_matches('-');
            let digits = rest.strip_suffix("bpw").unwrap_or(rest);
            let bits = bits_per_weight(digits).ok_or_else(|| {
                format!(
                    "scheme {name:?}: {} takes 1 to 8 bits per weight, as {}-4.0bpw",
                    generation.name(),
                    generation.name()
                )
            })?;
            return Ok(exl(generation, digits, bits, (6, 1)));
        }
    }
    let close = close_to(&asked);
    let hint = if close.is_empty() {
        format!("such as {}", EXAMPLES.join(", "))
    } else {
        format!("did you mean {}?", close.join(" or "))
    };
    Err(format!(
        "weight scheme {name:?} is not known ({hint}); pondera.weight_schemes() and docs/schemes.md list all {}, beside \
         exl2-4.0bpw and exl3-4.0bpw",
        SCHEMES.len()
    ))
}

/// One scheme of each library that is much used, for who writes something that is like none.
const EXAMPLES: &[&str] = &[
    "bf16",
    "fp8",
    "int8",
    "int4-g128",
    "awq",
    "nvfp4",
    "nf4",
    "mlx-4",
    "q4_k_m",
];

/// Names that differ in two letters at most, or that begin alike.
fn close_to(asked: &str) -> Vec<&'static str> {
    let names = SCHEMES
        .iter()
        .flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()));
    let mut close: Vec<(usize, &str)> = names
        .map(|known| (crate::wording::distance(&plain(known), asked), known))
        .filter(|(distance, known)| {
            let begins = asked.len() > 1 && plain(known).starts_with(asked);
            begins || *distance <= 2 && *distance < known.len() && *distance < asked.len()
        })
        .collect();
    close.sort_unstable();
    close.truncate(3);
    close.into_iter().map(|(_, known)| known).collect()
}

/// Which `ExLlama` it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exl {
    Two,
    Three,
}

impl Exl {
    const fn name(self) -> &'static str {
        match self {
            Self::Two => "exl2",
            Self::Three => "exl3",
        }
    }
}

/// A scheme of `ExLlama` with so many bits in the decoder and in the head. Of the second, the target holds all that a
/// matrix takes; the third adds 16-bit signs of inputs and outputs (`.suh`, `.svh`) to a trellis of so many bits. Which
/// matrices get more bits than the target and which fewer is measured while it is made; here all get the target (from
/// memory).
pub(super) fn exl(generation: Exl, digits: &str, bits: (u64, u64), head: (u64, u64)) -> Scheme {
    let rule = |roles: &'static [Role], bits: (u64, u64)| {
        let mut terms = vec![Term::Bits(bits.0, bits.1)];
        if generation == Exl::Three {
            terms.extend([Term::Row(2), Term::Column(2)]);
        }
        Rule {
            touches: Touches {
                roles,
                fused: true,
                tables: false,
                without_experts: false,
                only: Names::default(),
            },
            layout: Layout::of(terms),
        }
    };
    Scheme {
        name: format!("{}-{digits}bpw", generation.name()),
        plan: Plan::Rules(
            vec![rule(LINEARS, bits), rule(&[Role::Head], head)],
            Names::default(),
        ),
    }
}

/// A decimal number of bits as an exact fraction.
pub(super) fn bits_per_weight(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 1
        || fraction.len() > 6
        || !digits(whole)
        || !digits(fraction)
    {
        return None;
    }
    let denominator = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator: u64 = format!("{whole}{fraction}").parse().ok()?;
    (numerator >= denominator && numerator <= 8 * denominator).then_some((numerator, denominator))
}
