//! Activations at the peak of vLLM's start: of a layer, of a round of sampling, or of an encoder.
//!
//! ```text
//! peak = max(tower, layer, sampling)
//! sampling = S·V·(e + c) + buffer + T·h·e + 2·S·h·e + kept                         (last stage)
//! layer    = T·e·max(3·f + 3·h, mixer + 2·h) + timing + kept
//! tower    = items · (patches·e·(2·fv + 3·hv) + inputs·e)
//! kept     = cuBLAS + workspaces of experts + intermediate tensors + encoder cache and its inputs
//! ```
//!
//! T tokens and S sequences of a step, V vocabulary, h width, f inner width of this rank, e bytes of a number, c by the
//! version's sampler. Read in vLLM 0.11, 0.16 to 0.19, 0.21, 0.26 and 0.33: `v1/worker/gpu_model_runner.py:profile_run`,
//! `_dummy_run`, `_dummy_sampler_run`.

use super::fitted;
use super::media::{self, Media};
use super::numbers::{Experts, Numbers};
use super::start::{Sampler, Start};
use crate::architecture::layer::Mixer;
use crate::engine::Rank;
use crate::memory::ledger::{Ledger, Origin, Sum};
use crate::subject::Subject;

/// Tokens of activations that are rounded up to a multiple of so many bytes in workspaces of experts.
const WORKSPACE_STEP: u64 = 256;

/// A way to fill a ledger.
type Way<'a> = &'a dyn Fn(&mut dyn Ledger);

/// Whether what is alive at the peak may change with the context: with what an encoder is given for a prompt, or with the
/// workspace of chunked prefill of latent attention.
pub fn read_context(subject: &Subject) -> bool {
    let latent = subject
        .architecture
        .decoder()
        .flat_map(|layer| &layer.mixers)
        .any(|mixer| matches!(mixer, Mixer::Latent { .. }));
    latent || media::any(subject)
}

/// Adds what is alive at the peak.
pub fn add(rank: &Rank<'_>, start: Start, ledger: &mut dyn Ledger) {
    let numbers = Numbers::of(rank, start);
    // Every stage has the encoder and runs it (`profile_run`).
    let media = media::of(rank);
    let ways: [Way<'_>; 3] = [
        &|ledger| layer(&numbers, media.as_ref(), ledger),
        &|ledger| sampling(&numbers, media.as_ref(), ledger),
        &|ledger| tower(&numbers, media.as_ref(), ledger),
    ];
    // The same code that adds the parts up tells which of the three is the highest.
    let highest = ways.into_iter().max_by_key(|way| {
        let mut sum = Sum::default();
        way(&mut sum);
        sum.0
    });
    if let Some(way) = highest {
        way(ledger);
    }
}

/// A step of dummy tokens through a layer.
fn layer(n: &Numbers, media: Option<&Media>, ledger: &mut dyn Ledger) {
    let (width, times) = n.inner;
    let narrow = n
        .latent
        .map_or(0, |latent| {
            Numbers::product(&[latent.tokens, latent.expanded, n.bytes])
        })
        .saturating_add(Numbers::product(&[2, n.tokens, n.hidden, n.bytes]));
    let extra = if n.bytes == 4 {
        fitted::FLOAT_WIDTHS.value
    } else {
        0
    };
    let network = width
        .saturating_mul(times)
        .saturating_add(n.hidden.saturating_mul(3));
    let mixer = n.mixer.saturating_add(n.hidden.saturating_mul(2));
    let wide = Numbers::product(&[n.tokens, network.max(mixer), n.bytes]);
    if wide >= narrow {
        ledger.add(
            "layer",
            wide,
            Origin::Measured,
            "measured on an H100 with torch 2.11: a layer from attention to attention, compiled by Inductor, has three \
             inner widths and three widths of each token alive; of mixers the same is taken (benches/gpu)",
            &|| {
                if network >= mixer {
                    format!(
                        "{} tokens · ({times} · {width} + 3 · {}) · {} bytes",
                        n.tokens, n.hidden, n.bytes
                    )
                } else {
                    format!(
                        "{} tokens · ({} + 2 · {}) · {} bytes",
                        n.tokens, n.mixer, n.hidden, n.bytes
                    )
                }
            },
        );
        ledger.add(
            "layer in float32",
            Numbers::product(&[n.tokens, extra, width, n.bytes]),
            Origin::Fitted,
            "one row of 0.19 in float32; the reason is not known",
            &|| {
                format!(
                    "{} tokens · {extra} · {width} · {} bytes",
                    n.tokens, n.bytes
                )
            },
        );
        if !n.eager {
            ledger.add(
                "timing of kernels",
                super::device::TIMING_BUFFER,
                Origin::Measured,
                "a buffer of the size of the second-level cache while Inductor times kernels: 50 MiB, measured on an H100",
                &|| "50 MiB".to_owned(),
            );
        }
    } else {
        ledger.add(
            "expanded keys and values",
            narrow,
            Origin::Mechanism,
            "vLLM 0.19 model_executor/layers/attention/mla_attention.py:forward_impl: the dummy step expands the workspace of \
             chunked prefill",
            &|| {
                let latent = n.latent.unwrap_or_default();
                format!(
                    "({} tokens · {} + 2 · {} tokens · {}) · {} bytes",
                    latent.tokens, latent.expanded, n.tokens, n.hidden, n.bytes
                )
            },
        );
    }
    experts(n, ledger);
    kept(n, media, ledger);
}

