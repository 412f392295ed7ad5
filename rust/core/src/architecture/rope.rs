//! Rotary positions: how they are stated, in all the forms that configs have.

use super::config::Fields;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How positions are turned into rotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rope {
    /// The base of the frequencies, theta. Where layers differ, that of the layers with the farthest reach.
    pub base: Option<f64>,
    /// `default`, `linear`, `dynamic`, `yarn`, `longrope`, `llama3`, ...
    pub kind: String,
    /// By how much the context is stretched.
    pub factor: Option<f64>,
    /// The context before stretching.
    pub original_context: Option<u64>,
}

/// The base that is multiplied where a config gives a ratio.
const USUAL_BASE: f64 = 10_000.0;

/// The kinds of layers whose rotations stand for the model's, the first that is there: those with the farthest reach.
const FARTHEST: &[&str] = &["full_attention", "main", "indexed_attention", "hybrid"];

impl Rope {
    /// Reads `rope_parameters`, `rope_scaling` and `rope_theta`, whichever are there. It changes no tensor, so a form
    /// that is not known is passed over.
    #[must_use]
    pub fn read(fields: &Fields<'_>) -> Option<Self> {
        let base = base(fields);
        let Some(scaling) = scaling(fields) else {
            return base.map(|base| Self {
                base: Some(base),
                kind: "default".to_owned(),
                factor: None,
                original_context: None,
            });
        };
        let original = |fields: &Fields<'_>| {
            let count = fields.opt_count("original_max_position_embeddings");
            count.ok().flatten()
        };
        Some(Self {
            base: number(scaling.value("rope_theta")).or(base),
            kind: scaling
                .value("rope_type|type")
                .and_then(Value::as_str)
                .unwrap_or("default")
                .to_owned(),
            factor: number(scaling.value("factor")),
            original_context: original(&scaling).or_else(|| original(fields)),
        })
    }
}

/// Since version 5 of transformers one object holds everything, and with several kinds of layers one for each.
fn scaling<'c>(fields: &Fields<'c>) -> Option<Fields<'c>> {
    let all = ["rope_parameters", "rope_scaling"]
        .into_iter()
        .find_map(|name| fields.maybe_object(name))?;
    let inner = FARTHEST.iter().find_map(|kind| all.maybe_object(kind));
    let one = inner.or_else(|| {
        let plain = ["rope_theta", "rope_type", "type", "factor"];
        let nested = !all.names().any(|name| plain.contains(&name));
        let mut names = all.names().filter(|_| nested);
        names.find_map(|name| all.maybe_object(name))
    });
    Some(one.unwrap_or(all)).filter(|object| !object.is_empty())
}

fn base(fields: &Fields<'_>) -> Option<f64> {
    const BASE: &str =
        "rope_theta|global_rope_theta|rotary_emb_base|rope_embedding_base|rotary_base";
    number(fields.value(BASE))
        .or_else(|| Some(number(fields.value("rope_ratio"))? * USUAL_BASE))
        .or_else(|| number(fields.maybe_object("attn_config")?.value("rope_theta")))
}

/// A number, or the largest of a list with one for each layer.
fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Array(items) => items.iter().filter_map(Value::as_f64).reduce(f64::max),
        one => one.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::Rope;
    use crate::architecture::config::Config;
    use serde_json::{Value, json};

    fn rope(config: Value) -> Option<Rope> {
        Rope::read(&Config::new(config).ok()?.fields())
    }

    fn base(config: Value) -> Option<f64> {
        rope(config)?.base
    }

    #[test]
    fn the_base_is_read_in_every_form() {
        for config in [
            json!({"rope_theta": 500_000}),
            json!({"rope_theta": [10_000.0, 500_000.0, 10_000.0]}),
            json!({"rope_ratio": 50}),
            json!({"global_rope_theta": 500_000.0, "local_rope_theta": 10_000.0}),
            json!({"rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"}}),
            json!({"rope_parameters": {"sliding_attention": {"rope_theta": 1e4}, "full_attention": {"rope_theta": 5e5}}}),
            json!({"rope_parameters": {"full_attention": null, "sliding_attention": {"rope_theta": 5e5}}}),
            json!({"rope_parameters": {"compress": {"rope_theta": 1.6e5}, "main": {"rope_theta": 5e5}}}),
        ] {
            assert_eq!(base(config.clone()), Some(500_000.0), "{config}");
        }
    }

    #[test]
    fn odd_forms_are_passed_over() {
        let odd = json!({"rope_theta": "far", "rope_scaling": [1], "rope_parameters": 3});
        assert_eq!(rope(odd), None);
        let odd = json!({"rope_theta": 1e4, "rope_scaling": {"type": 4, "factor": "8", "original_max_position_embeddings": []}});
        let rope = rope(odd);
        assert_eq!(rope.as_ref().and_then(|rope| rope.base), Some(1e4));
        assert_eq!(rope.and_then(|rope| rope.factor), None);
    }
}
