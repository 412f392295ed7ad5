//! Rates worked out by hand, and what must hold for all.

use super::{Number, Side, roofline};
use crate::deployment::Deployment;
use crate::hardware::{Catalogue, Gpu};
use crate::memory::layout::Parallel;
use crate::model::Model;
use crate::parallel::Control;
use crate::quantization::scheme::Scheme;
use crate::solve::plain_engine::Plain;
use crate::subject::Subject;
use std::sync::Arc;

fn model(name: &str) -> Subject {
    Subject::of(&Model::open(name, None, 1, &Control::default()).unwrap()).unwrap()
}

fn on(gpu: &str) -> Deployment {
    let gpu = Catalogue::built_in().find(gpu).unwrap().gpu;
    Deployment {
        gpu: Arc::new(gpu),
        ..crate::solve::plain_engine::deployment(1, Plain::default())
    }
}

fn close(value: Option<f64>, expected: f64) {
    let value = value.unwrap();
    assert!((value / expected - 1.0).abs() < 1e-9, "{value} {expected}");
}

/// Llama 3.1 8B: 8,030,261,248 parameters, 128256 x 4096 of them in the table that tokens are looked up in.
const PARAMETERS: u64 = 8_030_261_248;
const TABLE: u64 = 128_256 * 4096;

#[test]
fn a_step_of_one_request_reads_the_weights_and_its_cache() {
    let deployment = Deployment {
        context: Some(1000),
        ..on("H100-SXM-80GB")
    };
    let result = roofline(&model("llama-3.1-8b"), &deployment, 1000).unwrap();
    let decode = &result.decode;
    assert_eq!(decode.stages[0].always, 2 * (PARAMETERS - TABLE));
    assert_eq!(decode.stages[0].rows, 2 * 4096);
    assert_eq!(decode.stages[0].experts, 0);
    // 32 layers, 8 heads of 128 for keys and for values, two bytes each.
    assert_eq!(decode.stages[0].cache, 1000 * 131_072);
    let bytes = 15_009_849_344.0 + 8192.0 + 131_072_000.0;
    close(decode.time.bandwidth, bytes / 3.35e12);
    close(decode.tokens_per_second, 3.35e12 / bytes);
    assert_eq!(decode.time.binds(), Some(Side::Bandwidth));
    // About 221 tokens per second.
    assert!((220.0..222.0).contains(&decode.tokens_per_second.unwrap()));
    assert_eq!(result.compute.unwrap().number, Number::Bf16);
    // 2 per parameter, and 4 x 32 layers x 4096 per token before.
    let flops = 2 * (PARAMETERS - TABLE) + 4 * 32 * 4096 * 1000;
    assert_eq!(decode.flops_per_token, Some(flops));
}

#[test]
fn a_prompt_is_bound_by_operations() {
    let result = roofline(&model("llama-3.1-8b"), &on("H100-SXM-80GB"), 2000).unwrap();
    let prefill = &result.prefill;
    // All tokens through the layers, the last through the head of as many parameters as the table; attention over 0 + 1 +
    // ... + 1999 tokens.
    let flops = 2 * (2000 * (PARAMETERS - 2 * TABLE) + TABLE) + 4 * 32 * 4096 * (1999 * 2000 / 2);
    assert_eq!(prefill.flops, Some(flops));
    close(prefill.time.compute, 28_967_454_769_152.0 / 989e12);
    assert_eq!(prefill.time.binds(), Some(Side::Compute));
    close(
        prefill.tokens_per_second,
        2000.0 / prefill.time.seconds().unwrap(),
    );
}

#[test]
fn many_requests_are_bound_by_operations_where_their_caches_are_short() {
    let one = Deployment {
        context: Some(8),
        ..on("H100-SXM-80GB")
    };
    let many = Deployment {
        concurrency: 4096,
        ..one.clone()
    };
    let subject = model("llama-3.1-8b");
    let one = roofline(&subject, &one, 8).unwrap();
    let many = roofline(&subject, &many, 8).unwrap();
    assert_eq!(one.decode.time.binds(), Some(Side::Bandwidth));
    assert_eq!(many.decode.time.binds(), Some(Side::Compute));
    assert!(many.decode.tokens_per_second > one.decode.tokens_per_second);
    assert!(many.decode.per_request < one.decode.per_request);
}

