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

/// One way in which positions are turned into rotations, for some layers or all: what an engine tabulates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The kind of layers it is for, as `full_attention`; nothing for all.
    pub layers: Option<String>,
    /// `default`, `linear`, `dynamic`, `yarn`, `longrope`, `llama3`, ...
    pub kind: String,
    /// By how much the context is stretched.
    pub factor: Option<f64>,
    /// Whether a stretched base is given instead of a factor.
    pub has_alpha: bool,
    /// The context before stretching.
    pub original_context: Option<u64>,
    /// What share of a head is turned; nothing for all of it.
    pub share: Option<f64>,
    /// Whether time, height and width are turned apart.
    pub sections: bool,
}

impl Turn {
    /// Every one that a text model's config states, in the order of its layers' kinds. Nothing, if it states none.
    #[must_use]
    pub fn all(fields: &Fields<'_>) -> Vec<Self> {
        const BY_KIND: &str = "local_rope_theta|rope_local_base_freq|local_rotary_base";
        let objects: Vec<_> = ["rope_parameters", "rope_scaling"]
            .into_iter()
            .filter_map(|name| fields.maybe_object(name))
            .filter(|object| !object.is_empty())
            .collect();
        let Some(scaling) = objects.first() else {
            let plain = base(fields).map(|_| Self::of(fields, fields, None));
            let mut all: Vec<_> = plain.into_iter().collect();
            all.extend(Self::local(fields, fields.value(BY_KIND).is_some()));
            return all;
        };
        let kinds: Vec<_> = scaling
            .names()
            .filter_map(|name| Some((name, scaling.maybe_object(name)?)))
            .collect();
        if kinds.is_empty() {
            let mut all = vec![Self::of(fields, scaling, None)];
            all.extend(Self::local(fields, fields.value(BY_KIND).is_some()));
            return all;
        }
        let mut all: Vec<_> = kinds
            .iter()
            .filter(|(_, one)| !one.is_empty())
            .map(|(name, one)| Self::of(fields, one, Some(name)))
            .collect();
        let is_stated = kinds.iter().any(|(name, _)| *name == LOCAL_LAYERS);
        all.extend(Self::local(fields, false).filter(|_| !is_stated));
        all
    }

    /// That of layers with a window, where these have one of their own: stated, or by the model's class.
    fn local(fields: &Fields<'_>, is_stated: bool) -> Option<Self> {
        let model_type = fields.opt_text("model_type").ok().flatten();
        let by_class = model_type.is_some_and(|kind| LOCAL_BY_CLASS.contains(&kind));
        (is_stated || by_class).then(|| Self {
            layers: Some(LOCAL_LAYERS.to_owned()),
            kind: "default".to_owned(),
            factor: None,
            has_alpha: false,
            original_context: None,
            share: share(fields),
            sections: false,
        })
    }

    fn of(fields: &Fields<'_>, scaling: &Fields<'_>, layers: Option<&str>) -> Self {
        let original = |fields: &Fields<'_>| {
            let count = fields.opt_count("original_max_position_embeddings");
            count.ok().flatten()
        };
        let kind = scaling.value("rope_type|type").and_then(Value::as_str);
        Self {
            layers: layers.map(str::to_owned),
            kind: kind.unwrap_or("default").to_owned(),
            factor: number(scaling.value("factor")),
            has_alpha: scaling.value("alpha").is_some(),
            original_context: original(scaling).or_else(|| original(fields)),
            share: share(scaling).or_else(|| share(fields)),
            sections: scaling.value("mrope_section").is_some() || kind == Some("mrope"),
        }
    }
}

/// The kind of layers that see a window.
const LOCAL_LAYERS: &str = "sliding_attention";

/// Model types whose class gives layers with a window a base of their own (transformers 4.57.1, `rope_local_base_freq` of
/// `Gemma3TextConfig` and `Gemma3nTextConfig`; `local_rope_theta` of `ModernBertConfig`).
const LOCAL_BY_CLASS: &[&str] = &["gemma3_text", "gemma3n_text", "modernbert"];

fn share(fields: &Fields<'_>) -> Option<f64> {
    number(fields.value("partial_rotary_factor|rotary_pct|rotary_emb_fraction"))
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
