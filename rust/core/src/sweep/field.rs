//! What a row of a sweep tells of a deployment.

/// A column of results. Of a deployment that cannot be, all but the reason are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Whether it fits: 1 or 0.
    Fits,
    /// Why it cannot be: 0 if it can, or else one more than the place in [`REASONS`].
    Reason,
    /// Bytes of weights on the fullest GPU.
    Weights,
    /// Bytes that the engine sets aside for the asked requests there.
    Cache,
    /// Bytes of activations.
    Activations,
    /// Bytes of what the engine takes beside.
    Overhead,
    /// Bytes of the driver.
    CudaContext,
    /// Bytes of captured graphs.
    CudaGraphs,
    /// Bytes of all these.
    Total,
    /// Bytes that the runtime reports of each GPU.
    Usable,
    /// Bytes to spare, negative if they do not suffice; numbers beyond 64 bits stay at the end.
    Headroom,
    /// GPUs in all.
    Gpus,
    /// Tokens of the whole cache, as the engine prints them.
    CacheTokens,
    /// Requests of the full context that the whole cache holds, rounded down; 0 where the engine says none.
    MaxConcurrency,
    /// Parameters of the model.
    Parameters,
    /// Parameters that a token goes through.
    ActiveParameters,
}

use crate::deployment::Reason;

/// Why a deployment cannot be, in the order of codes.
pub const REASONS: [(Reason, &str); 12] = [
    (Reason::Value, "value"),
    (Reason::Gpus, "gpus"),
    (Reason::Heads, "heads"),
    (Reason::KvHeads, "kv_heads"),
    (Reason::Width, "width"),
    (Reason::Experts, "experts"),
    (Reason::Layers, "layers"),
    (Reason::Vocabulary, "vocabulary"),
    (Reason::Context, "context"),
    (Reason::Engine, "engine"),
    (Reason::Cache, "cache"),
    (Reason::Model, "model"),
];

/// The code of a reason.
#[must_use]
pub fn code(reason: Option<Reason>) -> u64 {
    let Some(reason) = reason else { return 0 };
    let place = REASONS.iter().position(|(known, _)| *known == reason);
    place.map_or(0, |place| place as u64 + 1)
}

impl Field {
    /// Every column, in order.
    pub const ALL: [Self; 16] = [
        Self::Fits,
        Self::Reason,
        Self::Weights,
        Self::Cache,
        Self::Activations,
        Self::Overhead,
        Self::CudaContext,
        Self::CudaGraphs,
        Self::Total,
        Self::Usable,
        Self::Headroom,
        Self::Gpus,
        Self::CacheTokens,
        Self::MaxConcurrency,
        Self::Parameters,
        Self::ActiveParameters,
    ];

    /// Its name in data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Reason => "reason",
            Self::Weights => "weights_bytes",
            Self::Cache => "cache_bytes",
            Self::Activations => "activations_bytes",
            Self::Overhead => "overhead_bytes",
            Self::CudaContext => "cuda_context_bytes",
            Self::CudaGraphs => "cuda_graphs_bytes",
            Self::Total => "total_bytes",
            Self::Usable => "usable_bytes",
            Self::Headroom => "headroom_bytes",
            Self::Gpus => "gpus_in_all",
            Self::CacheTokens => "cache_tokens",
            Self::MaxConcurrency => "max_concurrency",
            Self::Parameters => "parameters",
            Self::ActiveParameters => "active_parameters",
        }
    }

    /// The column of this name. Bytes may be named without `_bytes` where no axis is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let bare = |field: &Self| match field.name().strip_suffix("_bytes") {
            Some(bare) => bare == name && bare != "weights" && bare != "cache",
            None => false,
        };
        Self::ALL
            .into_iter()
            .find(|field| field.name() == name || bare(field))
    }
}

/// A set of columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(u32);

impl Fields {
    /// These.
    pub fn of(fields: &[Field]) -> Self {
        Self(
            fields
                .iter()
                .fold(0, |set, field| set | 1 << (*field as u32)),
        )
    }

    /// Whether it is among them.
    pub const fn has(self, field: Field) -> bool {
        self.0 & (1 << (field as u32)) != 0
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, REASONS, code};
    use serde_json::json;

    #[test]
    fn names_and_codes_are_their_own() {
        for (place, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, place);
            assert_eq!(Field::named(field.name()), Some(field));
        }
        for (place, (reason, name)) in REASONS.into_iter().enumerate() {
            assert_eq!(json!(reason), json!(name));
            assert_eq!(code(Some(reason)), place as u64 + 1);
        }
        assert_eq!(code(None), 0);
        assert_eq!(Field::named("headroom"), Some(Field::Headroom));
        assert_eq!(Field::named("weights"), None);
    }
}
