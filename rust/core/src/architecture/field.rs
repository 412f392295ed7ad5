//! Fields of a config: what each determines, by trying, and in words.
//!
//! The class of a field is never looked up. The field is changed a little, the config derived again, and the two
//! results compared. The words come from one table.

use super::config::{FieldRead, Result};
use super::{Architecture, Change, Class, WhatIf};
use serde::Serialize;
use serde_json::{Value, json};

/// A field of a config that was read, and what it determines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldClass {
    /// The field, with the objects it lies in.
    pub field: String,
    /// Its value.
    pub value: Value,
    /// What it determines.
    pub class: Class,
}

/// What a field determines in models, in words.
#[derive(Debug)]
pub struct Explanation {
    /// The names it has, the usual one first.
    pub names: &'static [&'static str],
    /// What it determines.
    pub class: Class,
    /// One paragraph.
    pub text: &'static str,
}

impl Architecture {
    /// The class of every field that was read and is there or was assumed, in the order of reading.
    ///
    /// # Errors
    /// If the config cannot be derived.
    pub fn classify(config: &Value, assume: Option<&str>) -> Result<Vec<FieldClass>> {
        let architecture = Self::from_config(config.clone(), assume)?;
        let mut classes = Vec::new();
        for read in &architecture.fields {
            let Some((field, value)) = architecture.value_of(config, read) else {
                continue;
            };
            // The model type names the family: with another one everything is another matter.
            let class = if field == "model_type" || field.ends_with(".model_type") {
                Class::Structural
            } else {
                architecture
                    .step(config, &field, &value, assume)
                    .map_or(Class::Structural, |change| change.class)
            };
            if !classes
                .iter()
                .any(|known: &FieldClass| known.field == field)
            {
                classes.push(FieldClass {
                    field,
                    value,
                    class,
                });
            }
        }
        Ok(classes)
    }

    /// What a field costs in a config: the least step up that gives a model, and what follows from it. `None` if the
    /// field is not there or no step gives a model.
    ///
    /// # Errors
    /// If the config cannot be derived as it is.
    pub fn cost(config: &Value, name: &str, assume: Option<&str>) -> Result<Option<Change>> {
        let architecture = Self::from_config(config.clone(), assume)?;
        let found = architecture.fields.iter().find_map(|read| {
            let here = architecture.value_of(config, read)?;
            (read.names.iter().any(|known| known == name) || here.0 == name).then_some(here)
        });
        Ok(found.and_then(|(field, value)| architecture.step(config, &field, &value, assume)))
    }

    /// The full name of a field that was read and its value, or what was taken for it.
    pub(crate) fn value_of(&self, config: &Value, read: &FieldRead) -> Option<(String, Value)> {
        if let Some((field, value)) = present(config, read) {
            return Some((field, value.clone()));
        }
        let name = read.names.first()?;
        let field = if read.object.is_empty() {
            name.clone()
        } else {
            format!("{}.{name}", read.object)
        };
        let assumed = self
            .assumptions
            .iter()
            .rev()
            .find(|one| one.field == field)?;
        // Only numbers and truth values have a next step; a text such as a model type has none.
        let value: Value = serde_json::from_str(&assumed.value).ok()?;
        (value.is_number() || value.is_boolean()).then_some((field, value))
    }

    /// The first of some small changes of a field that gives a model and makes a difference; if none makes one, the
    /// first that gives a model. (One more may make none where a width is rounded up.)
    fn step(
        &self,
        config: &Value,
        field: &str,
        value: &Value,
        assume: Option<&str>,
    ) -> Option<Change> {
        let path: Vec<String> = field.split('.').map(str::to_owned).collect();
        let changes: Vec<Change> = steps(value)
            .into_iter()
            .filter_map(|other| {
                let what_if = WhatIf::at(self, config, &[(path.clone(), other)], assume).ok()?;
                what_if.changes.into_iter().next()
            })
            .collect();
        [Class::Structural, Class::Runtime, Class::Inert]
            .into_iter()
            .find_map(|class| changes.iter().find(|change| change.class == class).cloned())
    }
}

