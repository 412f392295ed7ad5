use crate::checkpoint::{Form, Pattern};
use crate::dtype::StoredDtype;
use crate::quantization::config::{Grid, Stated};
use crate::quantization::packing::{Logical, PACKINGS};
use std::sync::Arc;

fn form(dtype: &str, shape: &[u64]) -> Form {
    Form {
        pattern: Arc::new(Pattern::split("x", &mut Vec::new())),
        dtype: StoredDtype::from_name(dtype),
        shape: shape.into(),
        bytes: 0,
    }
}

const fn grid(bits: u64, group_size: u64) -> Grid {
    Grid {
        bits: Some(bits),
        group_size: Some(group_size),
    }
}

const fn exact(parameters: u64) -> Logical {
    Logical {
        parameters,
        assumed: None,
    }
}

/// The scheme and count that the table gives a tensor of this name.
fn count(
    name: &str,
    form: &Form,
    siblings: &[(&str, Form)],
    stated: Stated<'_>,
) -> Option<(&'static str, Logical)> {
    PACKINGS.iter().find_map(|packing| {
        let stem = name.strip_suffix(packing.suffix)?;
        let sibling = |suffix: &str| {
            let named = siblings
                .iter()
                .find(|(name, _)| *name == format!("{stem}{suffix}"));
            named.map(|(_, form)| form)
        };
        let logical = packing
            .fits(name, form)
            .then(|| packing.count(form, &sibling, stated))??;
        Some((packing.scheme, logical))
    })
}

/// What HQQ's `Quantizer.quantize` makes of a weight of 96 x 128 in groups of 64: 192 groups.
#[test]
fn hqq_counts_by_its_scales() {
    let count = |dtype: &str, packed: &[u64], scale: &[u64], grid| {
        let stated = Stated {
            grid,
            ..Stated::default()
        };
        let (scheme, logical) = count(
            "m.W_q",
            &form(dtype, packed),
            &[("m.scale", form("F16", scale))],
            stated,
        )?;
        assert_eq!(scheme, "hqq");
        Some(logical)
    };
    let none = Grid::default();
    // Along axis 1 the scales alone tell, also for 3 bits, whose 192 rows take 20 words and not 19.2.
    assert_eq!(
        count("U8", &[96, 64], &[192, 1], none),
        Some(exact(96 * 128))
    );
    assert_eq!(
        count("U8", &[48, 64], &[192, 1], none),
        Some(exact(96 * 128))
    );
    assert_eq!(
        count("I32", &[20, 64], &[192, 1], none),
        Some(exact(96 * 128))
    );
    // Along axis 0 the group size must be stated: 64 weights of 3 bits take 7 words of ten.
    assert_eq!(
        count("I32", &[7, 192], &[1, 192], grid(3, 64)),
        Some(exact(96 * 128))
    );
    assert_eq!(
        count("U8", &[16, 192], &[1, 192], grid(2, 64)),
        Some(exact(96 * 128))
    );
    let assumed = count("I32", &[7, 192], &[1, 192], none).unwrap();
    assert_eq!(
        (assumed.parameters, assumed.assumed.is_some()),
        (96 * 128, true)
    );
}

