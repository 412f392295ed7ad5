//! Storage formats of weights: blocks of so many weights in so many bytes. Never a float of bits per weight.
//!
//! Sources: ggml's `ggml-common.h` (its static assertions on block sizes) for the GGUF types; for the others the layouts
//! of the libraries that write them, as [`super::packing`] reads them. What a scheme adds beside its blocks (scales of
//! rows, zero points, orders of inputs) is in [`super::scheme`].

/// A storage format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Its name.
    pub name: &'static str,
    /// Weights in a block.
    pub weights: u64,
    /// Bytes of a block, scales and zero points included.
    pub bytes: u64,
    /// What it is, where all weights of a model may be stored in it.
    pub note: &'static str,
}

impl Format {
    /// Bytes of so many weights. `None` if they do not fit 64 bits.
    #[must_use]
    pub const fn size(&self, weights: u64) -> Option<u64> {
        weights.div_ceil(self.weights).checked_mul(self.bytes)
    }
}

const fn format(name: &'static str, weights: u64, bytes: u64, note: &'static str) -> Format {
    Format {
        name,
        weights,
        bytes,
        note,
    }
}

macro_rules! formats {
    ($($constant:ident $name:literal $weights:literal $bytes:literal $note:literal,)+) => {
        $(#[doc = concat!("`", $name, "`: ", stringify!($weights), " weights in ", stringify!($bytes), " bytes.")]
        pub const $constant: Format = format($name, $weights, $bytes, $note);)+

        /// Every format, largest first.
        pub const FORMATS: &[Format] = &[$($constant),+];
    };
}

formats! {
    F32 "fp32" 1 4 "32-bit floats: how models were once trained",
    F16 "bf16" 1 2 "16-bit floats, and so is fp16: how most models are published",
    Q8_0 "Q8_0" 32 34 "GGUF, 8 bits and a scale for 32 weights",
    MXFP8 "mxfp8" 32 33 "",
    BYTE "fp8" 1 1 "8-bit floats, scales of whole tensors or blocks of 128 x 128 aside",
    Q6_K "Q6_K" 256 210 "GGUF, the blocks of Q6_K",
    Q5_1 "Q5_1" 32 24 "",
    Q5_0 "Q5_0" 32 22 "",
    Q5_K "Q5_K" 256 176 "GGUF, most blocks of Q5_K_M and Q5_K_S",
    Q4_1 "Q4_1" 32 20 "",
    Q4_0 "Q4_0" 32 18 "",
    IQ4_NL "IQ4_NL" 32 18 "",
    Q4_K "Q4_K" 256 144 "GGUF, most blocks of Q4_K_M and Q4_K_S",
    NVFP4 "nvfp4" 16 9 "4-bit floats and an 8-bit scale for 16 weights",
    MXFP4 "mxfp4" 32 17 "4-bit floats and an 8-bit scale for 32 weights",
    IQ4_XS "IQ4_XS" 256 136 "",
    // 64 bytes of weights, a 2-byte scale and half a byte of zero point: doubled to be whole.
    INT4_G128 "int4-g128" 256 133 "GPTQ and AWQ: 4 bits, a scale and a zero point for 128 weights",
    HALF_BYTE "int4" 2 1 "",
    Q3_K "Q3_K" 256 110 "GGUF, most blocks of Q3_K_M and Q3_K_S",
    IQ3_S "IQ3_S" 256 110 "",
    IQ3_XXS "IQ3_XXS" 256 98 "",
    Q2_K "Q2_K" 256 84 "GGUF, most blocks of Q2_K",
    IQ2_S "IQ2_S" 256 82 "",
    IQ2_XS "IQ2_XS" 256 74 "",
    IQ2_XXS "IQ2_XXS" 256 66 "",
    TQ2_0 "TQ2_0" 256 66 "",
    IQ1_M "IQ1_M" 256 56 "",
    TQ1_0 "TQ1_0" 256 54 "",
    IQ1_S "IQ1_S" 256 50 "",
}

/// Formats that all weights of a model may be stored in, largest first.
pub fn whole_models() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|format| !format.note.is_empty())
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::cast_precision_loss,
        reason = "a block has a few hundred weights and bytes"
    )]
    use super::FORMATS;

    #[test]
    fn formats_are_in_order_and_agree_with_published_bits() {
        let bits = |one: &super::Format| one.bytes as f64 * 8.0 / one.weights as f64;
        assert!(
            FORMATS
                .windows(2)
                .all(|pair| bits(&pair[0]) >= bits(&pair[1]))
        );
        // Bits per weight as llama.cpp, NVIDIA and the OCP specification state them.
        for (name, stated) in [
            ("Q8_0", 8.5),
            ("Q6_K", 6.5625),
            ("Q5_1", 6.0),
            ("Q5_0", 5.5),
            ("Q5_K", 5.5),
            ("Q4_1", 5.0),
            ("Q4_0", 4.5),
            ("Q4_K", 4.5),
            ("IQ4_NL", 4.5),
            ("nvfp4", 4.5),
            ("mxfp4", 4.25),
            ("mxfp8", 8.25),
            ("IQ4_XS", 4.25),
            ("int4-g128", 4.15625),
            ("Q3_K", 3.4375),
            ("IQ3_S", 3.4375),
            ("IQ3_XXS", 3.0625),
            ("Q2_K", 2.625),
            ("IQ2_S", 2.5625),
            ("IQ2_XS", 2.3125),
            ("IQ2_XXS", 2.0625),
            ("TQ2_0", 2.0625),
            ("TQ1_0", 1.6875),
            ("IQ1_M", 1.75),
            ("IQ1_S", 1.5625),
        ] {
            let format = FORMATS.iter().find(|format| format.name == name).unwrap();
            assert!((bits(format) - stated).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn a_block_that_is_not_full_takes_its_whole_size() {
        let q4 = FORMATS.iter().find(|format| format.name == "Q4_K").unwrap();
        assert_eq!(q4.size(256), Some(144));
        assert_eq!(q4.size(257), Some(288));
        assert_eq!(q4.size(0), Some(0));
    }
}
