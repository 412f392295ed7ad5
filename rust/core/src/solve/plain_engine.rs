//! An engine for tests, simple enough to work out by hand: a cache in blocks of 16 tokens, beside activations and tables
//! that grow with what is asked.

use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Options, Reason, Settings, Share};
use crate::engine::{CachePlan, Engine, Held, Pool, Rank, Used, Version};
use crate::hardware::Gpu;
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use std::sync::Arc;

/// Tokens of a block.
pub const BLOCK: u64 = 16;

/// An engine for tests.
#[derive(Clone, Debug)]
pub struct Plain {
    /// Its version.
    pub version: Version,
    /// Bytes of activations per token of the context.
    pub per_token: u64,
    /// Bytes held beyond the budget.
    pub beyond: u64,
    /// Requests at one time, if no number is said.
    pub sequences: u64,
    /// The longest context it takes.
    pub longest: u64,
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            version: Version::parse("1.0").unwrap(),
            per_token: 0,
            beyond: 0,
            sequences: u64::MAX,
            longest: u64::MAX,
        }
    }
}

impl Engine for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn settle(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<Settings, FitError> {
        let context = subject.context(deployment, notes)?;
        if context > self.longest {
            return Err(FitError::new(Reason::Engine, "too long"));
        }
        Ok(Settings {
            context,
            concurrency: deployment.requests(),
            memory_utilization: deployment.options.memory_utilization.unwrap_or(Share::ONE),
            batched_tokens: context,
            sequences: deployment.options.sequences.unwrap_or(self.sequences),
            block: BLOCK,
            cache: deployment
                .cache
                .unwrap_or(CacheFormat::named("bf16").unwrap()),
            model_bytes: 2,
            prefix_caching: false,
            encoder_tokens: 0,
        })
    }

    fn weight_rules(&self) -> WeightRules {
        WeightRules {
            vocabulary_multiple: 1,
            loads_prediction: false,
            host_tables: false,
            towers_everywhere: false,
        }
    }

    fn loaded(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let bytes = rank.settings.context.saturating_mul(self.per_token);
        ledger.add("tokens", bytes, Origin::Exact, "test", &String::new);
    }

    fn overhead(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn context(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn graphs(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        let budget = rank
            .settings
            .memory_utilization
            .of(rank.deployment.gpu.usable_bytes);
        i128::from(budget) - i128::from(used.total())
    }

    fn held(&self, _rank: &Rank<'_>, used: &Used) -> Held {
        Held {
            least: 0,
            beside: Some(used.total().saturating_add(self.beyond)),
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        // Bytes of a block, or of what is kept whatever the length, by stage.
        Ok(Box::new(Plan(
            ranks
                .iter()
                .map(|rank| {
                    let block = rank.needed(BLOCK, 1) - rank.needed(0, 1);
                    (block, rank.needed(0, 1))
                })
                .collect(),
        )))
    }
}

#[derive(Debug)]
struct Plan(Vec<(u64, u64)>);

impl CachePlan for Plan {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        self.0
            .iter()
            .map(|(block, state)| {
                context
                    .div_ceil(BLOCK)
                    .saturating_mul(*block)
                    .saturating_add(*state)
                    .saturating_mul(concurrency)
            })
            .collect()
    }

    fn pool(&self, _bytes: &[u64], _context: u64, _concurrency: u64) -> Pool {
        Pool::default()
    }
}

/// One GPU of so many bytes, and nothing else said.
pub fn deployment(bytes: u64, engine: Plain) -> Deployment {
    Deployment {
        gpu: Arc::new(Gpu::of_size("test", bytes)),
        engine: Arc::new(engine),
        weights: None,
        cache: None,
        context: None,
        concurrency: 1,
        options: Options::default(),
    }
}
