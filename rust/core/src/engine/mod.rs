//! What each engine takes beside the weights, and how it rounds, pads and reports its cache, by version.
//!
//! An engine is a row of [`ENGINES`] and a type with the rules of its versions. It sees a [`Rank`]: one GPU of one
//! pipeline stage, with the layers and caches that lie there.

mod check;
mod fitted;
mod links;
mod llama_cpp;
mod models;
mod reads;
#[cfg(test)]
pub(crate) mod samples;
mod sglang;
mod step;
mod tensorrt_llm;
mod transformers;
mod version;
mod vllm;

pub use check::{MOST, check, check_numbers, check_sequences, out_of_range};
pub use fitted::{Constant, constants};
pub use models::lacks;
pub use reads::{Answer, Reads};
pub use version::Version;

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::Layer;
use crate::architecture::shared::Shared;
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::memory::ledger::Ledger;
use crate::memory::stage::Stage;
use crate::memory::store::{Kept, Need, Store};
use crate::memory::weights::WeightRules;
use crate::subject::Subject;
use std::fmt;
use std::sync::Arc;

/// One GPU of one stage, with what lies there.
#[derive(Debug)]
pub struct Rank<'a> {
    /// The model.
    pub subject: &'a Subject,
    /// How it is run.
    pub deployment: &'a Deployment,
    /// What was settled for what is left open.
    pub settings: &'a Settings,
    /// The stage.
    pub stage: &'a Stage,
    /// The layers of the decoder here, in order.
    pub layers: Vec<&'a Layer>,
    /// What each of them remembers here; nothing for those that use another's.
    pub stores: Arc<[Shared<Store>]>,
    /// How numbers of the cache are kept.
    pub kept: Kept,
}

impl<'a> Rank<'a> {
    /// The same GPU with another number of requests asked and settled, all else being the same.
    #[must_use]
    pub fn with(&self, deployment: &'a Deployment, settings: &'a Settings) -> Self {
        Self {
            deployment,
            settings,
            layers: self.layers.clone(),
            stores: Arc::clone(&self.stores),
            ..*self
        }
    }
}

impl Rank<'_> {
    /// The mind of the model.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.subject.architecture
    }

    /// What a sequence of so many tokens needs here of a store: in the numbers that the engine keeps it in, and of tokens
    /// that are dealt out over ranks the share of one.
    #[must_use]
    pub fn need(&self, store: &Store, context: u64) -> Need {
        let need = self.deployment.engine.need(self, store, context);
        match store {
            Store::State { .. } | Store::Cross { .. } => need,
            _ => Need {
                entries: need
                    .entries
                    .div_ceil(self.deployment.options.parallel.context.max(1)),
                ..need
            },
        }
    }

    /// Bytes that requests need of the cache here: `concurrency` of them of `context` tokens each.
    #[must_use]
    pub fn needed(&self, context: u64, concurrency: u64) -> u64 {
        self.stores
            .iter()
            .flatten()
            .fold(0_u64, |sum, store| {
                sum.saturating_add(self.need(store, context).bytes())
            })
            .saturating_mul(concurrency)
    }
}

/// Bytes that are taken on a GPU beside the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Weights, and what is loaded with them.
    pub weights: u64,
    /// Activations at their peak.
    pub activations: u64,
    /// What the engine and its libraries take beside.
    pub overhead: u64,
    /// What the driver takes for a process.
    pub context: u64,
    /// Captured graphs.
    pub graphs: u64,
}

impl Used {
    /// All together.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.weights
            .saturating_add(self.activations)
            .saturating_add(self.overhead)
            .saturating_add(self.context)
            .saturating_add(self.graphs)
    }
}

/// Bytes that a GPU holds once a cache is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The least, whatever is reserved.
    pub least: u64,
    /// What lies beside what is reserved; nothing where what is held does not grow with it.
    pub beside: Option<u64>,
}

impl Held {
    /// Bytes with so many reserved.
    #[must_use]
    pub const fn bytes(self, reserved: u64) -> u64 {
        match self.beside {
            Some(beside) if beside.saturating_add(reserved) > self.least => {
                beside.saturating_add(reserved)
            }
            _ => self.least,
        }
    }
}

/// The cache as an engine would lay it out on the GPUs of a pipeline.
///
/// What `Debug` shows of a plan is all that its answers follow from: a sweep takes plans that look alike for one.
pub trait CachePlan: fmt::Debug + Send + Sync {
    /// Bytes that the engine sets aside on each stage for so many requests of so many tokens each.
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64>;

    /// The same for many numbers of requests: what each stage sets aside for each of them is added to its list.
    fn reserved_each(&self, context: u64, concurrency: &[u64], stages: &mut [Vec<u64>]) {
        for &requests in concurrency {
            for (stage, bytes) in stages.iter_mut().zip(self.reserved(context, requests)) {
                stage.push(bytes);
            }
        }
    }

    /// What the engine makes of so many bytes on each stage, and prints of it, asked for so many requests in a replica of
    /// so many tokens each.
    fn pool(&self, bytes: &[u64], context: u64, concurrency: u64) -> Pool;
}

/// A cache of a given size, as the engine prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pool {
    /// Tokens.
    pub tokens: u64,
    /// Blocks, in engines that have blocks.
    pub blocks: Option<u64>,
    /// Requests of the full context that it holds at once, as (numerator, denominator); engines print the quotient.
    pub concurrency: Option<(u64, u64)>,
}

