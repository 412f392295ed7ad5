//! How quantization schemes lay weights out in tensors: how many logical weights a stored tensor stands for, and
//! which tensors only serve another (scales, zero points, group indices).
//!
//! Two tables. [`PACKINGS`] says for the tensor that holds the weights how many there are; [`SIDES`] names the
//! tensors that serve it. A side tensor counts as bytes and never as parameters, and only where the tensor it
//! serves is really there and is not an ordinary float: a model whose own weight is called `scale` keeps it.
//!
//! Shapes decide before the configuration does, and the configuration before an assumption; an assumption is
//! always reported. Layouts are those of the writing libraries: `AutoGPTQ`, `AutoAWQ`, bitsandbytes, compressed-tensors
//! 0.20, `ModelOpt`, mlx-lm 0.32, `ExLlama` 2 and 3, HQQ, AQLM.

use super::config::Grid;
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

/// One way in which weights are packed.
#[derive(Debug)]
pub struct Packing {
    /// The scheme, as users name it.
    pub scheme: &'static str,
    /// How the name of the tensor that holds the weights ends.
    pub suffix: &'static str,
    /// Dtypes it is stored in.
    dtypes: &'static [Dtype],
    /// A sibling that must be there for the rule to apply.
    needs: Option<&'static str>,
    /// The number of logical weights; `None` if the shapes are not those of this scheme.
    count: fn(&Form, &Siblings<'_>, Grid) -> Option<Logical>,
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

/// Every packing, in the order they are tried.
pub const PACKINGS: &[Packing] = &[
    Packing {
        scheme: "gptq or awq",
        suffix: ".qweight",
        dtypes: WORD,
        needs: None,
        count: gptq_or_awq,
    },
    Packing {
        scheme: "bitsandbytes 4-bit",
        suffix: ".weight",
        dtypes: &[Dtype::U8, Dtype::I8, Dtype::Bf16, Dtype::F16, Dtype::F32],
        needs: Some(".weight.absmax"),
        count: bitsandbytes,
    },
    Packing {
        scheme: "mlx",
        suffix: ".weight",
        dtypes: &[Dtype::U32],
        needs: Some(".scales"),
        count: mlx,
    },
    Packing {
        scheme: "compressed-tensors",
        suffix: ".weight_packed",
        dtypes: WORD,
        needs: None,
        count: packed_words,
    },
    Packing {
        scheme: "nvfp4 or mxfp4",
        suffix: ".weight_packed",
        dtypes: BYTE,
        needs: None,
        count: two_per_byte,
    },
    Packing {
        scheme: "nvfp4 or mxfp4",
        suffix: ".weight",
        dtypes: BYTE,
        needs: Some(".weight_scale"),
        count: |form, siblings, _| by_blocks(form, siblings(".weight_scale")?),
    },
    Packing {
        scheme: "mxfp4",
        suffix: ".weight",
        dtypes: BYTE,
        needs: Some(".scale"),
        count: |form, siblings, _| by_blocks(form, siblings(".scale")?),
    },
    Packing {
        scheme: "mxfp4",
        suffix: "_blocks",
        dtypes: &[Dtype::U8],
        needs: Some("_scales"),
        count: two_per_byte,
    },
    Packing {
        scheme: "exl2",
        suffix: ".q_weight",
        dtypes: WORD,
        needs: Some(".q_invperm"),
        count: |form, siblings, _| {
            let inputs = siblings(".q_invperm")?.elements()?;
            exactly(inputs.checked_mul(*form.shape.last()?)?)
        },
    },
    Packing {
        scheme: "exl3",
        suffix: ".trellis",
        dtypes: &[Dtype::I16, Dtype::U16],
        needs: None,
        // Tiles of 16 x 16 weights.
        count: |form, _, _| match *form.shape {
            [inputs, outputs, _] => exactly(inputs.checked_mul(outputs)?.checked_mul(256)?),
            _ => None,
        },
    },
    Packing {
        scheme: "hqq",
        suffix: ".W_q",
        dtypes: &[Dtype::U8, Dtype::I32],
        needs: None,
        count: hqq,
    },
    Packing {
        scheme: "aqlm",
        suffix: ".codes",
        dtypes: &[Dtype::I8, Dtype::I16, Dtype::U8, Dtype::U16],
        needs: Some(".codebooks"),
        // Codes [out groups, in groups, codebooks]; codebooks [codebooks, entries, out group, in group].
        count: |form, siblings, _| match (&*form.shape, &*siblings(".codebooks")?.shape) {
            ([rows, columns, _], [_, _, out_group, in_group]) => exactly(
                rows.checked_mul(*columns)?
                    .checked_mul(*out_group)?
                    .checked_mul(*in_group)?,
            ),
            _ => None,
        },
    },
];

const fn side(suffix: &'static str, serves: &'static [&'static str]) -> Side {
    Side { suffix, serves }
}

const STORED: &[&str] = &[".weight", ".weight_packed"];
const CODED: &[&str] = &[".q_weight"];
const TRELLIS: &[&str] = &[".trellis"];
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

    /// The sibling without which this rule does not apply.
    #[must_use]
    pub const fn needs(&self) -> Option<&'static str> {
        self.needs
    }

    /// How many logical weights a tensor stands for, if it is packed this way.
    #[must_use]
    pub fn count(&self, form: &Form, siblings: &Siblings<'_>, grid: Grid) -> Option<Logical> {
        if let Some(needed) = self.needs {
            siblings(needed)?;
        }
        (self.count)(form, siblings, grid)
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

#[expect(
    clippy::unnecessary_wraps,
    reason = "every counter may fail, and this ends most of them"
)]
const fn exactly(parameters: u64) -> Option<Logical> {
    Some(Logical {
        parameters,
        assumed: None,
    })
}

fn two_per_byte(form: &Form, _: &Siblings<'_>, _: Grid) -> Option<Logical> {
    exactly(form.elements()?.checked_mul(2)?)
}

/// bitsandbytes flattens 4-bit weights to [bytes, 1] of the storage dtype, two weights per byte.
fn bitsandbytes(form: &Form, _: &Siblings<'_>, _: Grid) -> Option<Logical> {
    exactly(form.bytes.checked_mul(2)?)
}

/// GPTQ packs input rows (`qweight` [in * bits / 32, out]), AWQ output columns ([in, out * bits / 32]); both keep
/// `scales` [groups, out].
fn gptq_or_awq(form: &Form, siblings: &Siblings<'_>, grid: Grid) -> Option<Logical> {
    let [rows, columns] = *form.shape else {
        return None;
    };
    let outputs = siblings(".scales").and_then(|scales| scales.shape.last().copied());
    if let Some(outputs) = outputs
        && outputs != columns
    {
        return exactly(rows.checked_mul(outputs)?);
    }
    if let Some(inputs) = siblings(".g_idx").and_then(Form::elements)
        && inputs >= rows
    {
        return exactly(inputs.checked_mul(columns)?);
    }
    let by_zeros = siblings(".qzeros").and_then(|zeros| {
        let packed = *zeros.shape.last()?;
        (columns > 0).then(|| packed.checked_mul(32).map(|bits| bits / columns))?
    });
    let bits = by_zeros.filter(|bits| (1..=8).contains(bits)).or(grid.bits);
    words(
        form,
        bits,
        "4 bits per weight: neither zero points nor a configuration say",
    )
}

fn packed_words(form: &Form, _: &Siblings<'_>, grid: Grid) -> Option<Logical> {
    words(form, grid.bits, "4 bits per weight: no configuration says")
}

/// Weights in 32-bit words of so many bits each.
fn words(form: &Form, bits: Option<u64>, otherwise: &'static str) -> Option<Logical> {
    let known = bits.filter(|bits| (1..=32).contains(bits));
    let all = form.elements()?.checked_mul(32)?;
    Some(Logical {
        parameters: all / known.unwrap_or(4),
        assumed: known.is_none().then_some(otherwise),
    })
}

/// MLX keeps [out, in * bits / 32] words and one scale per group of inputs.
fn mlx(form: &Form, siblings: &Siblings<'_>, grid: Grid) -> Option<Logical> {
    if grid.bits.is_some() {
        return words(form, grid.bits, "");
    }
    let scales = siblings(".scales")?;
    // Microscaling formats have one-byte scales and groups of 32; the affine default is groups of 64.
    let (group, assumed) = match (grid.group_size, scales.dtype.known()) {
        (Some(group), _) => (group, None),
        (None, Some(Dtype::U8 | Dtype::F8E8M0)) => {
            (32, Some("groups of 32 weights: no configuration says"))
        }
        _ => (64, Some("groups of 64 weights: no configuration says")),
    };
    Some(Logical {
        parameters: scales.elements()?.checked_mul(group)?,
        assumed,
    })
}

/// HQQ orders weights as [groups, group] or [group, groups], packs the first side and keeps one scale per group.
/// Bytes hold 8, 4, 2 or 1 bits; 3-bit weights go ten to a 32-bit word, the last word of a column padded.
fn hqq(form: &Form, siblings: &Siblings<'_>, grid: Grid) -> Option<Logical> {
    let [rows, columns] = *form.shape else {
        return None;
    };
    let groups = match siblings(".scale").map(|scale| &*scale.shape) {
        // The side of the groups is the packed one; the other shows how many weights each has.
        Some(&[groups, 1]) => return exactly(groups.checked_mul(columns)?),
        Some(&[1, groups]) => Some(groups),
        _ => None,
    };
    if let (Some(groups), Some(group)) = (groups, grid.group_size) {
        return exactly(groups.checked_mul(group)?);
    }
    if form.dtype.known() == Some(Dtype::I32) {
        let group = rows.checked_mul(10)?;
        return Some(Logical {
            parameters: columns.checked_mul(1 << group.checked_ilog2()?)?,
            assumed: Some("groups of a power of two: no configuration says"),
        });
    }
    let known = grid.bits.filter(|bits| (1..=8).contains(bits));
    Some(Logical {
        parameters: form.elements()?.checked_mul(8)? / known.unwrap_or(4),
        assumed: known
            .is_none()
            .then_some("4 bits per weight: no configuration says"),
    })
}

/// Bytes with scales: one weight per byte, or two if the scales are those of a 4-bit format.
fn by_blocks(form: &Form, scales: &Form) -> Option<Logical> {
    let bytes = form.elements()?;
    let twice = bytes.checked_mul(2)?;
    let blocks_of = |size: u64| scales.elements()?.checked_mul(size);
    let two_per_byte = match scales.dtype.known() {
        // NVFP4: one E4M3 scale for 16 weights.
        Some(Dtype::F8E4M3) => blocks_of(16) == Some(twice),
        // MXFP4: one power of two for 32 weights; MXFP8 has the same for 32 bytes.
        Some(Dtype::U8 | Dtype::F8E8M0) => blocks_of(32) == Some(twice),
        // ModelOpt packs two output rows of int4 into one; the scales keep a row for each.
        _ => match (form.shape.first(), scales.shape.first()) {
            (Some(&rows), Some(&outputs)) => {
                scales.shape.len() > 1 && rows.checked_mul(2) == Some(outputs)
            }
            _ => false,
        },
    };
    exactly(if two_per_byte { twice } else { bytes })
}

#[cfg(test)]
mod tests {
    use super::{Form, Grid, Logical, PACKINGS, SIDES};
    use crate::checkpoint::Pattern;
    use crate::dtype::StoredDtype;
    use std::sync::Arc;

