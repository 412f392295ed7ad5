//! Names: splitting one into a pattern and numbers loses nothing, so two names are equal when both parts are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondera::checkpoint::{Pattern, classify};

fuzz_target!(|names: (&str, &str)| {
    let split = |name: &str| {
        let mut numbers = Vec::new();
        let pattern = Pattern::split(name, &mut numbers);
        assert_eq!(pattern.arity(), numbers.len());
        assert_eq!(pattern.name(&numbers), name);
        // Its role is read from the pattern alone, whatever the name.
        let _ = classify(pattern.text());
        (pattern, numbers)
    };
    assert_eq!(split(names.0) == split(names.1), names.0 == names.1);
});
