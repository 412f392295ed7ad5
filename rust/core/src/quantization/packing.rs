//! How quantization schemes lay weights out in tensors: how many logical weights a stored tensor stands for, and
//! which tensors only serve another (scales, zero points, group indices).
//!
//! Two tables. [`PACKINGS`] says for the tensor that holds the weights how many there are; [`SIDES`] names the
//! tensors that serve it. A side tensor counts as bytes and never as parameters, and only where the tensor it
//! serves is really there and is not an ordinary float: a model whose own weight is called `scale` keeps it.
//!
//! Shapes decide before the configuration does, and the configuration before an assumption; an assumption is
//! always reported. Layouts are those of the writing libraries: `AutoGPTQ`, `AutoAWQ`, bitsandbytes, compressed-tensors
//! up to 0.20, `ModelOpt`, mlx-lm 0.32, `ExLlama` 2 and 3, HQQ, AQLM, `BitNet` of transformers 5, torchao 0.14. How each
//! counts is in `count.rs` beside.

use super::config::Stated;
use super::count;
use crate::checkpoint::Form;
use crate::dtype::Dtype;

/// The tensors around a packed one: given a suffix in place of the packed tensor's own, the form of the tensor of
/// that name, if it is there.
pub type Siblings<'f> = dyn Fn(&str) -> Option<&'f Form> + 'f;

/// The logical size of a packed tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logical {
    /// Weights it stands for.
    pub parameters: u64,
    /// What had to be assumed, if anything.
    pub assumed: Option<&'static str>,
}

/// A tensor that may be packed, with all that tells how.
pub struct Packed<'p, 'f> {
    /// The tensor itself.
    pub form: &'p Form,
    /// The first sibling of those that the rule needs; the tensor itself if it needs none.
    pub needed: &'p Form,
    /// All its siblings.
    pub siblings: &'p Siblings<'f>,
    /// What the configuration states for it.
    pub stated: Stated<'p>,
}

/// One way in which weights are packed.
#[derive(Debug)]
pub struct Packing {
    /// The scheme, as users name it.
    pub scheme: &'static str,
    /// How the name of the tensor that holds the weights ends.
    pub suffix: &'static str,
    /// Dtypes it is stored in.
    dtypes: &'static [Dtype],
    /// Siblings of which one must be there for the rule to apply; none if it always does.
    needs: &'static [&'static str],
    /// The number of logical weights; `None` if the shapes are not those of this scheme.
    count: fn(&Packed<'_, '_>) -> Option<Logical>,
}

/// A tensor that serves another.
#[derive(Debug)]
pub struct Side {
    /// How its name ends.
    pub suffix: &'static str,
    /// How the name of the tensor it serves ends, in its place.
    pub serves: &'static [&'static str],
}

const BYTE: &[Dtype] = &[Dtype::U8, Dtype::I8];
const WORD: &[Dtype] = &[Dtype::I32, Dtype::U32];

/// Scales of weights by how these are called; fused experts have no `.weight`.
const PACKED_SCALES: &[&str] = &[".weight_scale"];
const SCALES: &[&str] = &[".weight_scale", ".scale"];
const FUSED_SCALES: &[&str] = &["_weight_scale", "_scale"];
const QDATA_SCALES: &[&str] = &["._weight_scale", "._weight_scale_and_zero"];

const fn packing(
    scheme: &'static str,
    suffix: &'static str,
    dtypes: &'static [Dtype],
    needs: &'static [&'static str],
    count: fn(&Packed<'_, '_>) -> Option<Logical>,
) -> Packing {
    Packing {
        scheme,
        suffix,
        dtypes,
        needs,
        count,
    }
}