    fn form(dtype: &str, shape: &[u64], bytes: u64) -> Form {
        Form {
            pattern: Arc::new(Pattern::split("x", &mut Vec::new())),
            dtype: StoredDtype::from_name(dtype),
            shape: shape.into(),
            bytes,
        }
    }

    /// What HQQ's `Quantizer.quantize` makes of a weight of 96 x 128 in groups of 64: 192 groups.
    #[test]
    fn hqq_counts_by_its_scales() {
        let hqq = PACKINGS
            .iter()
            .find(|packing| packing.scheme == "hqq")
            .unwrap();
        let none = Grid::default();
        let grid = |bits, group_size| Grid {
            bits: Some(bits),
            group_size: Some(group_size),
        };
        let count = |dtype: &str, packed: &[u64], scale: &[u64], grid| {
            let scale = form("F16", scale, 384);
            hqq.count(&form(dtype, packed, 0), &|_: &str| Some(&scale), grid)
        };
        let exact = |parameters| {
            Some(Logical {
                parameters,
                assumed: None,
            })
        };
        // Along axis 1 the scales alone tell, also for 3 bits, whose 192 rows take 20 words and not 19.2.
        assert_eq!(count("U8", &[96, 64], &[192, 1], none), exact(96 * 128));
        assert_eq!(count("U8", &[48, 64], &[192, 1], none), exact(96 * 128));
        assert_eq!(count("I32", &[20, 64], &[192, 1], none), exact(96 * 128));
        // Along axis 0 the group size must be stated: 64 weights of 3 bits take 7 words of ten.
        assert_eq!(
            count("I32", &[7, 192], &[1, 192], grid(3, 64)),
            exact(96 * 128)
        );
        assert_eq!(
            count("U8", &[16, 192], &[1, 192], grid(2, 64)),
            exact(96 * 128)
        );
        let assumed = count("I32", &[7, 192], &[1, 192], none).unwrap();
        assert_eq!(
            (assumed.parameters, assumed.assumed.is_some()),
            (96 * 128, true)
        );
    }

    #[test]
    fn each_side_is_listed_once() {
        let mut suffixes: Vec<_> = SIDES.iter().map(|side| side.suffix).collect();
        suffixes.sort_unstable();
        let all = suffixes.len();
        suffixes.dedup();
        assert_eq!(suffixes.len(), all);
    }
}
