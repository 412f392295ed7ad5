//! transformers: what its cache classes hold, beside PyTorch's own memory.

use super::{CachePlan, Engine, Entry, Pool, Rank, Used, Version};
use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Settings, Share};
use crate::memory::ledger::Ledger;
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "transformers",
    aliases: &["hf"],
    oldest: "4.57",
    newest: "5.23",
    summary: "generate() of transformers: dynamic cache, memory by PyTorch's allocator",
    make: |version| Arc::new(Transformers { version }),
};

/// transformers at a version.
#[derive(Debug)]
struct Transformers {
    version: Version,
}

impl Engine for Transformers {
    fn name(&self) -> &'static str {
        ENTRY.name
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
        Ok(Settings {
            context,
            concurrency: deployment.concurrency,
            memory_utilization: Share::ONE,
            batched_tokens: context,
            sequences: deployment.concurrency,
            block: 1,
            cache: match deployment.cache {
                Some(format) => format,
                None => CacheFormat::named("bf16")
                    .map_err(|error| FitError::new(crate::deployment::Reason::Cache, error))?,
            },
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
        }
    }

    fn loaded(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn activations(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn overhead(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn context(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn graphs(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        i128::from(rank.deployment.gpu.usable_bytes) - i128::from(used.total())
    }

    fn held(&self, _rank: &Rank<'_>, used: &Used, reserved: u64) -> u64 {
        used.total().saturating_add(reserved)
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let _ = ranks;
        Ok(Box::new(Plan))
    }
}

#[derive(Debug)]
struct Plan;

impl CachePlan for Plan {
    fn reserved(&self, _context: u64, _concurrency: u64) -> Vec<u64> {
        Vec::new()
    }

    fn pool(&self, _bytes: &[u64]) -> Pool {
        Pool::default()
    }
}