/// What experts take in the step beside their workspaces that are kept.
fn experts(n: &Numbers, ledger: &mut dyn Ledger) {
    let Some(experts) = n.experts else {
        return;
    };
    if n.replicas > 1 {
        ledger.add(
            "gathered tokens",
            Numbers::product(&[2, n.replicas, n.tokens, n.hidden, n.bytes]),
            Origin::Mechanism,
            "vLLM 0.19 distributed/device_communicators/all2all.py:AgRsAll2AllManager, the default of 0.11 to 0.33: hidden states \
             of all replicas, and what experts make of them, which is then dealt out",
            &|| {
                format!(
                    "2 · {} replicas · {} tokens · {} · {} bytes",
                    n.replicas, n.tokens, n.hidden, n.bytes
                )
            },
        );
    }
    if !n.start.keeps_workspaces {
        let (rows, tokens) = rows(n, experts);
        let numbers = experts
            .width
            .saturating_mul(experts.projections)
            .max(experts.input)
            .saturating_add(experts.width);
        ledger.add(
            "experts",
            Numbers::product(&[rows, numbers, n.bytes])
                .saturating_add(Numbers::product(&[tokens, n.hidden, n.bytes])),
            Origin::Mechanism,
            "vLLM 0.11 model_executor/layers/fused_moe/fused_moe.py:fused_experts_impl takes its buffers at each call",
            &|| {
                format!(
                    "({rows} rows · {numbers} + {tokens} tokens · {}) · {} bytes",
                    n.hidden, n.bytes
                )
            },
        );
    }
}

/// A round of sampling for dummy sequences.
fn sampling(n: &Numbers, media: Option<&Media>, ledger: &mut dyn Ledger) {
    if !n.last || n.vocabulary == 0 {
        return;
    }
    let logits = n.sequences.saturating_mul(n.vocabulary);
    ledger.add(
        "logits",
        logits.saturating_mul(n.bytes),
        Origin::Exact,
        "vLLM v1/worker/gpu_model_runner.py:_dummy_sampler_run keeps the logits of all sequences; every rank of the last \
         stage has them whole",
        &|| format!("{} sequences · {} · {} bytes", n.sequences, n.vocabulary, n.bytes),
    );
    let (each, what) = n.start.sampler.bytes_per_logit(n.sequences);
    // Logits in float32 need no copy, but leave as much alive as others.
    let each = if n.bytes == 4 {
        each.saturating_sub(4)
    } else {
        each
    };
    ledger.add(
        "sampling",
        logits.saturating_mul(each),
        Origin::Measured,
        "vLLM v1/sample/sampler.py and v1/sample/ops/topk_topp_sampler.py; measured on an H100 with torch 2.11: 38.02 bytes \
         per logit of 2 bytes with a sort, 14.02 without",
        &|| {
            format!(
                "{} sequences · {} · {each} bytes: {what}",
                n.sequences, n.vocabulary
            )
        },
    );
    if n.start.sampler == Sampler::Triton && n.sequences >= 8 {
        let programs = n.multiprocessors.min(n.sequences);
        let rows = programs.next_power_of_two().min(n.multiprocessors);
        ledger.add(
            "top-k buffer",
            Numbers::product(&[rows, n.vocabulary, 4]),
            Origin::Exact,
            "vLLM 0.19 v1/sample/ops/topk_topp_triton.py:apply_top_k_top_p_triton keeps a row for each multiprocessor",
            &|| format!("{rows} rows · {} · 4 bytes", n.vocabulary),
        );
    }
    ledger.add(
        "hidden states",
        Numbers::product(&[n.hidden, n.bytes, n.tokens.saturating_add(n.sequences.saturating_mul(2))]),
        Origin::Exact,
        "vLLM v1/worker/gpu_model_runner.py:profile_run keeps those of all tokens; those that are sampled are copied twice",
        &|| {
            format!(
                "({} tokens + 2 · {} sequences) · {} · {} bytes",
                n.tokens, n.sequences, n.hidden, n.bytes
            )
        },
    );
    kept(n, media, ledger);
}

