//! Versions of engines: `0.19.0`, `5.23`, `b6800`.

use std::cmp::Ordering;
use std::fmt;

/// A version, compared by its numbers.
#[derive(Clone, Debug)]
pub struct Version {
    text: String,
    numbers: Vec<u32>,
}

impl Version {
    /// Reads a version; a leading `v` or `b` and whatever follows the numbers is passed over. `None` if it has no number in
    /// front.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.trim().trim_start_matches(['v', 'b']);
        let numbers: Vec<u32> = bare
            .split('.')
            .map_while(|piece| {
                let end = piece
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(piece.len());
                piece[..end].parse().ok()
            })
            .collect();
        (!numbers.is_empty() && text.len() <= 64).then(|| Self {
            text: text.trim().to_owned(),
            numbers,
        })
    }

    /// Whether it is this version or a later one.
    #[must_use]
    pub fn at_least(&self, numbers: &[u32]) -> bool {
        compare(&self.numbers, numbers) != Ordering::Less
    }
}

/// Numbers that are missing count as zero.
fn compare(a: &[u32], b: &[u32]) -> Ordering {
    (0..a.len().max(b.len()))
        .map(|at| {
            let number = |of: &[u32]| of.get(at).copied().unwrap_or(0);
            number(a).cmp(&number(b))
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        compare(&self.numbers, &other.numbers).is_eq()
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(compare(&self.numbers, &other.numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions_compare_by_their_numbers() {
        let parse = |text| Version::parse(text).unwrap();
        assert!(parse("0.9.2") < parse("0.19.0"));
        assert!(parse("b6800") < parse("b10000"));
        assert!(parse("v5.23") >= parse("5.23.0"));
        assert!(parse("0.11.0rc1").at_least(&[0, 11]));
        assert!(!parse("0.11").at_least(&[0, 11, 1]));
        assert!(Version::parse("newest").is_none());
        assert!(Version::parse("").is_none());
    }
}
