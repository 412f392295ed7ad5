//! Derives architectures from config.json files and prints, one line of JSON each: every tensor with its shape and
//! role, the counts, and the cache after some tokens. Usage: `derive CONFIG...`, or paths on standard input.

use pondera::architecture::Architecture;
use pondera::dtype::Dtype;
use pondera::model::parse_config;
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        for path in std::io::stdin().lines().map_while(Result::ok) {
            println!("{}", derive(&path));
        }
    }
    for path in arguments {
        println!("{}", derive(&path));
    }
}

fn derive(path: &str) -> Value {
    let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| parse_config(&text).map_err(|error| error.to_string()));
    let derived = parsed.and_then(|value| {
        Architecture::from_config(value, None).map_err(|error| error.to_string())
    });
    match derived {
        Ok(architecture) => describe(path, &architecture),
        Err(error) => json!({"path": path, "error": error}),
    }
}

fn describe(path: &str, architecture: &Architecture) -> Value {
    let mut tensors = Vec::new();
    for template in &architecture.templates {
        template.names(|name, _| tensors.push(json!([name, template.shape, template.role.name()])));
    }
    let total = architecture.total();
    let layers: Vec<Value> = architecture
        .layers
        .iter()
        .map(|layer| json!({"stack": layer.stack.name(), "number": layer.number, "caches": format!("{:?}", layer.caches())}))
        .collect();
    // What is asked of encoders: the length that the measured cases have.
    let encoder = 20;
    let cache: Vec<_> = [24, 27, 80, 83]
        .iter()
        .map(|&tokens| {
            let by_layer: Vec<_> = architecture.layers.iter().map(|layer| layer.cache_bytes(tokens, encoder, Dtype::F32)).collect();
            json!({"tokens": tokens, "bytes": architecture.cache_bytes(tokens, encoder, 1, Dtype::F32).ok(), "layers": by_layer})
        })
        .collect();
    json!({
        "path": path,
        "family": architecture.family,
        "parameters": total.parameters,
        "active": total.active,
        "tensors": tensors,
        "layers": layers,
        "cache": cache,
        "facts": {
            "hidden_size": architecture.hidden_size,
            "vocab_size": architecture.vocab_size,
            "context": architecture.context,
            "rope": architecture.rope,
            "dtype": architecture.dtype,
            "quantization": architecture.quantization,
        },
        "assumptions": architecture.assumptions,
    })
}