#[test]
fn a_tied_table_is_read_whole_as_the_head() {
    let subject = model("llama-3.2-1b");
    let result = roofline(&subject, &on("L40S"), 8).unwrap();
    // 1,235,814,400 parameters, none of them in a head of its own.
    assert_eq!(result.decode.stages[0].always, 2 * 1_235_814_400);
    assert_eq!(result.decode.stages[0].rows, 0);
}

#[test]
fn experts_are_read_as_far_as_they_are_chosen() {
    let subject = model("mixtral-8x7b");
    // 32 layers of 8 experts of 3 x 4096 x 14336, two bytes each.
    let experts = 2 * 32 * 8 * 3 * 4096 * 14_336_u64;
    let read = |concurrency, parallel| {
        let mut deployment = Deployment {
            concurrency,
            context: Some(16),
            ..on("H200")
        };
        deployment.options.parallel = parallel;
        let result = roofline(&subject, &deployment, 16).unwrap();
        result.decode.stages[0].experts
    };
    let alone = Parallel::default();
    assert_eq!(read(1, alone), experts / 4);
    // 1 - (3/4)^2 = 7/16.
    assert_eq!(read(2, alone), experts * 7 / 16);
    assert_eq!(read(1_000_000, alone), experts);
    let four = Parallel { tensor: 4, ..alone };
    assert_eq!(read(2, four), experts * 7 / 64);
    // Two replicas of two requests each, whose tokens meet in the experts: 1 - (3/4)^4 = 175/256.
    let replicas = Parallel {
        data: 2,
        expert: 2,
        ..alone
    };
    assert_eq!(read(4, replicas), experts / 2 * 175 / 256);
}

#[test]
fn a_pipeline_is_no_faster_for_one_request_and_is_for_many() {
    let subject = model("llama-3.1-8b");
    let with = |pipeline, concurrency| {
        let mut deployment = Deployment {
            context: Some(16),
            concurrency,
            ..on("H100-SXM-80GB")
        };
        deployment.options.parallel.pipeline = pipeline;
        roofline(&subject, &deployment, 16).unwrap().decode
    };
    assert_eq!(with(4, 1).batch, 1);
    assert_eq!(with(4, 10).batch, 3);
    close(
        with(4, 1).tokens_per_second,
        with(1, 1).tokens_per_second.unwrap(),
    );
    // Weights bind, and the last stage has 8 layers and the head: 3.490 + 1.051 GB, four times, of 15.010 GB in one.
    let faster = with(4, 64).tokens_per_second.unwrap() / with(1, 64).tokens_per_second.unwrap();
    assert!((0.83..0.84).contains(&faster), "{faster}");
    let many = |pipeline| with(pipeline, 1 << 16).tokens_per_second.unwrap();
    close(Some(many(4)), 4.0 * many(1));
}

#[test]
fn ranks_share_what_is_read_and_sum_over_their_link() {
    let subject = model("llama-3.1-8b");
    let with = |tensor| {
        let mut deployment = Deployment {
            context: Some(16),
            concurrency: 8,
            ..on("H100-SXM-80GB")
        };
        deployment.options.parallel.tensor = tensor;
        roofline(&subject, &deployment, 16).unwrap()
    };
    assert!(with(1).link.is_none());
    let four = with(4);
    let link = four.link.unwrap();
    // 2 sums in 32 layers of 8 x 4096 numbers of 2 bytes; each of 4 sends 3/2 of them; 450 GB/s each way.
    assert_eq!(link.bytes, 2 * 32 * 8 * 4096 * 2 * 3 / 2);
    close(Some(link.seconds), 6_291_456.0 / 450e9);
    let ratio = four.decode.tokens_per_second.unwrap() / with(1).decode.tokens_per_second.unwrap();
    assert!((3.9..=4.0).contains(&ratio), "{ratio}");
}

