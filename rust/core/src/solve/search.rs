//! The largest number for which something holds.

/// The largest number in `from..=most` for which `holds`, which holds for `from`.
///
/// Where it holds for every number up to some number and for none beyond, that number is found: steps double until one
/// does not hold or the end is reached, and then a half is left away each time, so that always `low` holds and `high`
/// does not. Whatever the answers, the one returned holds, and the next one does not, unless it is `most`.
pub fn largest(from: u64, most: u64, mut holds: impl FnMut(u64) -> bool) -> u64 {
    let mut low = from;
    let mut step = 1_u64;
    let mut high = loop {
        if low >= most {
            return low;
        }
        let next = low.saturating_add(step).min(most);
        if !holds(next) {
            break next;
        }
        low = next;
        step = step.saturating_mul(2);
    };
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn every_border_is_found_in_few_steps() {
        for most in 1..40 {
            for border in 1..=most {
                assert_eq!(largest(1, most, |value| value <= border), border);
            }
        }
        let mut steps = 0;
        let found = largest(1, 1 << 40, |value| {
            steps += 1;
            value <= 123_456_789
        });
        assert_eq!(found, 123_456_789);
        assert!(steps <= 2 * 27 + 2, "{steps}");
        assert_eq!(largest(5, u64::MAX, |_| true), u64::MAX);
    }
}
