//! What single model classes of transformers do otherwise than the cache and attention they build on: one table, read
//! off the classes' sources.

use super::Version;

/// What a class does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It has no scaled dot product attention of PyTorch's (`_supports_sdpa` is not true), and so holds every score: once,
    /// again in 32 bits, and that in the model's dtype.
    Scores,
    /// The same, with sinks beside the scores: three times in the model's dtype.
    ScoresWithSinks,
    /// It copies keys and values to all query heads before it caches them, if it has more than one head of them.
    Broadcast,
    /// Its first layer with an indexer keeps the positions of all tokens, so many numbers of 64 bits for each.
    Positions(u64),
    /// It weighs what experts give in the model's dtype, and not in 32 bits.
    NarrowWeights,
    /// It makes room for recurrent states in the model's dtype, and keeps them so.
    ModelStates,
    /// It makes room for a convolution in every layer, those with attention too.
    EmptyConvolutions,
}

/// A class, by the model type of its language model, and what it does otherwise from a version up to another.
#[derive(Clone, Copy, Debug)]
struct Row {
    model_type: &'static str,
    does: Otherwise,
    from: &'static [u32],
    until: &'static [u32],
}

const ALWAYS: &[u32] = &[];

const fn row(model_type: &'static str, does: Otherwise) -> Row {
    Row {
        model_type,
        does,
        from: ALWAYS,
        until: ALWAYS,
    }
}

/// A class that had a cache of its own before all of them took `LinearAttentionLayer` (5.5.0).
const fn own_cache(model_type: &'static str, does: Otherwise) -> Row {
    Row {
        until: &[5, 5],
        ..row(model_type, does)
    }
}

/// Sorted by model type. Sources: `models/*/modeling_*.py` of transformers 4.57.1 and 5.23.0. Of the caches of their own,
/// those of 4.57.1 were measured, and those up to 5.4 read.
const ROWS: &[Row] = &[
    own_cache("bamba", Otherwise::ModelStates),
    row("bloom", Otherwise::Scores),
    row("codegen", Otherwise::Scores),
    row("cpmant", Otherwise::Scores),
    Row {
        until: &[5],
        ..row("ctrl", Otherwise::Scores)
    },
    row("deepseek_v4", Otherwise::ScoresWithSinks),
    row("ernie4_5_moe", Otherwise::NarrowWeights),
    // `FalconAttention._split_heads`: `torch.broadcast_to(key, query.shape)`.
    row("falcon", Otherwise::Broadcast),
    own_cache("falcon_h1", Otherwise::ModelStates),
    own_cache("falcon_mamba", Otherwise::ModelStates),
    row("flex_olmo", Otherwise::NarrowWeights),
    row("flint", Otherwise::ScoresWithSinks),
    // Not yet in 5.18, and so in 5.22.
    Row {
        from: &[5, 22],
        ..row("gemma2", Otherwise::Scores)
    },
    row("git", Otherwise::Scores),
    row("gpt_neo", Otherwise::Scores),
    row("gpt_oss", Otherwise::ScoresWithSinks),
    row("gptj", Otherwise::Scores),
    row("granite_swa", Otherwise::ScoresWithSinks),
    row("granitemoe", Otherwise::NarrowWeights),
    row("granitemoe_swa", Otherwise::ScoresWithSinks),
    row("granitemoe_swa", Otherwise::NarrowWeights),
    own_cache("granitemoehybrid", Otherwise::ModelStates),
    row("granitemoehybrid", Otherwise::NarrowWeights),
    row("granitemoeshared", Otherwise::NarrowWeights),
    row("hy_v4", Otherwise::ScoresWithSinks),
    row("inkling2", Otherwise::Scores),
    row("jamba", Otherwise::NarrowWeights),
    row("laguna", Otherwise::NarrowWeights),
    own_cache("lfm2", Otherwise::EmptyConvolutions),
    own_cache("lfm2_moe", Otherwise::EmptyConvolutions),
    own_cache("mamba", Otherwise::ModelStates),
    own_cache("mamba2", Otherwise::ModelStates),
    row("mellum", Otherwise::NarrowWeights),
    row("mimo_v2_flash", Otherwise::ScoresWithSinks),
    row("mpt", Otherwise::Scores),
    Row {
        until: &[5],
        ..row("mt5", Otherwise::Scores)
    },
    own_cache("nemotron_h", Otherwise::ModelStates),
    row("nllb_moe", Otherwise::Scores),
    row("olmoe", Otherwise::NarrowWeights),
    row("prophetnet", Otherwise::Scores),
    row("qwen2_moe", Otherwise::NarrowWeights),
    row("qwen3_5_moe", Otherwise::NarrowWeights),
    row("qwen3_moe", Otherwise::NarrowWeights),
    row("qwen3_next", Otherwise::NarrowWeights),
    row("qwen3_vl_moe", Otherwise::NarrowWeights),
    // `Qwen4ExpTextModel.forward`: three position ids of each token, for all indexers.
    row("qwen4_exp", Otherwise::Positions(3)),
    row("qwen4_exp", Otherwise::NarrowWeights),
    Row {
        until: &[5],
        ..row("recurrent_gemma", Otherwise::Scores)
    },
    Row {
        until: &[5],
        ..row("t5", Otherwise::Scores)
    },
    row("trocr", Otherwise::Scores),
    Row {
        from: &[5, 22],
        ..row("vaultgemma", Otherwise::Scores)
    },
    row("xglm", Otherwise::Scores),
    Row {
        until: &[5],
        ..row("zamba", Otherwise::Scores)
    },
    own_cache("zamba2", Otherwise::ModelStates),
];

/// What the class of a model type does otherwise at a version.
pub fn of(model_type: &str, version: &Version) -> impl Iterator<Item = Otherwise> {
    let plain = model_type.strip_suffix("_text").unwrap_or(model_type);
    ROWS.iter()
        .filter(move |row| row.model_type == plain)
        .filter(|row| version.at_least(row.from))
        .filter(|row| row.until.is_empty() || !version.at_least(row.until))
        .map(|row| row.does)
}

#[cfg(test)]
mod tests {
    use super::{Otherwise, ROWS, Version, of};

    #[test]
    fn the_table_is_sorted() {
        assert!(
            ROWS.windows(2)
                .all(|pair| pair[0].model_type <= pair[1].model_type)
        );
    }

    #[test]
    fn a_row_holds_for_its_versions() {
        let at = |version| {
            let version = Version::parse(version).unwrap();
            of("gemma2", &version).collect::<Vec<_>>()
        };
        assert_eq!(at("4.57.1"), []);
        assert_eq!(at("5.18"), []);
        assert_eq!(at("5.23"), [Otherwise::Scores]);
    }
}
