//! Bytes by hand, and sizes that others published.

use super::{Scheme, account};
use crate::architecture::Architecture;
use crate::model::builtin;

fn model(name: &str) -> Architecture {
    Architecture::from_config(builtin::find(name).unwrap().config.clone(), None).unwrap()
}

fn total(scheme: &Scheme, architecture: &Architecture) -> u64 {
    account(scheme, architecture)
        .iter()
        .map(|line| line.bytes)
        .sum()
}

/// Bits per weight of Llama 3.1 8B as llama.cpp publishes them (`tools/quantize/README.md` at 311c2c9f).
const LLAMA_8B: &[(&str, u64)] = &[
    ("iq1_s", 20042),
    ("iq1_m", 21460),
    ("iq2_xxs", 23824),
    ("iq2_xs", 25882),
    ("iq2_s", 27403),
    ("iq2_m", 29294),
    ("iq3_xxs", 32548),
    ("iq3_xs", 34977),
    ("iq3_s", 36606),
    ("iq3_m", 37628),
    ("iq4_xs", 44597),
    ("iq4_nl", 46818),
    ("q2_k_s", 29697),
    ("q2_k", 31593),
    ("q3_k_s", 36429),
    ("q3_k_l", 42979),
    ("q4_k_s", 46672),
    ("q4_k_m", 48944),
    ("q5_k_s", 55704),
    ("q5_k_m", 57036),
    ("q6_k", 65633),
    ("q8_0", 85008),
    ("gguf-f16", 160_005),
];

#[test]
fn gguf_mixes_have_the_bits_that_llama_cpp_publishes() {
    let architecture = model("llama-3.1-8b");
    let parameters = architecture.total().parameters;
    let mut wrong = Vec::new();
    for &(name, published) in LLAMA_8B {
        let bytes = total(&Scheme::named(name).unwrap(), &architecture);
        let bits = u128::from(bytes) * 80_000 / u128::from(parameters);
        if bits.abs_diff(u128::from(published)) > 1 {
            wrong.push((name, bits, published));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
