//! How many weights a packed tensor stands for, scheme by scheme.
//!
//! Each function is the count of one or more rows of [`super::packing::PACKINGS`], and gives `None` if the shapes are
//! not those that its library writes.

use super::config::Grid;
use super::packing::{Logical, Packed};
use crate::checkpoint::Form;
use crate::dtype::Dtype;

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

/// Bytes of two weights each.
pub fn two_per_byte(packed: &Packed<'_, '_>) -> Option<Logical> {
    exactly(packed.form.elements()?.checked_mul(2)?)
}

/// Bytes of one weight each.
pub fn one_per_byte(packed: &Packed<'_, '_>) -> Option<Logical> {
    exactly(packed.form.elements()?)
}

/// Whether the scales are so many that each serves a block of so many weights, when bytes hold so many each.
///
/// Only products are compared, so that the blocks may lie along any side.
fn has_blocks(packed: &Packed<'_, '_>, block: u64, per_byte: u64) -> Option<bool> {
    let weights = packed.form.elements()?.checked_mul(per_byte)?;
    Some(packed.needed.elements()?.checked_mul(block)? == weights)
}

fn is_power_of_two(scales: &Form) -> bool {
    matches!(scales.dtype.known(), Some(Dtype::U8 | Dtype::F8E8M0))
}

fn is_plain_float(scales: &Form) -> bool {
    matches!(
        scales.dtype.known(),
        Some(Dtype::F16 | Dtype::Bf16 | Dtype::F32)
    )
}

/// NVFP4: two weights per byte, and one E4M3 scale for 16 weights.
pub fn nvfp4(packed: &Packed<'_, '_>) -> Option<Logical> {
    let fits = packed.needed.dtype.known() == Some(Dtype::F8E4M3) && has_blocks(packed, 16, 2)?;
    fits.then(|| two_per_byte(packed))?
}

/// MXFP4: two weights per byte, and one power of two for 32 weights.
pub fn mxfp4(packed: &Packed<'_, '_>) -> Option<Logical> {
    let fits = is_power_of_two(packed.needed) && has_blocks(packed, 32, 2)?;
    fits.then(|| two_per_byte(packed))?
}

/// MXFP8 stored as plain bytes: one power of two for 32 of them.
pub fn mxfp8(packed: &Packed<'_, '_>) -> Option<Logical> {
    let fits = is_power_of_two(packed.needed) && has_blocks(packed, 32, 1)?;
    fits.then(|| one_per_byte(packed))?
}

/// `ModelOpt` packs two output rows of int4 into one; the scales keep a row for each.
pub fn two_rows_per_row(packed: &Packed<'_, '_>) -> Option<Logical> {
    let (&rows, &outputs) = (packed.form.shape.first()?, packed.needed.shape.first()?);
    let fits = is_plain_float(packed.needed)
        && packed.needed.shape.len() > 1
        && rows.checked_mul(2) == Some(outputs);
    fits.then(|| two_per_byte(packed))?
}

/// `BitNet` packs four output rows of ternary weights into one, with one scale for all (`pack_weights` of transformers).
/// Only the configuration tells these bytes from others.
pub fn bitnet(packed: &Packed<'_, '_>) -> Option<Logical> {
    let fits = packed.stated.method == Some("bitnet");
    fits.then(|| exactly(packed.form.elements()?.checked_mul(4)?))?
}

/// Signed bytes are weights, with float scales of any granularity. Unsigned ones may be packed: they are weights only
/// if each of their rows has its own scale.
pub fn int8(packed: &Packed<'_, '_>) -> Option<Logical> {
    let (form, scales) = (packed.form, packed.needed);
    let own_scales = scales.elements() > Some(1) && form.shape.first() == scales.shape.first();
    let fits = is_plain_float(scales) && (form.dtype.known() == Some(Dtype::I8) || own_scales);
    fits.then(|| one_per_byte(packed))?
}

/// bitsandbytes flattens 4-bit weights to [bytes, 1] of the storage dtype, two weights per byte.
pub fn bitsandbytes(packed: &Packed<'_, '_>) -> Option<Logical> {
    exactly(packed.form.bytes.checked_mul(2)?)
}

/// `ExLlama` 2 keeps the order of the inputs beside the words.
pub fn exl2(packed: &Packed<'_, '_>) -> Option<Logical> {
    let inputs = packed.needed.elements()?;
    exactly(inputs.checked_mul(*packed.form.shape.last()?)?)
}

/// `ExLlama` 3 has tiles of 16 x 16 weights.
pub fn exl3(packed: &Packed<'_, '_>) -> Option<Logical> {
    match *packed.form.shape {
        [inputs, outputs, _] => exactly(inputs.checked_mul(outputs)?.checked_mul(256)?),
        _ => None,
    }
}