/// The rules of one engine at one version.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> &Version;

    /// GPUs that a layout takes.
    fn gpus(&self, deployment: &Deployment) -> u64 {
        let p = deployment.options.parallel;
        [p.pipeline, p.data, p.context]
            .iter()
            .fold(p.tensor, |all, &degree| all.saturating_mul(degree))
    }

    /// Settles what a deployment leaves open, and notes what it took.
    ///
    /// The requests of a replica are [`Deployment::requests`]. Contexts, and numbers of requests, between two that settle
    /// alike, settle alike too, the context itself aside: so a sweep need not ask for every one.
    ///
    /// # Errors
    /// If the engine cannot run it so.
    fn settle(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<Settings, FitError>;

    /// What a sequence needs of a store, where the engine keeps it in other numbers than those of its cache's format.
    fn need(&self, rank: &Rank<'_>, store: &Store, context: u64) -> Need {
        store.need(context, &rank.kept)
    }

    /// What it does differently with weights.
    fn weight_rules(&self) -> WeightRules;

    /// Whether weights that a config states in 32 bits are held in 16 unless they are asked for as they are.
    fn halves_floats(&self) -> bool {
        false
    }

    /// What is loaded beside the tensors: tables, padding, workspaces.
    fn loaded(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger);

    /// Activations at their peak.
    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger);

    /// What the engine and its libraries take beside; of vLLM, what it prints as not of torch.
    fn overhead(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger);

    /// What the driver takes for a process.
    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger);

    /// Captured graphs.
    fn graphs(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger);

    /// Bytes that are left for the cache on a GPU, negative if less than nothing is. Requests change it by what is used
    /// alone.
    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128;

    /// Bytes that the GPU holds in all once a cache is laid out; engines that take all they may, whatever is asked, hold
    /// more than requests need. Requests change it by what is used alone.
    fn held(&self, rank: &Rank<'_>, used: &Used) -> Held;

    /// What an answer about this model may change with.
    fn reads(&self, _answer: Answer, _subject: &Subject) -> Reads {
        Reads::ALL
    }

    /// The cache on the GPUs of a pipeline.
    ///
    /// # Errors
    /// If the engine cannot lay it out.
    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError>;
}

/// An engine and the versions that are described.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// The oldest version that is described.
    pub oldest: &'static str,
    /// The newest, which is also what a bare name stands for.
    pub newest: &'static str,
    /// What it is, and what of it is described.
    pub summary: &'static str,
    make: fn(Version) -> Arc<dyn Engine>,
}

/// Every engine, by name.
pub const ENGINES: &[Entry] = &[
    llama_cpp::ENTRY,
    sglang::ENTRY,
    tensorrt_llm::ENTRY,
    transformers::ENTRY,
    vllm::ENTRY,
];

/// The engine of a name such as `vllm` or `vllm==0.19.0`.
///
/// # Errors
/// If the engine is unknown, or the version is older than what is described. A newer version is taken for the newest that
/// is described, and noted.
pub fn find(text: &str, notes: &mut Vec<Assumption>) -> Result<Arc<dyn Engine>, FitError> {
    let (name, version) = match text.split_once("==") {
        Some((name, version)) => (name.trim(), Some(version.trim())),
        None => (text.trim(), None),
    };
    let plain = name.to_ascii_lowercase();
    let Some(entry) = ENGINES
        .iter()
        .find(|entry| entry.name == plain || entry.aliases.contains(&plain.as_str()))
    else {
        let known: Vec<_> = ENGINES.iter().map(|entry| entry.name).collect();
        return Err(FitError::new(
            Reason::Engine,
            format!(
                "engine {name:?} is not known; there are {}",
                known.join(", ")
            ),
        ));
    };
    let bad = |why: String| FitError::new(Reason::Engine, why);
    let [oldest, newest] = [entry.oldest, entry.newest].map(Version::parse);
    let (Some(oldest), Some(newest)) = (oldest, newest) else {
        return Err(bad(format!("the versions of {} are not sound", entry.name)));
    };
    let Some(version) = version else {
        notes.push(Assumption::new(
            "engine",
            format!("{}=={newest}", entry.name),
            "no version was said; the newest that is described is taken",
        ));
        return Ok((entry.make)(newest));
    };
    let Some(asked) = Version::parse(version) else {
        return Err(bad(format!(
            "{version:?} is not a version of {}; write it as {}=={newest}",
            entry.name, entry.name
        )));
    };
    if asked < oldest {
        return Err(bad(format!(
            "{} {asked} is older than what is described, which begins with {oldest}",
            entry.name
        )));
    }
    if asked <= newest {
        return Ok((entry.make)(asked));
    }
    notes.push(Assumption::new(
        "engine",
        format!("{}=={newest}", entry.name),
        format!("{asked} was asked for, which is newer than the newest that is described"),
    ));
    Ok((entry.make)(newest))
}

#[cfg(test)]
mod tests {
    use super::{ENGINES, Version, find};

    #[test]
    fn the_table_is_sorted_and_its_versions_are_sound() {
        assert!(ENGINES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for entry in ENGINES {
            let versions = [entry.oldest, entry.newest].map(|text| Version::parse(text).unwrap());
            assert!(versions[0] <= versions[1], "{}", entry.name);
            assert!(find(entry.name, &mut Vec::new()).is_ok());
        }
    }

    #[test]
    fn what_is_not_known_is_an_error_that_says_what_is() {
        let error = find("vvlm", &mut Vec::new()).unwrap_err();
        assert!(error.message.contains("transformers"), "{error}");
        assert!(find("transformers==1.0", &mut Vec::new()).is_err());
        assert!(find("transformers==five", &mut Vec::new()).is_err());
        let mut notes = Vec::new();
        // What is shown as the version is what was reckoned with.
        let newest = find("transformers", &mut Vec::new()).unwrap();
        let newer = find("transformers==99.0", &mut notes).unwrap();
        assert_eq!(newer.version().to_string(), newest.version().to_string());
        assert_eq!(notes.len(), 1);
        assert!(notes[0].reason.contains("99.0 was asked for"));
    }
}
