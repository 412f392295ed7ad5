//! Times deriving one config, parsed already: roles and totals, without names. Prints a line of JSON with the median in
//! microseconds, and that of parsing the config's text for comparison.
//!
//! Usage: `architecture CONFIG ROUNDS`.

use pondera::architecture::Architecture;
use serde_json::Value;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, config, rounds] = &arguments[..] else {
        return Err("usage: architecture CONFIG ROUNDS".into());
    };
    let rounds = rounds.parse::<usize>()?.max(1);
    let text = std::fs::read_to_string(config)?;
    let value: Value = serde_json::from_str(&text)?;
    let (mut derive, mut parse) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(serde_json::from_str::<Value>(&text)?);
        parse.push(start.elapsed().as_secs_f64() * 1e6);
        let value = value.clone();
        let start = Instant::now();
        let architecture = Architecture::from_config(value, None)?;
        black_box((architecture.total(), architecture.roles()));
        derive.push(start.elapsed().as_secs_f64() * 1e6);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    println!(
        "{}",
        serde_json::json!({"derive_us": median(&mut derive), "parse_us": median(&mut parse)})
    );
    Ok(())
}
