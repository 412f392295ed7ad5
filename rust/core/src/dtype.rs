//! Storage dtypes of safetensors, as one table.
//!
//! The list is that of safetensors 0.8 (`safetensors/src/tensor.rs`, enum `Dtype`). A name that is not in it is
//! carried as [`StoredDtype::Unknown`]; its size then comes from the tensor's byte range.

use serde::{Deserialize, Serialize};
/// One row of the dtype table.
struct Row {
    dtype: Dtype,
    name: &'static str,
    bits: u64,
}

macro_rules! dtypes {
    ($($variant:ident $name:literal $bits:literal),+ $(,)?) => {
        /// How one element of a tensor is stored.
        ///
        /// Variants are in the order of the safetensors format: ascending alignment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Dtype {
            $(#[doc = concat!("`", $name, "`, ", stringify!($bits), " bits per element.")] $variant,)+
        }

        const TABLE: &[Row] = &[$(Row { dtype: Dtype::$variant, name: $name, bits: $bits }),+];
    };
}

dtypes! {
    Bool "BOOL" 8,
    F4 "F4" 4,
    F6E2M3 "F6_E2M3" 6,
    F6E3M2 "F6_E3M2" 6,
    U8 "U8" 8,
    I8 "I8" 8,
    F8E5M2 "F8_E5M2" 8,
    F8E4M3 "F8_E4M3" 8,
    F8E8M0 "F8_E8M0" 8,
    F8E4M3Fnuz "F8_E4M3FNUZ" 8,
    F8E5M2Fnuz "F8_E5M2FNUZ" 8,
    I16 "I16" 16,
    U16 "U16" 16,
    F16 "F16" 16,
    Bf16 "BF16" 16,
    I32 "I32" 32,
    U32 "U32" 32,
    F32 "F32" 32,
    C64 "C64" 64,
    F64 "F64" 64,
    I64 "I64" 64,
    U64 "U64" 64,
}

/// Everyday names of the dtypes a cache can have without scales.
const CACHES: &[(&str, Dtype)] = &[
    ("fp32", Dtype::F32),
    ("float32", Dtype::F32),
    ("fp16", Dtype::F16),
    ("float16", Dtype::F16),
    ("bf16", Dtype::Bf16),
    ("bfloat16", Dtype::Bf16),
    ("fp8", Dtype::F8E4M3),
    ("fp8_e4m3", Dtype::F8E4M3),
    ("fp8_e5m2", Dtype::F8E5M2),
];

impl Dtype {
    /// Every known dtype, in table order.
    pub fn known() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.dtype)
    }

    /// The dtype with this safetensors name, if it is known.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.dtype)
    }

    /// The dtype that a cache has by this everyday name, in any case.
    #[must_use]
    pub fn for_cache(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        CACHES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, dtype)| *dtype)
    }

    /// Every name that [`Self::for_cache`] knows.
    pub fn cache_names() -> impl Iterator<Item = &'static str> {
        CACHES.iter().map(|(name, _)| *name)
    }

    /// The safetensors name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].name
    }

    /// Bits per element.
    #[must_use]
    pub const fn bits(self) -> u64 {
        TABLE[self as usize].bits
    }

    /// Whether elements are whole numbers.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        matches!(
            self,
            Self::U8
                | Self::I8
                | Self::I16
                | Self::U16
                | Self::I32
                | Self::U32
                | Self::I64
                | Self::U64
        )
    }

    /// Whether elements are 8-bit floating point numbers of any kind but the exponent-only `F8_E8M0`.
    #[must_use]
    pub const fn is_float8(self) -> bool {
        matches!(
            self,
            Self::F8E5M2 | Self::F8E4M3 | Self::F8E4M3Fnuz | Self::F8E5M2Fnuz
        )
    }
}

/// The dtype of a stored tensor: one of the table, or a name this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoredDtype {
    /// A dtype of safetensors 0.8.
    Known(Dtype),
    /// Any other name.
    Unknown(Box<str>),
}

impl StoredDtype {
    /// The dtype a header names.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Dtype::from_name(name).map_or_else(|| Self::Unknown(name.into()), Self::Known)
    }

    /// The name as the header gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(dtype) => dtype.name(),
            Self::Unknown(name) => name,
        }
    }

    /// The dtype, if it is known.
    #[must_use]
    pub const fn known(&self) -> Option<Dtype> {
        match self {
            Self::Known(dtype) => Some(*dtype),
            Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dtype, TABLE};

    #[test]
    fn table_is_indexed_by_discriminant_and_names_are_unique() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.dtype as usize, index);
            assert_eq!(Dtype::from_name(row.name), Some(row.dtype));
        }
        assert_eq!(Dtype::from_name("F7"), None);
    }
}
