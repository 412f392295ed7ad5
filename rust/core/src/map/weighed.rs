//! What a model weighs, by where its tensors lie: what its files hold, or what the scheme of its config makes of them.

use super::parts::Sums;
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::dtype::Dtype;
use crate::memory::body::{self, Piece};
use crate::memory::stored;
use crate::model::{Model, storage};
use crate::quantization::scheme::Scheme;
use serde_json::Value;

/// The sums of a model, and how it is stored.
#[derive(Clone, Debug, Default)]
pub struct Weighed {
    /// By place and role.
    pub sums: Sums,
    /// The scheme or dtype of the weights, in a word.
    pub storage: Option<String>,
    /// Why bytes are not known.
    pub bytes_unknown: Option<String>,
    /// What was taken to hold of how weights are stored.
    pub assumptions: Vec<Assumption>,
}

impl Model {
    /// What it weighs. Of a checkpoint, what its files hold; of a config, what the scheme it states makes of its tensors.
    #[must_use]
    pub(crate) fn weighed(&self) -> Weighed {
        let mind = self.architecture.as_deref().ok();
        let mut weighed = Weighed::default();
        match (&self.checkpoint, mind) {
            (Some(body), Some(mind)) => {
                let pieces = stored::stored(body, mind, &mut weighed.assumptions);
                weighed.sums = Sums::of_pieces(&pieces);
                let config = self.config.as_deref().unwrap_or(&Value::Null);
                let scheme = Scheme::of_config(config, mind, &mut Vec::new()).ok();
                weighed.storage = Some(storage::of_body(body, scheme.as_ref()));
            }
            (Some(body), None) => {
                weighed.sums = Sums::of_body(body);
                weighed.storage = Some(storage::of_body(body, None));
            }
            (None, Some(mind)) => {
                let config = self.config.as_deref().unwrap_or(&Value::Null);
                let (pieces, storage) = planned(config, mind, &mut weighed.assumptions);
                weighed.sums = Sums::of_pieces(&pieces);
                match storage {
                    Ok(name) => weighed.storage = Some(name),
                    Err(why) => weighed.bytes_unknown = Some(why),
                }
            }
            // Nothing is known of it, and that is not nothing.
            (None, None) => {
                let why = self.architecture.as_ref().err();
                weighed.bytes_unknown = why.map(ToString::to_string);
            }
        }
        weighed
    }
}

/// The pieces that a config's scheme makes and its name, or those of 16-bit weights and why its bytes are not known.
pub fn planned(
    config: &Value,
    mind: &Architecture,
    notes: &mut Vec<Assumption>,
) -> (Vec<Piece>, Result<String, String>) {
    match Scheme::of_config(config, mind, notes) {
        Ok(scheme) => (
            body::planned(mind, &scheme),
            Ok(storage::of_config(&scheme, mind)),
        ),
        Err(error) => {
            let pieces = Scheme::named(Dtype::Bf16.name())
                .map(|plain| body::planned(mind, &plain))
                .unwrap_or_default();
            (pieces, Err(error))
        }
    }
}
