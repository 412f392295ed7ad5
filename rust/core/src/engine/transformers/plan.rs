//! The cache of a request or many on the stages of a device map, and what fits into so many bytes.

use super::super::{CachePlan, Pool, Rank};
use super::cache::{Classes, Held};
use crate::architecture::layer::Layer;
use crate::architecture::shared::Shared;
use crate::memory::store::{Kept, Store};

/// No context is longer.
const MOST: u64 = 1 << 40;

/// A layer with what it holds.
#[derive(Debug)]
struct Holder {
    layer: Layer,
    stores: Shared<Store>,
    kept: Kept,
    classes: Classes,
}

/// The layers of every stage with what they hold.
#[derive(Debug)]
pub struct Plan {
    stages: Vec<Vec<Holder>>,
}

impl Plan {
    /// That of these ranks.
    #[must_use]
    pub fn of(ranks: &[Rank<'_>], classes: impl Fn(&Rank<'_>) -> Classes) -> Self {
        let stages = ranks
            .iter()
            .map(|rank| {
                let classes = classes(rank);
                rank.layers
                    .iter()
                    .zip(rank.stores.iter())
                    .map(|(&layer, stores)| Holder {
                        layer: layer.clone(),
                        stores: stores.clone(),
                        kept: rank.kept,
                        classes,
                    })
                    .collect()
            })
            .collect();
        Self { stages }
    }
}

impl CachePlan for Plan {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        let bytes = |holder: &Holder| {
            let held = Held::new(&holder.layer, &holder.stores, holder.kept, holder.classes);
            held.most(context)
                .saturating_mul(concurrency)
                .saturating_add(held.fixed())
        };
        self.stages
            .iter()
            .map(|layers| layers.iter().map(bytes).fold(0, u64::saturating_add))
            .collect()
    }

    /// transformers prints nothing of its cache. Tokens are those of the asked number of requests together, and requests
    /// those of the asked context, that the fullest stage has room for.
    fn pool(&self, bytes: &[u64], context: u64, concurrency: u64) -> Pool {
        let fits = |context: u64, concurrency: u64| {
            self.reserved(context, concurrency)
                .iter()
                .zip(bytes)
                .all(|(needed, room)| needed <= room)
        };
        let tokens = most(|context| fits(context, concurrency));
        let one = self.reserved(context, 1);
        let most_requests = one
            .iter()
            .zip(bytes)
            .filter(|(needed, _)| **needed > 0)
            .map(|(needed, room)| (*room, *needed))
            .min_by(|a, b| {
                (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)))
            });
        Pool {
            tokens: tokens.saturating_mul(concurrency),
            blocks: None,
            concurrency: most_requests,
        }
    }
}

/// The largest number up to [`MOST`] for which something holds that holds for all smaller ones.
fn most(holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, MOST);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::most;

    #[test]
    fn the_largest_that_holds_is_found() {
        for end in [0, 1, 2, 1000, 4097] {
            assert_eq!(most(|number| number <= end), end);
        }
    }
}
