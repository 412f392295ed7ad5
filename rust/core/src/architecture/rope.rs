//! Rotary positions: how they are stated, in all the forms that configs have.

use super::config::{Fields, Result};
use serde::{Deserialize, Serialize};

/// How positions are turned into rotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// The base of the frequencies, theta.
    pub base: Option<f64>,
    /// `default`, `linear`, `dynamic`, `yarn`, `longrope`, `llama3`, ...
    pub kind: String,
    /// By how much the context is stretched.
    pub factor: Option<f64>,
    /// The context before stretching.
    pub original_context: Option<u64>,
}

impl Rope {
    /// Reads `rope_parameters`, `rope_scaling` and `rope_theta`, whichever are there.
    ///
    /// # Errors
    /// If one of them is of the wrong kind.
    pub fn read(fields: &Fields<'_>) -> Result<Option<Self>> {
        let base = fields.opt_ratio("rope_theta|rotary_emb_base|rope_ratio")?;
        // Since version 5 of transformers one object holds everything, and with several kinds of layers one for each.
        let mut scaling = None;
        for name in ["rope_parameters", "rope_scaling"] {
            if fields.value(name).is_some_and(serde_json::Value::is_object) {
                scaling = fields.opt_object(name)?;
                break;
            }
        }
        let scaling = match scaling {
            Some(all) if all.has("full_attention") => all.opt_object("full_attention")?,
            other => other,
        };
        let Some(scaling) = scaling else {
            return Ok(base.map(|base| Self {
                base: Some(base),
                kind: "default".to_owned(),
                factor: None,
                original_context: None,
            }));
        };
        Ok(Some(Self {
            base: scaling.opt_ratio("rope_theta")?.or(base),
            kind: scaling
                .opt_text("rope_type|type")?
                .unwrap_or("default")
                .to_owned(),
            factor: scaling.opt_ratio("factor")?,
            original_context: scaling
                .opt_count("original_max_position_embeddings")?
                .or(fields.opt_count("original_max_position_embeddings")?),
        }))
    }
}
