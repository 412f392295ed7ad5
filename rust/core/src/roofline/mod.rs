//! The roofline: how fast a deployment could be at best, by the operations it has to do and the bytes it has to read.
//!
//! Every time here is a lower bound and every rate an upper one: a step takes at least as long as its operations at the
//! GPU's peak, and at least as long as its bytes at the bandwidth of the memory, and the longer of the two is what binds
//! (Williams et al. 2009, roofline). Left out are kernels that reach neither peak, launches, sampling, the scheduler,
//! links between GPUs (named in [`Roofline::link`] and not added), and all that is written. Speculative decoding is not
//! counted: one token is made per step.
//!
//! Seconds and rates are floats; bytes and operations are integers.

mod compute;
mod touched;

pub use crate::hardware::Number;
pub use compute::Compute;
pub use touched::{Touched, share_of_experts};

use crate::architecture::config::Assumption;
use crate::architecture::layer::Mixer;
use crate::deployment::{Deployment, FitError};
use crate::fit::{Probe, Spread};
use crate::memory::body::Piece;
use crate::memory::stage::Stage;
use crate::memory::weights;
use crate::subject::Subject;
use serde::Serialize;

/// How fast a deployment could be at best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Roofline {
    /// What it computes in, and how fast; nothing if the catalogue does not say.
    pub compute: Option<Compute>,
    /// Bytes per second between the memory of one GPU and its chip.
    pub bandwidth: Option<u64>,
    /// Reading a prompt.
    pub prefill: Prefill,
    /// Writing tokens.
    pub decode: Decode,
    /// What goes over the links of tensor-parallel ranks in a step of decoding; nothing if there is one rank, or the
    /// catalogue has no link.
    pub link: Option<Link>,
    /// What is not known, and what is therefore missing.
    pub unknown: Vec<String>,
    /// What was taken to hold.
    pub assumptions: Vec<Assumption>,
}

/// Reading a prompt in every replica, with nothing else to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefill {
    /// Tokens of the prompt.
    pub tokens: u64,
    /// Prompts that are read at one time: one in each replica.
    pub replicas: u64,
    /// Operations of one prompt; nothing if they are more than 64 bits count.
    pub flops: Option<u64>,
    /// Bytes of weights that one pass reads, on one rank of every stage together.
    pub bytes: u64,
    /// How long it takes at least.
    pub time: Time,
    /// Tokens per second of all replicas, at most; nothing if it is not known how fast operations are, which are what
    /// stops reading.
    pub tokens_per_second: Option<f64>,
}

/// Writing one token for each of the requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decode {
    /// Requests at one time in one replica.
    pub requests: u64,
    /// Tokens that came before, in each.
    pub context: u64,
    /// Operations of one token; nothing if they are more than 64 bits count.
    pub flops_per_token: Option<u64>,
    /// Requests that pass a stage together: all of them, or in a pipeline one of as many parts as it has stages.
    pub batch: u64,
    /// Bytes that a pass reads on each GPU of each stage.
    pub stages: Vec<Touched>,
    /// How long it takes at least until every request has its next token.
    pub time: Time,
    /// Tokens per second of all requests of all replicas, at most; nothing if the bandwidth is not known, which is what
    /// stops writing.
    pub tokens_per_second: Option<f64>,
    /// Tokens per second of one request, at most.
    pub per_request: Option<f64>,
}

/// Lower bounds of a time, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Time {
    /// By operations.
    pub compute: Option<f64>,
    /// By bytes.
    pub bandwidth: Option<f64>,
}

/// Which of the two binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Operations.
    Compute,
    /// Bytes.
    Bandwidth,
}

impl Time {
    /// The longer of the two: a bound even if only one is known.
    #[must_use]
    pub fn seconds(self) -> Option<f64> {
        match (self.compute, self.bandwidth) {
            (Some(compute), Some(bandwidth)) => Some(compute.max(bandwidth)),
            (one, other) => one.or(other),
        }
    }

    /// Which binds; nothing if only one is known.
    #[must_use]
    pub fn binds(self) -> Option<Side> {
        let (compute, bandwidth) = (self.compute?, self.bandwidth?);
        Some(if compute > bandwidth {
            Side::Compute
        } else {
            Side::Bandwidth
        })
    }
}

/// Sums over tensor-parallel ranks: two in each layer, of a vector as wide as the model for each token (Shoeybi et al.
/// 2019, Megatron-LM).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Bytes that each GPU sends while every request gets its next token, in a ring: 2 (ranks - 1) / ranks of all that is
    /// summed.
    pub bytes: u64,
    /// How long that takes if nothing else does: half of the link's rate goes each way.
    pub seconds: f64,
}

