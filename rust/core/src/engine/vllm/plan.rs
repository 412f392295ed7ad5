//! The cache of a pipeline: blocks from bytes, and bytes from requests.

use super::compressed;
use super::groups::{Group, Placed};
use super::rules::Packing;
use super::spec::{Hold, Request, Spec};
use super::states::Mode;
use crate::engine::{CachePlan, Pool};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// The cache as vLLM lays it out.
#[derive(Debug)]
pub struct Plan {
    /// The groups.
    pub groups: Vec<Group>,
    /// How many stages the pipeline has.
    pub stages: usize,
    /// A request, of no tokens yet.
    pub request: Request,
    /// How groups are packed into blocks.
    pub packing: Packing,
    /// Whether the tokens printed are the concurrency times the context.
    pub tokens_by_concurrency: bool,
    /// Whether one block that is never given out is counted.
    pub null_block: bool,
    /// What follows from the groups alone, once it was asked for.
    pub known: OnceLock<Known>,
}

/// What follows from the groups of a plan.
#[derive(Clone, Debug)]
pub struct Known {
    /// Bytes of a block on each stage.
    block_bytes: Vec<u64>,
    /// The different caches of each group.
    specs: Vec<Vec<Spec>>,
}

impl Plan {
    /// That of nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            groups: Vec::new(),
            stages: 0,
            request: Request {
                tokens: 0,
                in_flight: 0,
                context_parallel: 1,
                mode: Mode::Current,
            },
            packing: Packing::Widest,
            tokens_by_concurrency: false,
            null_block: false,
            known: OnceLock::new(),
        }
    }

    /// Bytes of one block on each stage. Groups share tensors, so that it is that of the widest; one group alone may have
    /// pages of several sizes.
    #[must_use]
    pub fn block_bytes(&self) -> &[u64] {
        &self.known().block_bytes
    }

    fn known(&self) -> &Known {
        self.known.get_or_init(|| Known {
            block_bytes: self.count_block_bytes(),
            specs: self.groups.iter().map(different).collect(),
        })
    }

    fn count_block_bytes(&self) -> Vec<u64> {
        (0..self.stages)
            .map(|stage| {
                let here: Vec<Vec<Placed>> = self
                    .groups
                    .iter()
                    .map(|group| {
                        let layers = group.layers.iter();
                        layers
                            .filter(|layer| layer.stage == stage)
                            .copied()
                            .collect()
                    })
                    .collect();
                self.packed(&here)
            })
            .collect()
    }

    /// Bytes of one block for the layers of each group on one stage.
    fn packed(&self, groups: &[Vec<Placed>]) -> u64 {
        let sum = |pages: &mut dyn Iterator<Item = u64>| pages.fold(0, u64::saturating_add);
        match self.packing {
            Packing::Widest => groups
                .iter()
                .map(|layers| sum(&mut layers.iter().map(|layer| layer.spec.page)))
                .max()
                .unwrap_or(0),
            Packing::Tuples => {
                let first = groups.first().map_or(&[][..], Vec::as_slice);
                let pages: BTreeSet<u64> = first.iter().map(|layer| layer.spec.page).collect();
                let most = groups.iter().map(|layers| compressed::tuples(layers)).max();
                sum(&mut pages.into_iter()).saturating_mul(most.unwrap_or(0))
            }
            Packing::Buckets => {
                let mut slots: BTreeMap<u64, u64> = BTreeMap::new();
                for layers in groups {
                    let mut own: BTreeMap<u64, u64> = BTreeMap::new();
                    for layer in layers {
                        *own.entry(layer.spec.page).or_default() += 1;
                    }
                    for (page, count) in own {
                        let slot = slots.entry(page).or_default();
                        *slot = count.max(*slot);
                    }
                }
                sum(&mut slots
                    .iter()
                    .map(|(page, count)| page.saturating_mul(*count)))
            }
        }
    }

    /// The blocks that a request takes of all groups together.
    #[must_use]
    pub fn blocks_per_request(&self, tokens: u64) -> u64 {
        let request = Request {
            tokens,
            ..self.request
        };
        self.known()
            .specs
            .iter()
            .map(|specs| {
                let blocks = specs.iter().map(|spec| spec.blocks(&request));
                blocks.max().unwrap_or(0)
            })
            .fold(0_u64, u64::saturating_add)
    }

    /// The blocks of so many requests that take so many each.
    const fn blocks(&self, each: u64, requests: u64) -> u64 {
        let null = if self.null_block { 1 } else { 0 };
        each.saturating_mul(requests).saturating_add(null)
    }

    /// The fewest tokens that a block of any group has, for requests of so many.
    fn smallest_block(&self, tokens: u64) -> u64 {
        self.groups
            .iter()
            .filter_map(Group::spec)
            .map(|spec| match (spec.hold, self.request.mode) {
                // Without prefixes a state's block is as long as the context.
                (Hold::State, Mode::Current) => tokens,
                _ => spec.block,
            })
            .min()
            .unwrap_or(0)
    }
}

/// The caches of a group, each kind once.
fn different(group: &Group) -> Vec<Spec> {
    let mut specs: Vec<Spec> = Vec::new();
    for layer in &group.layers {
        if !specs.contains(&layer.spec) {
            specs.push(layer.spec);
        }
    }
    specs
}

impl CachePlan for Plan {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        let blocks = self.blocks(self.blocks_per_request(context), concurrency);
        self.block_bytes()
            .iter()
            .map(|bytes| bytes.saturating_mul(blocks))
            .collect()
    }

    fn reserved_each(&self, context: u64, concurrency: &[u64], stages: &mut [Vec<u64>]) {
        let each = self.blocks_per_request(context);
        for (stage, bytes) in stages.iter_mut().zip(self.block_bytes()) {
            let requests = concurrency.iter();
            stage.extend(requests.map(|&all| bytes.saturating_mul(self.blocks(each, all))));
        }
    }

    fn pool(&self, bytes: &[u64], context: u64, _concurrency: u64) -> Pool {
        // Every stage has as many blocks as the one with the fewest.
        let blocks = self
            .block_bytes()
            .iter()
            .zip(bytes)
            .filter_map(|(&block, &room)| room.checked_div(block))
            .min();
        let Some(blocks) = blocks else {
            // Without attention and states there is nothing to keep (`get_kv_cache_config_from_groups`).
            return Pool::default();
        };
        let each = self.blocks_per_request(context);
        let tokens = if self.tokens_by_concurrency {
            product(blocks, context, each)
        } else {
            let groups = (self.groups.len() as u64).max(1);
            (blocks / groups)
                .saturating_mul(self.smallest_block(context))
                .saturating_mul(self.request.context_parallel.max(1))
        };
        Pool {
            tokens,
            blocks: Some(blocks),
            concurrency: (each > 0).then_some((blocks, each)),
        }
    }
}

/// `int(blocks / each * tokens)`, rounded at every step as Python's numbers are, so that the last digit agrees.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tokens as vLLM prints it: blocks and tokens are far below 2^53 and not negative"
)]
fn product(blocks: u64, tokens: u64, each: u64) -> u64 {
    if each == 0 {
        return 0;
    }
    (blocks as f64 / each as f64 * tokens as f64) as u64
}