/// An encoder on dummy images or sounds.
fn tower(n: &Numbers, media: Option<&Media>, ledger: &mut dyn Ledger) {
    let Some(media) = media else { return };
    let items = items(n, media);
    let (width, inner) = media.tower;
    let numbers = inner
        .saturating_mul(2)
        .saturating_add(width.saturating_mul(3));
    ledger.add(
        "encoder",
        Numbers::product(&[items, media.patches, numbers, n.bytes]),
        Origin::Mechanism,
        "two inner widths and three widths of each patch, as an encoder without compilation has them; no row is bound by it",
        &|| {
            format!(
                "{items} items · {} patches · (2 · {inner} + 3 · {width}) · {} bytes",
                media.patches, n.bytes
            )
        },
    );
    ledger.add(
        "inputs of the encoder",
        Numbers::product(&[items, media.inputs, n.bytes]),
        Origin::Exact,
        media.source,
        &|| {
            format!(
                "{items} items · {} numbers · {} bytes",
                media.inputs, n.bytes
            )
        },
    );
}

/// What is kept from the first step through the round of sampling.
fn kept(n: &Numbers, media: Option<&Media>, ledger: &mut dyn Ledger) {
    ledger.add(
        "cuBLAS workspace",
        super::device::cublas_workspace(n.capability),
        Origin::Measured,
        "torch aten/src/ATen/cuda/CublasHandlePool.cpp: 32 MiB on Hopper, measured on an H100; 8.125 MiB on others",
        &|| "kept after the first product of matrices".to_owned(),
    );
    if let Some(experts) = n
        .experts
        .filter(|experts| n.start.keeps_workspaces && !experts.monolithic)
    {
        let (rows, tokens) = rows(n, experts);
        let one = Numbers::product(&[rows, experts.width.max(experts.input)])
            .max(tokens.saturating_mul(experts.input));
        let wide = experts.width.saturating_mul(experts.projections);
        let two = Numbers::product(&[rows, wide.max(experts.input)]);
        let bytes = [one, two].map(|numbers| {
            numbers
                .saturating_mul(n.bytes)
                .div_ceil(WORKSPACE_STEP)
                .saturating_mul(WORKSPACE_STEP)
        });
        ledger.add(
            "workspaces of experts",
            bytes[0].saturating_add(bytes[1]),
            Origin::Exact,
            "vLLM 0.19 model_executor/layers/fused_moe/modular_kernel.py:_allocate_buffers and v1/worker/workspace.py, which \
             keeps them",
            &|| {
                format!(
                    "{rows} rows · (max({0}, {1}) + max({2} · {0}, {1})) · {3} bytes",
                    experts.width, experts.input, experts.projections, n.bytes
                )
            },
        );
    }
    if !n.first {
        ledger.add(
            "intermediate tensors",
            Numbers::product(&[2, n.tokens, n.hidden, n.bytes]),
            Origin::Exact,
            "vLLM make_empty_intermediate_tensors: hidden states and residual from the stage before",
            &|| format!("2 · {} tokens · {} · {} bytes", n.tokens, n.hidden, n.bytes),
        );
    }
    if let Some(media) = media {
        let items = items(n, media);
        let wide = n.hidden.saturating_mul(media.levels.saturating_add(1));
        let tokens = if n.start.fills_encoder {
            n.tokens.max(media.tokens)
        } else {
            media.tokens
        };
        ledger.add(
            "encoder cache",
            Numbers::product(&[items, tokens, wide, n.bytes]),
            Origin::Exact,
            "vLLM multimodal/encoder_budget.py, v1/core/encoder_cache_manager.py: what the encoder gives stays until sampling",
            &|| format!("{items} items · {tokens} tokens · {wide} · {} bytes", n.bytes),
        );
        ledger.add(
            "inputs of the encoder",
            Numbers::product(&[items, media.inputs, n.bytes]),
            Origin::Exact,
            media.source,
            &|| {
                format!(
                    "{items} items · {} numbers · {} bytes",
                    media.inputs, n.bytes
                )
            },
        );
    }
}

/// How many items the dummy batch of the encoder has (0.19, `multimodal/encoder_budget.py:_get_max_items`).
fn items(n: &Numbers, media: &Media) -> u64 {
    let each = media.tokens.max(1);
    let budget = n.tokens.max(each) / each;
    let prompt = (n.context / each).clamp(1, media.limit.max(1));
    budget.min(n.sequences.saturating_mul(prompt)).max(1)
}

/// Rows of experts, and tokens, that are worked on at once: those of all replicas, which are gathered before (0.19,
/// `config/parallel.py:all2all_backend`).
fn rows(n: &Numbers, experts: Experts) -> (u64, u64) {
    let gathered = n.tokens.saturating_mul(n.replicas);
    let tokens = n
        .start
        .expert_tokens
        .map_or(gathered, |most| gathered.min(most));
    (tokens.saturating_mul(experts.chosen), tokens)
}