/// Every packing, in the order they are tried; those that fit any name come last.
pub const PACKINGS: &[Packing] = &[
    packing("gptq or awq", ".qweight", WORD, &[], count::gptq_or_awq),
    packing(
        "bitsandbytes 4-bit",
        ".weight",
        &[Dtype::U8, Dtype::I8, Dtype::Bf16, Dtype::F16, Dtype::F32],
        &[".weight.absmax"],
        count::bitsandbytes,
    ),
    packing(
        "bitsandbytes 8-bit",
        ".weight",
        BYTE,
        &[".SCB"],
        count::one_per_byte,
    ),
    packing("mlx", ".weight", &[Dtype::U32], &[".scales"], count::mlx),
    packing(
        "compressed-tensors",
        ".weight_packed",
        WORD,
        &[],
        count::packed_words,
    ),
    packing("nvfp4", ".weight_packed", BYTE, PACKED_SCALES, count::nvfp4),
    packing("mxfp4", ".weight_packed", BYTE, PACKED_SCALES, count::mxfp4),
    packing("fp4", ".weight_packed", BYTE, &[], count::two_per_byte),
    packing("nvfp4", ".weight", BYTE, SCALES, count::nvfp4),
    packing("mxfp4", ".weight", BYTE, SCALES, count::mxfp4),
    packing("mxfp8", ".weight", BYTE, SCALES, count::mxfp8),
    packing("int4", ".weight", BYTE, SCALES, count::two_rows_per_row),
    packing("bitnet", ".weight", &[Dtype::U8], SCALES, count::bitnet),
    packing("int8", ".weight", BYTE, SCALES, count::int8),
    packing(
        "mxfp4",
        "_blocks",
        &[Dtype::U8],
        &["_scales"],
        count::two_per_byte,
    ),
    packing("exl2", ".q_weight", WORD, &[".q_invperm"], count::exl2),
    packing(
        "exl3",
        ".trellis",
        &[Dtype::I16, Dtype::U16],
        &[],
        count::exl3,
    ),
    packing("hqq", ".W_q", &[Dtype::U8, Dtype::I32], &[], count::hqq),
    packing(
        "aqlm",
        ".codes",
        &[Dtype::I8, Dtype::I16, Dtype::U8, Dtype::U16],
        &[".codebooks"],
        count::aqlm,
    ),
    packing("nvfp4", "._weight_qdata", BYTE, QDATA_SCALES, count::nvfp4),
    packing("mxfp4", "._weight_qdata", BYTE, QDATA_SCALES, count::mxfp4),
    packing(
        "torchao",
        "._weight_qdata",
        &[Dtype::U8, Dtype::I8, Dtype::I32],
        QDATA_SCALES,
        count::torchao,
    ),
    packing("nvfp4", "", BYTE, FUSED_SCALES, count::nvfp4),
    packing("mxfp4", "", BYTE, FUSED_SCALES, count::mxfp4),
    packing("mxfp8", "", BYTE, FUSED_SCALES, count::mxfp8),
    packing("int8", "", BYTE, FUSED_SCALES, count::int8),
];