/// How fast a deployment could be at best: reading a prompt of so many tokens, and writing with the requests and the
/// context of the deployment. It is not asked whether it fits.
///
/// # Errors
/// If the deployment cannot be.
pub fn roofline(
    subject: &Subject,
    deployment: &Deployment,
    prompt: u64,
) -> Result<Roofline, FitError> {
    let pieces = subject.pieces(deployment.weights.as_deref());
    let spread = Spread::with(subject, deployment, &pieces)?;
    let probe = spread.probe(subject, deployment)?;
    let gpu = &deployment.gpu;
    let bandwidth = gpu.bandwidth.filter(|&rate| rate > 0);
    let mut unknown = Vec::new();
    if bandwidth.is_none() {
        unknown.push(format!(
            "the bandwidth of {} is not known, so bytes bound nothing, and nothing is said of writing",
            gpu.name
        ));
    }
    let compute = compute::of(subject, deployment)
        .map_err(|reason| unknown.push(reason))
        .ok();
    let work = Work {
        subject,
        deployment,
        pieces: &pieces,
        probe: &probe,
        compute,
        bandwidth,
    };
    let mut assumptions = vec![Assumption::new(
        "roofline",
        "upper bound",
        "peak rates of compute and memory, perfectly overlapped; links and launches are not counted",
    )];
    let routed = pieces.iter().any(Piece::is_routed);
    if routed {
        assumptions.push(Assumption::new(
            "experts touched",
            "E (1 - (1 - k/E)^tokens) in each layer",
            "the expectation for tokens that choose independently and evenly; real choices are skewed and touch fewer",
        ));
    }
    let picks = subject
        .architecture
        .decoder()
        .flat_map(|layer| &layer.mixers)
        .any(Mixer::is_picked);
    if picks {
        assumptions.push(Assumption::new(
            "sparse attention",
            "only the indexer reads the cache",
            "how many tokens it picks is not known here, so what is read of those bounds nothing",
        ));
    }
    Ok(Roofline {
        compute,
        bandwidth,
        prefill: work.prefill(prompt),
        decode: work.decode(),
        link: work.link(&mut unknown),
        unknown,
        assumptions,
    })
}

