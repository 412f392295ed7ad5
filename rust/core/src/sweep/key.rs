//! What an answer of an engine depends on, as numbers: two keys are equal where the answer must be.

use crate::deployment::{Deployment, Settings};
use crate::engine::Reads;

/// Numbers of the model, the engine and the layout.
const FIXED: usize = 7;
const SLOTS: usize = FIXED + 2 * Reads::COUNT;

/// The key of a cell: everything but the context, the requests and what is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u64; SLOTS]);

/// Numbers that stand for what is not a number: equal numbers, equal things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Named {
    /// The model.
    pub subject: u64,
    /// The engine.
    pub engine: u64,
    /// The GPU.
    pub gpu: u64,
    /// The scheme of the weights.
    pub weights: u64,
    /// The format of the cache.
    pub cache: u64,
}

fn said(value: Option<u64>) -> u64 {
    value.map_or(0, |value| value.saturating_add(1))
}

impl Key {
    /// The key of a deployment of which nothing is settled. Its numbers are within the bounds that every engine checks.
    pub fn of(named: Named, deployment: &Deployment) -> Self {
        let parallel = deployment.options.parallel;
        let mut slots = [0; SLOTS];
        slots[..FIXED].copy_from_slice(&[
            named.subject,
            named.engine,
            parallel.tensor,
            parallel.pipeline,
            parallel.expert,
            parallel.data,
            parallel.context,
        ]);
        let asked = [
            named.gpu,
            named.weights,
            named.cache,
            said(deployment.context),
            deployment.concurrency,
            said(
                deployment
                    .options
                    .memory_utilization
                    .map(|share| u64::from(share.0)),
            ),
            said(deployment.options.batched_tokens),
            said(deployment.options.sequences),
            said(deployment.options.block),
            said(deployment.options.prefix_caching.map(u64::from)),
            u64::from(deployment.options.eager),
            deployment.options.cache_memory.unwrap_or(0),
        ];
        for (place, value) in asked.into_iter().enumerate() {
            slots[FIXED + 2 * place] = value;
        }
        // Any number of bytes may be said, so that whether it was is told apart.
        slots[FIXED + 2 * 11 + 1] = u64::from(deployment.options.cache_memory.is_some());
        Self(slots)
    }

    /// The same with another context and number of requests.
    pub fn at(mut self, context: Option<u64>, concurrency: u64) -> Self {
        self.0[FIXED + 2 * 3] = said(context);
        self.0[FIXED + 2 * 4] = concurrency;
        self
    }

    /// The same with what was settled.
    pub fn settled(mut self, settings: &Settings, format: u64) -> Self {
        let settled = [
            (2, format),
            (3, settings.context),
            (4, settings.concurrency),
            (5, u64::from(settings.memory_utilization.0)),
            (6, settings.batched_tokens),
            (7, settings.sequences),
            (8, settings.block),
            (9, u64::from(settings.prefix_caching)),
            (12, settings.model_bytes),
            (13, settings.encoder_tokens),
        ];
        for (place, value) in settled {
            self.0[FIXED + 2 * place + 1] = value;
        }
        self
    }

    /// What is read of it alone.
    pub fn read(mut self, reads: Reads) -> Self {
        for place in 0..Reads::COUNT {
            if !reads.has_at(place) {
                self.0[FIXED + 2 * place] = 0;
                self.0[FIXED + 2 * place + 1] = 0;
            }
        }
        self
    }
}
