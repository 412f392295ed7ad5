//! Numbers as messages have them: with separators, and with a noun in the right number.

/// A whole number with a comma before each three digits.
#[must_use]
pub fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 byte`, `1,234 bytes`. The plural is that of the noun with an `s`.
#[must_use]
pub fn counted(number: impl Into<u128>, noun: &str) -> String {
    let number = number.into();
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::{counted, grouped};

    #[test]
    fn numbers_have_separators_and_nouns_a_number() {
        for (number, expected) in [
            (0_u64, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!(counted(1_u8, "byte"), "1 byte");
        assert_eq!(counted(0_u8, "byte"), "0 bytes");
        assert_eq!(counted(1200_u64, "tensor"), "1,200 tensors");
    }
}