/// Bytes with scales, in the shapes that `ModelOpt`, compressed-tensors, torchao and transformers write.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn bytes_count_by_their_scales() {
    let none = Stated::default();
    let bitnet = Stated {
        method: Some("bitnet"),
        ..none
    };
    for (scheme, name, dtype, shape, scales, scales_dtype, scales_shape, stated, expected) in [
        // A weight of 128 x 512 in blocks of 16.
        (
            "nvfp4",
            "m.weight",
            "U8",
            &[128, 256][..],
            "m.weight_scale",
            "F8_E4M3",
            &[128, 32][..],
            none,
            128 * 512,
        ),
        (
            "nvfp4",
            "m.weight_packed",
            "U8",
            &[128, 256],
            "m.weight_scale",
            "F8_E4M3",
            &[128, 32],
            none,
            128 * 512,
        ),
        // Experts of one tensor, and the same with inputs before outputs.
        (
            "nvfp4",
            "e.gate_up_proj",
            "U8",
            &[8, 128, 256],
            "e.gate_up_proj_weight_scale",
            "F8_E4M3",
            &[8, 128, 32],
            none,
            8 * 128 * 512,
        ),
        (
            "nvfp4",
            "e.gate_up_proj",
            "U8",
            &[16, 2560, 384],
            "e.gate_up_proj_weight_scale",
            "F8_E4M3",
            &[16, 320, 384],
            none,
            16 * 5120 * 384,
        ),
        (
            "mxfp4",
            "e.down_proj",
            "U8",
            &[8, 128, 256],
            "e.down_proj_weight_scale",
            "U8",
            &[8, 128, 16],
            none,
            8 * 128 * 512,
        ),
        (
            "mxfp4",
            "m.weight",
            "I8",
            &[128, 256],
            "m.scale",
            "F8_E8M0",
            &[128, 16],
            none,
            128 * 512,
        ),
        (
            "mxfp8",
            "m.weight",
            "U8",
            &[128, 512],
            "m.weight_scale",
            "U8",
            &[128, 16],
            none,
            128 * 512,
        ),
        (
            "int4",
            "m.weight",
            "U8",
            &[64, 512],
            "m.weight_scale",
            "BF16",
            &[128, 4],
            none,
            128 * 512,
        ),
        (
            "int8",
            "m.weight",
            "I8",
            &[128, 512],
            "m.weight_scale",
            "BF16",
            &[128, 1],
            none,
            128 * 512,
        ),
        (
            "int8",
            "m.weight",
            "I8",
            &[128, 512],
            "m.weight_scale",
            "F32",
            &[],
            none,
            128 * 512,
        ),
        (
            "bitsandbytes 8-bit",
            "m.weight",
            "I8",
            &[128, 512],
            "m.SCB",
            "F32",
            &[128],
            none,
            128 * 512,
        ),
        (
            "bitnet",
            "m.weight",
            "U8",
            &[32, 512],
            "m.weight_scale",
            "BF16",
            &[1],
            bitnet,
            128 * 512,
        ),
        // torchao, a weight of 128 x 512 in groups of 64.
        (
            "torchao",
            "m._weight_qdata",
            "I8",
            &[128, 256],
            "m._weight_scale",
            "BF16",
            &[8, 128],
            none,
            128 * 512,
        ),
        (
            "torchao",
            "m._weight_qdata",
            "I8",
            &[4, 128, 256],
            "m._weight_scale",
            "BF16",
            &[4, 8, 128],
            none,
            4 * 128 * 512,
        ),
        (
            "torchao",
            "m._weight_qdata",
            "I8",
            &[128, 512],
            "m._weight_scale",
            "BF16",
            &[128, 8],
            none,
            128 * 512,
        ),
        (
            "torchao",
            "m._weight_qdata",
            "I32",
            &[16, 4, 32, 4],
            "m._weight_scale_and_zero",
            "BF16",
            &[8, 128, 2],
            none,
            128 * 512,
        ),
        (
            "nvfp4",
            "m._weight_qdata",
            "U8",
            &[128, 256],
            "m._weight_scale",
            "F8_E4M3",
            &[128, 32],
            none,
            128 * 512,
        ),
    ] {
        let found = count(
            name,
            &form(dtype, shape),
            &[(scales, form(scales_dtype, scales_shape))],
            stated,
        );
        assert_eq!(
            found,
            Some((scheme, exact(expected))),
            "{name} {dtype} {shape:?}"
        );
    }
    // Four ternary weights or one of 8 bits: without a configuration these bytes do not tell.
    let one_scale = [("m.weight_scale", form("BF16", &[1]))];
    assert_eq!(
        count("m.weight", &form("U8", &[32, 512]), &one_scale, none),
        None
    );
    assert_eq!(count("m.weight", &form("U8", &[32, 512]), &[], none), None);
}

/// A row of 256 weights of 3 bits takes 26 words of ten (`pack_to_int32` of compressed-tensors 0.15) or 24
/// without gaps (0.20). A row of 288 weights in groups of 96 takes 29 or 27.
#[test]
fn words_count_by_their_groups() {
    let packed = |columns, groups, stated| {
        let scales = [("m.weight_scale", form("BF16", &[512, groups]))];
        let (scheme, logical) = count(
            "m.weight_packed",
            &form("I32", &[512, columns]),
            &scales,
            stated,
        )
        .unwrap();
        assert_eq!(scheme, "compressed-tensors");
        logical
    };
    let of = |grid| Stated {
        grid,
        ..Stated::default()
    };
    for (columns, groups, grid, width) in [
        (26, 2, grid(3, 128), 256),
        (24, 2, grid(3, 128), 256),
        (29, 3, grid(3, 96), 288),
        (27, 3, grid(3, 96), 288),
        (43, 2, grid(5, 128), 256),
        (40, 2, grid(5, 128), 256),
        (52, 2, grid(6, 128), 256),
        (64, 2, grid(7, 128), 256),
        (32, 2, grid(4, 128), 256),
        (64, 2, grid(8, 128), 256),
    ] {
        assert_eq!(
            packed(columns, groups, of(grid)),
            exact(512 * width),
            "{columns} words"
        );
    }
    // A scale per row: even bits are sure, uneven ones are not.
    let channel = |bits| Grid {
        bits: Some(bits),
        group_size: None,
    };
    assert_eq!(packed(32, 1, of(channel(4))), exact(512 * 256));
    let uneven = packed(24, 1, of(channel(3)));
    assert_eq!(
        (uneven.parameters, uneven.assumed.is_some()),
        (512 * 256, true)
    );
}

#[test]
fn one_of_several_grids_is_told_by_the_groups() {
    let both = [grid(4, 128), grid(8, 128)];
    let stated = Stated {
        groups: &both,
        ..Stated::default()
    };
    let packed = |columns, siblings: &[(&str, Form)]| {
        count(
            "m.weight_packed",
            &form("I32", &[512, columns]),
            siblings,
            stated,
        )
        .unwrap()
        .1
    };
    let scales = |groups| ("m.weight_scale", form("BF16", &[512, groups]));
    // 256 weights of 4 bits take 32 words, of 8 bits 64.
    assert_eq!(packed(32, &[scales(2)]), exact(512 * 256));
    assert_eq!(packed(64, &[scales(2)]), exact(512 * 256));
    // The order of the inputs, where there is one, says how many there are.
    let order = ("m.weight_g_idx", form("I32", &[256]));
    assert_eq!(packed(64, &[scales(1), order]), exact(512 * 256));
    let assumed = packed(64, &[scales(1)]).assumed.unwrap();
    assert!(assumed.contains("several grids"), "{assumed}");
}