fn present<'c>(config: &'c Value, read: &FieldRead) -> Option<(String, &'c Value)> {
    let mut object = config;
    for part in read.object.split('.').filter(|part| !part.is_empty()) {
        object = object.get(part)?;
    }
    let (name, value) = read
        .names
        .iter()
        .find_map(|name| Some((name, object.get(name).filter(|value| !value.is_null())?)))?;
    if value.is_object() {
        // Its own fields are read one by one.
        return None;
    }
    let field = if read.object.is_empty() {
        name.clone()
    } else {
        format!("{}.{name}", read.object)
    };
    Some((field, value))
}

/// Small changes of a value, upward first.
fn steps(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(flag) => vec![json!(!flag)],
        Value::Number(number) => match number.as_u64() {
            Some(n) => [
                n.checked_add(1),
                n.checked_mul(2),
                n.checked_sub(1),
                n.checked_div(2),
            ]
            .into_iter()
            .flatten()
            .filter(|other| *other != n)
            .map(|other| json!(other))
            .collect(),
            None => number
                .as_f64()
                .map(|n| json!(n * 2.0))
                .into_iter()
                .collect(),
        },
        Value::String(text) => vec![json!(format!("{text}_"))],
        Value::Array(items) => {
            let mut turned = items.clone();
            turned.rotate_left(usize::from(!items.is_empty()));
            let mut raised = items.clone();
            if let Some(first) = raised.first_mut()
                && let Some(n) = first.as_u64()
            {
                *first = json!(n.saturating_add(1));
            }
            [turned, raised]
                .into_iter()
                .filter(|other| other != items)
                .map(Value::Array)
                .collect()
        }
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// The explanation of a field, by any of its names.
#[must_use]
pub fn explanation(name: &str) -> Option<&'static Explanation> {
    let name = name.rsplit('.').next().unwrap_or(name);
    EXPLANATIONS.iter().find(|one| one.names.contains(&name))
}

const fn explain(names: &'static [&'static str], class: Class, text: &'static str) -> Explanation {
    Explanation { names, class, text }
}

