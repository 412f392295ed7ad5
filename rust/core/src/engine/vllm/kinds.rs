//! What a model remembers, by kind, as far as blocks and defaults depend on it.

use crate::architecture::Architecture;
use crate::architecture::layer::Recurrence;
use crate::architecture::shared::Shared;
use crate::memory::store::Store;

/// What there is among the caches of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set: any of them may be there"
)]
pub struct Kinds {
    /// Keys and values, or latent vectors.
    pub attention: bool,
    /// Latent vectors.
    pub latent: bool,
    /// Entries that stand for several tokens.
    pub compressed: bool,
    /// Keys of an indexer beside latent vectors.
    pub sparse: bool,
    /// Keys of an indexer beside keys and values.
    pub indexed: bool,
    /// States.
    pub states: bool,
    /// States other than those of Mamba.
    pub other_states: bool,
    /// States of gated delta nets, and no others.
    pub delta_only: bool,
    /// Keys and values of an encoder.
    pub cross: bool,
    /// Windows.
    pub windows: bool,
}

impl Kinds {
    /// Those of the layers of a model on one of so many tensor-parallel ranks.
    #[must_use]
    pub fn of(stores: &[Shared<Store>]) -> Self {
        let mut kinds = Self::default();
        let mut delta = false;
        let mut not_delta = false;
        for layer in stores {
            let latent = layer
                .iter()
                .any(|store| matches!(store, Store::Latent { .. }));
            for store in layer {
                match *store {
                    Store::KeyValue { reach, .. } => {
                        kinds.attention = true;
                        kinds.windows |= reach.saturates().is_some();
                    }
                    Store::Latent { .. } => {
                        kinds.attention = true;
                        kinds.latent = true;
                    }
                    Store::Compressed { .. } => {
                        kinds.attention = true;
                        kinds.compressed = true;
                        kinds.windows = true;
                    }
                    Store::Indexer { .. } if latent => kinds.sparse = true,
                    Store::Indexer { .. } => kinds.indexed = true,
                    Store::State { recurrence, .. } => {
                        kinds.states = true;
                        kinds.other_states |=
                            !matches!(recurrence, Recurrence::Mamba1 | Recurrence::Mamba2);
                        delta |= recurrence == Recurrence::GatedDelta;
                        not_delta |= recurrence != Recurrence::GatedDelta;
                    }
                    Store::Cross { .. } => kinds.cross = true,
                }
            }
        }
        kinds.delta_only = delta && !not_delta;
        kinds
    }

    /// Whether attention and states lie side by side.
    #[must_use]
    pub const fn hybrid(self) -> bool {
        self.attention && self.states
    }
}

/// What every layer of the decoder remembers on one of so many tensor-parallel ranks.
#[must_use]
pub fn stores(architecture: &Architecture, ranks: u64) -> Vec<Shared<Store>> {
    Store::of_each(architecture.decoder(), ranks)
}