#[test]
fn narrow_weights_compute_in_what_the_hardware_has() {
    let subject = model("llama-3.1-8b");
    let number = |scheme: &str, gpu: &str| {
        let deployment = Deployment {
            weights: Some(Arc::new(Scheme::named(scheme).unwrap())),
            ..on(gpu)
        };
        let compute = roofline(&subject, &deployment, 16).unwrap().compute;
        compute.unwrap().number
    };
    assert_eq!(number("fp8", "H100-SXM-80GB"), Number::Fp8);
    assert_eq!(number("fp8", "A100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("int4-g128", "H100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("nvfp4", "B200"), Number::Fp4);
    assert_eq!(number("nvfp4", "H100-SXM-80GB"), Number::Bf16);
    // llama.cpp quantizes activations to bytes, but not where the weights are floats.
    assert_eq!(number("q4_k_m", "H100-SXM-80GB"), Number::Int8);
    assert_eq!(number("gguf-bf16", "H100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("iq1_m", "H100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("int8wo", "H100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("mlx-4", "H100-SXM-80GB"), Number::Bf16);
    assert_eq!(number("int8", "H100-SXM-80GB"), Number::Int8);
    assert_eq!(number("fp32", "H100-SXM-80GB"), Number::Fp32);
}

#[test]
fn what_is_not_known_is_said_and_bounds_nothing() {
    let deployment = Deployment {
        gpu: Arc::new(Gpu::of_size("test", 80 << 30)),
        ..on("H100")
    };
    let result = roofline(&model("llama-3.1-8b"), &deployment, 16).unwrap();
    assert_eq!(result.decode.tokens_per_second, None);
    assert_eq!(result.prefill.time.binds(), None);
    assert_eq!(result.unknown.len(), 2);
}

/// Reading a prompt is stopped by operations and writing by bytes: the side that is known does not stand for the other.
#[test]
fn one_side_alone_says_nothing_of_the_other() {
    let known = on("H100-SXM-80GB").gpu;
    let with = |gpu: Gpu| {
        let deployment = Deployment {
            gpu: Arc::new(gpu),
            ..on("H100-SXM-80GB")
        };
        roofline(&model("llama-3.1-8b"), &deployment, 16_384).unwrap()
    };
    let mut gpu = Gpu::of_size("test", 80 << 30);
    gpu.bandwidth = known.bandwidth;
    let bytes = with(gpu.clone());
    assert_eq!(bytes.prefill.tokens_per_second, None);
    assert!(bytes.prefill.time.bandwidth.is_some());
    assert!(bytes.decode.tokens_per_second.is_some());
    assert_eq!(bytes.unknown.len(), 1);
    gpu.bandwidth = None;
    gpu.flops = known.flops.clone();
    let operations = with(gpu);
    assert!(operations.prefill.tokens_per_second.is_some());
    assert_eq!(operations.decode.tokens_per_second, None);
    assert_eq!(operations.decode.per_request, None);
    assert_eq!(operations.unknown.len(), 1);
}

#[test]
fn both_rates_are_those_of_all_replicas() {
    let with = |data| {
        let mut deployment = Deployment {
            context: Some(1024),
            concurrency: 8,
            ..on("H100-SXM-80GB")
        };
        deployment.options.parallel.data = data;
        roofline(&model("llama-3.1-8b"), &deployment, 1024).unwrap()
    };
    let (one, four) = (with(1), with(4));
    close(
        four.prefill.tokens_per_second,
        4.0 * one.prefill.tokens_per_second.unwrap(),
    );
    assert_eq!(four.prefill.replicas, 4);
    // Two requests in each replica.
    assert_eq!(four.decode.requests, 2);
    assert!(four.decode.tokens_per_second > one.decode.tokens_per_second);
}