/// AQLM has codes [out groups, in groups, codebooks] and codebooks [codebooks, entries, out group, in group].
pub fn aqlm(packed: &Packed<'_, '_>) -> Option<Logical> {
    match (&*packed.form.shape, &*packed.needed.shape) {
        ([rows, columns, _], [_, _, out_group, in_group]) => exactly(
            rows.checked_mul(*columns)?
                .checked_mul(*out_group)?
                .checked_mul(*in_group)?,
        ),
        _ => None,
    }
}

/// torchao: `Int4TilePackedTo4dTensor` and `Int4PlainInt32Tensor` have words of eight weights, `Int4Tensor` bytes of two
/// with scales [.., groups, out], `IntxUnpackedToInt8Tensor` a byte for each with scales [out, groups].
pub fn torchao(packed: &Packed<'_, '_>) -> Option<Logical> {
    let (form, scales) = (packed.form, &packed.needed.shape);
    if form.dtype.known() == Some(Dtype::I32) {
        return exactly(form.elements()?.checked_mul(8)?);
    }
    match (&*form.shape, &**scales) {
        ([rows, _], [first, _]) if first == rows => one_per_byte(packed),
        ([rows, _], [_, last]) | ([_, rows, _], [_, _, last]) if last == rows => {
            two_per_byte(packed)
        }
        _ => None,
    }
}

/// GPTQ packs input rows (`qweight` [in * bits / 32, out]), AWQ output columns ([in, out * bits / 32]); both keep
/// `scales` [groups, out].
pub fn gptq_or_awq(packed: &Packed<'_, '_>) -> Option<Logical> {
    let siblings = packed.siblings;
    let [rows, columns] = *packed.form.shape else {
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
    let bits = by_zeros
        .filter(|bits| (1..=8).contains(bits))
        .or(packed.stated.grid.bits);
    words(
        packed.form,
        bits,
        "4 bits per weight: neither zero points nor a configuration say",
    )
}

/// compressed-tensors `pack-quantized`: words along the inputs, [.., out, words], scales [.., out, groups].
///
/// In 0.15 a word holds `32 / bits` weights and the rest of its bits stays empty; in 0.20 weights go on over the border
/// of a word (`pack_to_int32` of either). Both end a row with a part of a word, so the groups tell the width exactly and the words alone
/// do not.
pub fn packed_words(packed: &Packed<'_, '_>) -> Option<Logical> {
    let grids = match packed.stated.groups {
        [] => std::slice::from_ref(&packed.stated.grid),
        several => several,
    };
    if let Some(order) = (packed.siblings)(".weight_g_idx")
        && let [outputs, _] = *packed.form.shape
    {
        return exactly(outputs.checked_mul(order.elements()?)?);
    }
    if let Some(scales) = (packed.siblings)(".weight_scale") {
        let mut fitting: Vec<u64> = grids
            .iter()
            .filter_map(|grid| by_groups(packed.form, scales, *grid))
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        if let [only] = fitting[..] {
            return exactly(only);
        }
    }
    let mut bits: Vec<Option<u64>> = grids.iter().map(|grid| grid.bits).collect();
    bits.dedup();
    if bits.len() > 1 {
        return words(
            packed.form,
            None,
            "4 bits per weight: the configuration states several grids, and the shapes do not tell which",
        );
    }
    let counted = words(
        packed.form,
        bits[0],
        "4 bits per weight: no configuration says",
    )?;
    let uneven = bits[0].is_some_and(|bits| bits > 0 && 32 % bits != 0);
    Some(Logical {
        assumed: counted
            .assumed
            .or_else(|| uneven.then_some("words without gaps: no groups tell the width")),
        ..counted
    })
}

/// The weights by a scale for each group, if the words are as many as these groups take in either layout.
fn by_groups(words: &Form, scales: &Form, grid: Grid) -> Option<u64> {
    let bits = grid.bits.filter(|bits| (1..=32).contains(bits))?;
    let (&columns, rows) = words.shape.split_last()?;
    let (&groups, scale_rows) = scales.shape.split_last()?;
    let width = groups.checked_mul(grid.group_size?)?;
    let dense = width.checked_mul(bits)?.div_ceil(32);
    let padded = width.div_ceil(32 / bits);
    let fits = rows == scale_rows && (columns == dense || columns == padded);
    fits.then(|| scales.elements()?.checked_mul(grid.group_size?))?
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
pub fn mlx(packed: &Packed<'_, '_>) -> Option<Logical> {
    let (scales, grid) = (packed.needed, packed.stated.grid);
    if grid.bits.is_some() {
        return words(packed.form, grid.bits, "");
    }
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
pub fn hqq(packed: &Packed<'_, '_>) -> Option<Logical> {
    let (form, grid) = (packed.form, packed.stated.grid);
    let [rows, columns] = *form.shape else {
        return None;
    };
    let groups = match (packed.siblings)(".scale").map(|scale| &*scale.shape) {
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

#[cfg(test)]
mod tests;
