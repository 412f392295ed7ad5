//! Which layers share a table of blocks.
//!
//! All layers of a group need the same blocks for a request; blocks of all groups come out of one pool, and so have one
//! size in bytes. Source: vLLM 0.11 to 0.32, `v1/core/kv_cache_utils.py:get_kv_cache_groups`; 0.33,
//! `v1/core/kv_cache_planning.py`.

use super::rules::{Rules, Unify};
use super::spec::{Content, Hold, Spec};
use crate::deployment::{FitError, Reason};

/// Layers that share a table of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What each of them asks for.
    pub layers: Vec<Placed>,
}

/// A layer's cache, and the stage it lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The stage.
    pub stage: usize,
    /// What it asks for.
    pub spec: Spec,
}

impl Group {
    /// The cache of the first layer, which stands for all in what requests take.
    #[must_use]
    pub fn spec(&self) -> Option<&Spec> {
        self.layers.first().map(|layer| &layer.spec)
    }
}

/// The groups of a model, in the order in which vLLM makes them.
///
/// # Errors
/// If pages of different sizes cannot share a pool.
pub fn of(mut layers: Vec<Placed>, rules: &Rules) -> Result<Vec<Group>, FitError> {
    if layers.is_empty() {
        return Ok(Vec::new());
    }
    if same_type(&layers) {
        // One kind, whatever the sizes of its pages.
        return Ok(vec![Group { layers }]);
    }
    unify(&mut layers, rules.unify)?;
    Ok(even(&layers, rules))
}

/// Whether all layers always need equally many blocks (`UniformTypeKVCacheSpecs.is_uniform_type`).
fn same_type(layers: &[Placed]) -> bool {
    let Some(first) = layers.first().map(|layer| layer.spec) else {
        return true;
    };
    layers.iter().all(|layer| {
        let spec = &layer.spec;
        spec.hold == first.hold && spec.block == first.block
    })
}

/// Brings all pages to the size of the largest.
fn unify(layers: &mut [Placed], how: Unify) -> Result<(), FitError> {
    let largest = layers
        .iter()
        .map(|layer| layer.spec.page)
        .max()
        .unwrap_or(0);
    for Placed { spec, .. } in layers {
        if spec.page == largest || spec.page == 0 {
            continue;
        }
        let divides = largest.is_multiple_of(spec.page);
        let state = spec.hold == Hold::State;
        let latent = matches!(spec.content, Content::Latent(_) | Content::Indexer(_));
        match how {
            Unify::Blocks | Unify::Pad if divides && !state => {
                spec.block = spec.block.saturating_mul(largest / spec.page);
                spec.page = largest;
            }
            Unify::Pad if !latent => spec.page = largest,
            _ => {
                return Err(FitError::new(
                    Reason::Cache,
                    format!(
                        "this version of vLLM cannot keep pages of {} and of {largest} bytes in one pool; try a newer \
                         version or another tensor_parallel",
                        spec.page
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Groups of equally many layers (`_get_kv_cache_groups_uniform_page_size`): as many as the rarest kind has, or as the
/// most frequent if these are not many more.
fn even(layers: &[Placed], rules: &Rules) -> Vec<Group> {
    let mut kinds: Vec<Vec<Placed>> = Vec::new();
    for layer in layers {
        let known = kinds
            .iter_mut()
            .find(|kind| kind.first().is_some_and(|first| first.spec == layer.spec));
        match known {
            Some(kind) => kind.push(*layer),
            None => kinds.push(vec![*layer]),
        }
    }
    let fewest = kinds.iter().map(Vec::len).min().unwrap_or(1).max(1);
    let most = kinds.iter().map(Vec::len).max().unwrap_or(1);
    let size = match rules.even_groups {
        Some((above, below)) if (most as u64) * below < (fewest as u64) * above => most,
        _ => fewest,
    };
    kinds
        .into_iter()
        .flat_map(|kind| {
            let count = kind.len().div_ceil(size);
            (0..count).map(move |at| Group {
                // Every so manyth layer, so that each stage of a pipeline has some of each group.
                layers: kind.iter().skip(at).step_by(count).copied().collect(),
            })
        })
        .collect()
}