/// Every explanation, sorted by name. The class is that of most models; with a config at hand it is found by trying.
pub const EXPLANATIONS: &[Explanation] = &[
    explain(
        &["attention_bias", "qkv_bias", "use_qkv_bias", "use_bias"],
        Class::Structural,
        "Whether the projections of attention add a learned offset to their output. Each bias is one vector as long as \
         the output it is added to: thousands of parameters beside millions, and nothing in the cache.",
    ),
    explain(
        &["attention_chunk_size"],
        Class::Runtime,
        "The length of the chunks that chunked layers divide the context into; a token sees only its own chunk. The \
         cache of such a layer stops growing at one chunk. No tensor has this size.",
    ),
    explain(
        &["first_k_dense_replace"],
        Class::Structural,
        "How many layers at the bottom have one dense feed-forward network instead of experts. Every such layer trades \
         all its experts for one network of intermediate_size.",
    ),
    explain(
        &["full_attention_interval"],
        Class::Structural,
        "Every so-many-th layer attends over the whole context, and those between have a recurrent state of fixed \
         size. The cache grows only in the full layers, so doubling the interval nearly halves the cost of a long context; \
         the two kinds have different tensors.",
    ),
    explain(
        &["head_dim", "attention_head_dim"],
        Class::Structural,
        "How many numbers one attention head works with. Queries, keys, values and the output projection grow in \
         proportion, and so does the cache: 2 x kv_heads x head_dim numbers per token and layer. It need not be \
         hidden_size / num_attention_heads.",
    ),
    explain(
        &["hidden_size", "n_embd", "d_model", "dim"],
        Class::Structural,
        "The width of the residual stream that all layers read from and write to. Every matrix of the model has it as \
         one side, so parameters and operations grow in proportion; the cache does not, unless heads follow.",
    ),
    explain(
        &["index_head_dim"],
        Class::Structural,
        "The width of the small keys by which a sparse layer picks the tokens it will look at. One such key is kept per \
         token and layer beside the cache itself.",
    ),
    explain(
        &["index_topk"],
        Class::Runtime,
        "How many tokens a sparse layer looks at, of those its indexer scored. It bounds the operations of attention at \
         long context; the cache still holds every token.",
    ),
    explain(
        &[
            "intermediate_size",
            "ffn_hidden_size",
            "n_inner",
            "d_ff",
            "ffn_dim",
        ],
        Class::Structural,
        "The inner width of a dense feed-forward network. A gated network has three matrices of hidden_size x \
         intermediate_size, a plain one two: most parameters of a dense model. The cache does not depend on it.",
    ),
    explain(
        &["kv_lora_rank"],
        Class::Structural,
        "The width of the compressed vector that latent attention keeps per token instead of keys and values of all \
         heads. The cache is kv_lora_rank + qk_rope_head_dim numbers per token and layer, however many heads there are.",
    ),
    explain(
        &[
            "layer_types",
            "layers_block_type",
            "hybrid_override_pattern",
        ],
        Class::Structural,
        "The kind of each layer in order: full or sliding attention, recurrent state, feed-forward alone. Between kinds \
         with the same tensors (full and sliding) it is a runtime matter and decides how the cache grows; between others the \
         tensors differ.",
    ),
    explain(
        &[
            "linear_num_value_heads",
            "linear_num_key_heads",
            "linear_key_head_dim",
            "linear_value_head_dim",
        ],
        Class::Structural,
        "Heads and widths of the recurrent state of gated delta net layers. The state has value_heads x key_dim x \
         value_dim numbers per layer and sequence, usually kept in 32 bits, and does not grow with the context.",
    ),
    explain(
        &["mamba_d_state", "ssm_state_size", "state_size"],
        Class::Structural,
        "How many numbers each channel of a Mamba layer remembers. The recurrent state is channels x state size per layer \
         and sequence, whatever the context.",
    ),
    explain(
        &[
            "max_position_embeddings",
            "n_positions",
            "max_sequence_length",
            "seq_length",
        ],
        Class::Runtime,
        "The longest context the publisher states. With rotary positions nothing in the weights has this size, and the \
         cache is paid only for tokens really kept; with learned positions there is a table of so many rows, and it is \
         structural.",
    ),
    explain(
        &[
            "moe_intermediate_size",
            "moe_ffn_hidden_size",
            "expert_ffn_hidden_size",
        ],
        Class::Structural,
        "The inner width of one expert: three matrices of hidden_size x moe_intermediate_size each. All experts are \
         stored, only the chosen ones are computed.",
    ),
    explain(
        &[
            "n_shared_experts",
            "num_shared_experts",
            "shared_expert_intermediate_size",
        ],
        Class::Structural,
        "Experts that every token visits beside the chosen ones. They count as active parameters in full.",
    ),
    explain(
        &["num_attention_heads", "n_head", "num_heads", "n_heads"],
        Class::Structural,
        "How many questions a token asks of the context at once. The projections of queries and output grow with it; the \
         cache grows with num_key_value_heads instead, if the config gives that.",
    ),
    explain(
        &[
            "num_experts",
            "num_local_experts",
            "n_routed_experts",
            "moe_num_experts",
        ],
        Class::Structural,
        "How many expert networks a mixture layer holds. Each costs its three matrices in memory and almost nothing in \
         operations, since a token visits only num_experts_per_tok of them; the router grows by one row.",
    ),
    explain(
        &[
            "num_experts_per_tok",
            "moe_topk",
            "top_k_experts",
            "num_experts_per_token",
            "moe_top_k",
            "moe_k",
        ],
        Class::Runtime,
        "How many experts each token visits. It changes no tensor: memory stays, while operations and bytes read per token \
         grow with it. It may not exceed the number of experts, and the model was trained with the value stated.",
    ),
    explain(
        &["num_hidden_layers", "n_layer", "num_layers", "n_layers"],
        Class::Structural,
        "How many layers follow one another. Each costs its attention, its feed-forward network and its norms in \
         parameters and operations, and its own share of the cache per token.",
    ),
    explain(
        &[
            "num_key_value_heads",
            "num_kv_heads",
            "n_head_kv",
            "multi_query_group_num",
        ],
        Class::Structural,
        "How many heads keep keys and values; query heads share them in groups. The cache is 2 x num_key_value_heads x \
         head_dim numbers per token and layer, so 8 instead of 64 make it one eighth. The projections of keys and values \
         shrink too.",
    ),
    explain(
        &["num_kv_shared_layers"],
        Class::Runtime,
        "How many layers at the top use the keys and values of an earlier layer instead of their own. They add nothing \
         to the cache.",
    ),
    explain(
        &["num_nextn_predict_layers", "mtp_num_hidden_layers"],
        Class::Structural,
        "Layers stored behind the model that predict further tokens ahead, for training and speculative decoding. They \
         cost memory only where an engine loads them.",
    ),
    explain(
        &["q_lora_rank"],
        Class::Structural,
        "The width through which latent attention squeezes its queries: two thin matrices instead of one wide. It has no \
         part in the cache.",
    ),
    explain(
        &["qk_nope_head_dim"],
        Class::Structural,
        "Numbers per query and key head of latent attention that carry no position. They are rebuilt from the compressed \
         vector, so the cache does not hold them.",
    ),
    explain(
        &["qk_rope_head_dim"],
        Class::Structural,
        "Numbers of the rotary key of latent attention. One such key per token and layer, shared by all heads, is kept \
         beside the compressed vector.",
    ),
    explain(
        &["rope_scaling", "rope_parameters", "factor"],
        Class::Runtime,
        "How rotary positions are stretched beyond the context the model was trained on. It changes no tensor and no byte \
         of the cache per token; how well the model reads at that length is another question.",
    ),
    explain(
        &["rope_theta", "rotary_emb_base"],
        Class::Runtime,
        "The base of the rotary frequencies: the larger, the slower the slowest rotation, and the farther positions can \
         be told apart. It changes no tensor and no byte.",
    ),
    explain(
        &["sliding_window"],
        Class::Runtime,
        "How many of the last tokens a sliding layer sees. Its cache stops growing there. No tensor has this size, so it \
         may be changed on the same weights, at the price of what the model has learned to rely on.",
    ),
    explain(
        &["tie_word_embeddings"],
        Class::Structural,
        "Whether the output head is the table of the embedding again. If so, vocab_size x hidden_size parameters are \
         stored once instead of twice; the operations of the head stay.",
    ),
    explain(
        &["torch_dtype", "dtype"],
        Class::Runtime,
        "The number format that weights are stored and computed in. It says how many bytes a parameter takes; the number of \
         parameters does not depend on it.",
    ),
    explain(
        &["v_head_dim"],
        Class::Structural,
        "Numbers per value head of latent attention. Values are rebuilt from the compressed vector, so the cache does not \
         hold them.",
    ),
    explain(
        &["vocab_size", "padded_vocab_size"],
        Class::Structural,
        "How many different tokens there are. The embedding has one row of hidden_size for each, and the head as many \
         again unless it is tied. A token reads one row of the embedding and all of the head.",
    ),
];

#[cfg(test)]
mod tests {
    use super::EXPLANATIONS;

    #[test]
    fn explanations_are_sorted_and_no_name_stands_twice() {
        assert!(
            EXPLANATIONS
                .windows(2)
                .all(|pair| pair[0].names[0] < pair[1].names[0])
        );
        let mut names: Vec<_> = EXPLANATIONS.iter().flat_map(|one| one.names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