struct Work<'a> {
    subject: &'a Subject,
    deployment: &'a Deployment,
    pieces: &'a [Piece],
    probe: &'a Probe,
    compute: Option<Compute>,
    bandwidth: Option<u64>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds and rates; 53 bits of a count are more than any peak rate is known to"
)]
impl Work<'_> {
    fn stages(&self) -> impl Iterator<Item = &Stage> {
        self.probe.stages.iter().map(|placed| &placed.stage)
    }

    /// What a pass of so many tokens, of as many requests, reads on each GPU of each stage. Experts see the tokens of all
    /// replicas.
    fn touched(&self, stage: &Stage, tokens: u64, requests: u64) -> Touched {
        let parallel = self.deployment.options.parallel;
        let rules = self.deployment.engine.weight_rules();
        let architecture = &self.subject.architecture;
        let on_stage = weights::by_piece(self.pieces, architecture, stage, parallel, rules);
        let mut touched = Touched {
            cache: touched::cache(
                architecture,
                stage,
                parallel,
                &self.probe.settings,
                requests,
            ),
            ..Touched::default()
        };
        let tied = weights::is_tied(self.pieces) && !architecture.is_bare();
        for (piece, bytes) in on_stage {
            let is_head = tied && stage.is_last() && weights::is_table(piece, architecture);
            touched.add(piece, bytes, is_head, tokens, parallel);
        }
        touched
    }

    fn seconds_of_bytes(&self, bytes: u64) -> Option<f64> {
        Some(bytes as f64 / self.bandwidth? as f64)
    }

    /// How long one GPU computes at least, if so many share the work evenly.
    fn seconds_of_flops(&self, flops: Option<u64>, gpus: u64) -> Option<f64> {
        Some(flops? as f64 / self.compute?.per_second as f64 / gpus.max(1) as f64)
    }

    /// GPUs that share what one token of a stage needs.
    const fn ranks(&self) -> u64 {
        let parallel = self.deployment.options.parallel;
        parallel.tensor.saturating_mul(parallel.context)
    }

    /// The first pass goes through the stages one after another; operations may be on all GPUs of a replica at once, since
    /// a long prompt is read in pieces.
    fn prefill(&self, tokens: u64) -> Prefill {
        let encoder_tokens = self.probe.settings.encoder_tokens;
        let flops = self
            .subject
            .architecture
            .flops_of_prompt(tokens, encoder_tokens);
        let bytes = self.stages().fold(0_u64, |sum, stage| {
            sum.saturating_add(self.touched(stage, tokens, 0).weights())
        });
        let gpus = self
            .ranks()
            .saturating_mul(self.deployment.options.parallel.pipeline);
        let time = Time {
            compute: self.seconds_of_flops(flops, gpus),
            bandwidth: self.seconds_of_bytes(bytes),
        };
        let replicas = self.deployment.options.parallel.data;
        Prefill {
            tokens,
            replicas,
            flops,
            bytes,
            time,
            tokens_per_second: time
                .compute
                .and(time.seconds())
                .map(|seconds| tokens.saturating_mul(replicas) as f64 / seconds),
        }
    }

    /// A pipeline runs as many parts of the requests as it has stages. A part passes all stages one after another, and a
    /// stage has all parts to do: a step takes at least as long as either.
    fn decode(&self) -> Decode {
        let settings = &self.probe.settings;
        let parallel = self.deployment.options.parallel;
        let requests = settings.concurrency.max(1);
        let parts = parallel.pipeline.clamp(1, requests);
        let batch = requests.div_ceil(parts);
        let larger = requests % parts;
        let stages: Vec<Touched> = self
            .stages()
            .map(|stage| self.touched(stage, batch, batch))
            .collect();
        let along = stages
            .iter()
            .map(Touched::total)
            .fold(0, u64::saturating_add);
        let across = self
            .stages()
            .zip(&stages)
            .map(|(stage, full)| {
                if larger == 0 {
                    return full.total().saturating_mul(parts);
                }
                let small = self.touched(stage, requests / parts, requests / parts);
                full.total()
                    .saturating_mul(larger)
                    .saturating_add(small.total().saturating_mul(parts - larger))
            })
            .max()
            .unwrap_or(0);
        let flops = self.flops_per_token();
        let of_tokens = |tokens: u64| flops.map(|flops| flops.saturating_mul(tokens));
        let gpus = self.ranks();
        let all = gpus.saturating_mul(parallel.pipeline);
        let time = Time {
            compute: self
                .seconds_of_flops(of_tokens(batch), gpus)
                .zip(self.seconds_of_flops(of_tokens(requests), all))
                .map(|(along, across)| along.max(across)),
            bandwidth: self.seconds_of_bytes(along.max(across)),
        };
        let tokens = requests.saturating_mul(parallel.data);
        let seconds = time.bandwidth.and(time.seconds());
        Decode {
            requests,
            context: settings.context,
            flops_per_token: flops,
            batch,
            stages,
            time,
            tokens_per_second: seconds.map(|seconds| tokens as f64 / seconds),
            per_request: seconds.map(|seconds| 1.0 / seconds),
        }
    }

    /// Operations of one token at the end of the context, without those of mixers whose tokens an indexer picks.
    fn flops_per_token(&self) -> Option<u64> {
        let (context, encoder) = (
            self.probe.settings.context,
            self.probe.settings.encoder_tokens,
        );
        let architecture = &self.subject.architecture;
        let picked = architecture.mixing(|mixer| {
            if mixer.is_picked() {
                mixer.flops(context, encoder)
            } else {
                0
            }
        });
        architecture
            .flops_per_token(context, encoder)
            .map(|all| all.saturating_sub(picked))
    }

    fn link(&self, unknown: &mut Vec<String>) -> Option<Link> {
        let ranks = self.deployment.options.parallel.tensor;
        if ranks <= 1 {
            return None;
        }
        let gpu = &self.deployment.gpu;
        let Some(link) = gpu
            .interconnect
            .as_ref()
            .filter(|link| link.bytes_per_second > 0)
        else {
            unknown.push(format!("the link between {} is not known", gpu.name));
            return None;
        };
        let Some(width) = self.subject.architecture.hidden_size else {
            unknown.push("the width of the model is not known".to_owned());
            return None;
        };
        let settings = &self.probe.settings;
        let layers = self.subject.architecture.decoder().count() as u64;
        let summed = [2, layers, settings.concurrency, width, settings.model_bytes]
            .into_iter()
            .fold(1_u64, u64::saturating_mul);
        let sent = u128::from(summed) * 2 * u128::from(ranks - 1) / u128::from(ranks);
        let bytes = u64::try_from(sent).unwrap_or(u64::MAX);
        Some(Link {
            name: link.name.clone(),
            bytes,
            seconds: bytes as f64 / (link.bytes_per_second as f64 / 2.0),
        })
    }
}

#[cfg(test)]
mod tests;
