//! Any bytes as a config.json: an architecture that can be summed and shown, or an error; never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondera::architecture::Architecture;
use pondera::dtype::Dtype;
use pondera::model::parse_config;

fuzz_target!(|bytes: &[u8]| {
    let Some(config) = std::str::from_utf8(bytes).ok().and_then(|text| parse_config(text).ok()) else {
        return;
    };
    for assume in [None, Some("llama"), Some("deepseek_v3"), Some("qwen3_5_moe"), Some("gemma3")] {
        let Ok(architecture) = Architecture::from_config(config.clone(), assume) else {
            continue;
        };
        let total = architecture.total();
        assert!(total.active <= total.parameters);
        let sum: u64 = architecture.roles().values().map(|count| count.parameters).sum();
        assert_eq!(sum, total.parameters);
        let short = architecture.cache_bytes(1000, 0, 1, Dtype::Bf16);
        let long = architecture.cache_bytes(2000, 0, 1, Dtype::Bf16);
        if let (Ok(short), Ok(long)) = (short, long) {
            assert!(short <= long);
        }
    }
});