const fn side(suffix: &'static str, serves: &'static [&'static str]) -> Side {
    Side { suffix, serves }
}

const STORED: &[&str] = &[".weight", ".weight_packed"];
const CODED: &[&str] = &[".q_weight"];
const TRELLIS: &[&str] = &[".trellis"];
const QDATA: &[&str] = &["._weight_qdata"];
const HQQ: &[&str] = &[".W_q"];
/// bitsandbytes may store its bytes as floats (`bnb_4bit_quant_storage`), which serve nothing else; the packed state
/// beside them is always bytes.
const STATED: &[&str] = &[
    ".weight",
    ".weight.quant_state.bitsandbytes__nf4",
    ".weight.quant_state.bitsandbytes__fp4",
];

/// Every tensor that serves another.
pub const SIDES: &[Side] = &[
    // FP8, ModelOpt, compressed-tensors, Quark.
    side(".weight_scale_inv", STORED),
    side(".weight_scale", STORED),
    side(".weight_scale_2", STORED),
    side(".weight_global_scale", STORED),
    side(".weight_zero_point", STORED),
    side(".weight_shape", STORED),
    side(".weight_g_idx", STORED),
    side(".input_scale", STORED),
    side(".input_global_scale", STORED),
    side(".input_zero_point", STORED),
    side(".output_scale", STORED),
    side(".activation_scale", STORED),
    side(".pre_quant_scale", STORED),
    side(".scale", &[".weight", ".W_q"]),
    // Fused experts, whose tensors have no `.weight`.
    side("_scale_inv", &[""]),
    side("_weight_scale", &[""]),
    side("_weight_scale_2", &[""]),
    side("_input_scale", &[""]),
    side("_scale", &[""]),
    side("_scales", &["_blocks"]),
    // GPTQ, AWQ, MLX.
    side(".scales", &[".qweight", ".weight", ".codes"]),
    side(".biases", &[".weight"]),
    side(".qzeros", &[".qweight"]),
    side(".g_idx", &[".qweight"]),
    // bitsandbytes.
    side(".weight.absmax", STATED),
    side(".weight.quant_map", STATED),
    side(".weight.nested_absmax", STATED),
    side(".weight.nested_quant_map", STATED),
    // A name that no model has by chance: it proves itself.
    side(".weight.quant_state.bitsandbytes__nf4", STATED),
    side(".weight.quant_state.bitsandbytes__fp4", STATED),
    side(".SCB", &[".weight"]),
    side(".weight_format", &[".weight"]),
    // ExLlama.
    side(".q_scale", CODED),
    side(".q_scale_max", CODED),
    side(".q_group_size", CODED),
    side(".q_groups", CODED),
    side(".q_invperm", CODED),
    side(".q_perm", CODED),
    side(".suh", TRELLIS),
    side(".svh", TRELLIS),
    side(".su", TRELLIS),
    side(".sv", TRELLIS),
    side(".mcg", TRELLIS),
    side(".mul1", TRELLIS),
    // HQQ (`HQQLinear.state_dict` with `encoded_state_dict`): every setting is a tensor.
    side(".zero", HQQ),
    side(".meta", HQQ),
    side(".nbits", HQQ),
    side(".group_size", HQQ),
    side(".axis", HQQ),
    side(".shape", HQQ),
    side(".packing", HQQ),
    side(".unpack_view_dtype", HQQ),
    side(".view_as_float", HQQ),
    side(".quant_scale", HQQ),
    side(".quant_zero", HQQ),
    side(".compute_dtype", HQQ),
    side(".offload_meta", HQQ),
    side(".encoded_state_dict", HQQ),
    side(".stores_quant_config", HQQ),
    side(".channel_wise", HQQ),
    side(".optimize", HQQ),
    side(".round_zero", HQQ),
    // torchao (`flatten_tensor_state_dict`): a tensor subclass taken apart.
    side("._weight_scale", QDATA),
    side("._weight_scale_and_zero", QDATA),
    side("._weight_zero_point", QDATA),
    side("._weight_act_pre_scale", QDATA),
    side("._weight_per_tensor_scale", QDATA),
    // AQLM.
    side(".codebooks", &[".codes"]),
];

/// Scales of the cache, which serve no stored weight: one number, or one per head.
pub const CACHE_SCALES: &[&str] = &[".k_scale", ".v_scale", ".kv_scale"];

impl Packing {
    /// Whether a tensor of this name and dtype may be packed this way.
    #[must_use]
    pub fn fits(&self, name: &str, form: &Form) -> bool {
        name.ends_with(self.suffix)
            && form
                .dtype
                .known()
                .is_some_and(|dtype| self.dtypes.contains(&dtype))
    }

    /// Whether one of the siblings is here without which the rule does not apply.
    pub fn has_needed(&self, is_here: impl Fn(&str) -> bool) -> bool {
        self.needs.is_empty() || self.needs.iter().any(|suffix| is_here(suffix))
    }

    /// How many logical weights a tensor stands for, if it is packed this way.
    #[must_use]
    pub fn count<'p, 'f: 'p>(
        &self,
        form: &'p Form,
        siblings: &'p Siblings<'f>,
        stated: Stated<'p>,
    ) -> Option<Logical> {
        let needed = match self.needs {
            [] => form,
            needs => needs.iter().find_map(|suffix| siblings(suffix))?,
        };
        (self.count)(&Packed {
            form,
            needed,
            siblings,
            stated,
        })
    }

    /// Endings of the siblings that its count may look at.
    pub fn siblings(&self) -> impl Iterator<Item = &'static str> {
        let sides = SIDES
            .iter()
            .filter(|side| side.serves.contains(&self.suffix))
            .map(|side| side.suffix);
        self.needs.iter().copied().chain(sides)
    }
}

/// Whether a tensor can be one that others serve: ordinary floats have no scales.
#[must_use]
pub fn can_be_served(form: &Form) -> bool {
    !matches!(
        form.dtype.known(),
        Some(Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    )
}

#[cfg(test)]
mod tests {
    use super::{PACKINGS, SIDES};

    #[test]
    fn each_side_is_listed_once() {
        let mut suffixes: Vec<_> = SIDES.iter().map(|side| side.suffix).collect();
        suffixes.sort_unstable();
        let all = suffixes.len();
        suffixes.dedup();
        assert_eq!(suffixes.len(), all);
    }

    #[test]
    fn what_a_packing_needs_serves_it() {
        for packing in PACKINGS {
            for needed in packing.needs {
                let serves = SIDES
                    .iter()
                    .any(|side| side.suffix == *needed && side.serves.contains(&packing.suffix));
                assert!(serves, "{} of {}", needed, packing.scheme);
            }
        }
    }

    #[test]
    fn rows_for_any_name_come_last() {
        let first = PACKINGS
            .iter()
            .position(|packing| packing.suffix.is_empty())
            .unwrap();
        assert!(
            PACKINGS[first..]
                .iter()
                .all(|packing| packing.suffix.is_empty() && !packing.needs.is_empty())
        );
    }
}
