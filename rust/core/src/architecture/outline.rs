//! An architecture in a few words: the pattern of its layers in one line.

use super::Architecture;
use super::layer::{FeedForward, Layer, Mixer, Reach, Stack};

impl Reach {
    /// `full`, `sliding(1024)` or `chunked(8192)`.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Full => "full".to_owned(),
            Self::Sliding(window) => format!("sliding({window})"),
            Self::Chunked(chunk) => format!("chunked({chunk})"),
        }
    }
}

impl Mixer {
    /// A word or two: `full`, `latent`, `mamba2`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Attention {
                shared_with: Some(_),
                reach,
                ..
            } => format!("{} shared", reach.describe()),
            Self::Attention { reach, .. } => reach.describe(),
            Self::Latent {
                indexer_dim: 0,
                reach: Reach::Full,
                ..
            } => "latent".to_owned(),
            Self::Latent {
                reach: Reach::Full, ..
            } => "sparse latent".to_owned(),
            Self::Latent { reach, .. } => format!("latent {}", reach.describe()),
            Self::Compressed {
                ratio: 0, window, ..
            } => format!("sliding({window})"),
            Self::Compressed { ratio, .. } => format!("compressed({ratio})"),
            Self::State { recurrence, .. } => recurrence.name().to_owned(),
            Self::Cross { .. } => "cross".to_owned(),
            Self::Stateless => "stateless".to_owned(),
        }
    }
}

impl Layer {
    /// What it is made of: `full`, `full + experts`, `mamba2`.
    #[must_use]
    pub fn describe(&self, with_experts: bool) -> String {
        let mut parts: Vec<String> = self.mixers.iter().map(Mixer::describe).collect();
        let experts = self
            .feed_forward
            .iter()
            .any(|part| matches!(part, FeedForward::Experts { .. }));
        match (experts, self.feed_forward.is_empty()) {
            (true, _) if with_experts || parts.is_empty() => parts.push("experts".to_owned()),
            (false, false) if parts.is_empty() => parts.push("feed-forward".to_owned()),
            _ => {}
        }
        if parts.is_empty() {
            parts.push("skipped".to_owned());
        }
        parts.join(" + ")
    }
}

/// More runs of equal layers are not listed.
const SHOWN_RUNS: usize = 12;

impl Architecture {
    /// The layers of a stack in one line: `5 x sliding(1024), 1 x full; 62 layers`.
    ///
    /// A pattern that repeats is given once; one that does not, as its runs; too many runs, as the sums by kind.
    #[must_use]
    pub fn pattern(&self, stack: Stack) -> String {
        let layers: Vec<&Layer> = self
            .layers
            .iter()
            .filter(|layer| layer.stack == stack)
            .collect();
        // Experts are worth a word where only some layers have them.
        let has_experts = |layer: &&Layer| {
            layer
                .feed_forward
                .iter()
                .any(|part| matches!(part, FeedForward::Experts { .. }))
        };
        let with_experts = layers.iter().any(has_experts) && !layers.iter().all(has_experts);
        let words: Vec<String> = layers
            .iter()
            .map(|layer| layer.describe(with_experts))
            .collect();
        let count = words.len();
        if count == 0 {
            return "0 layers".to_owned();
        }
        // The shortest beginning that, repeated, gives the whole; a longer half is no pattern.
        let period = (1..=count / 2)
            .find(|&period| (period..count).all(|at| words[at] == words[at - period]))
            .unwrap_or(count);
        let mut runs: Vec<(usize, &str)> = Vec::new();
        for word in &words[..period] {
            match runs.last_mut() {
                Some((length, last)) if last == word => *length += 1,
                _ => runs.push((1, word)),
            }
        }
        let irregular = runs.len() > SHOWN_RUNS;
        if irregular {
            // Too many runs to read: how many layers of each kind there are says more.
            let mut kinds: Vec<(usize, &str)> = Vec::new();
            for (length, word) in runs.drain(..) {
                match kinds.iter_mut().find(|(_, known)| *known == word) {
                    Some((sum, _)) => *sum += length,
                    None => kinds.push((length, word)),
                }
            }
            runs = kinds;
        }
        let shown: Vec<String> = runs
            .iter()
            .map(|(length, word)| format!("{length} x {word}"))
            .collect();
        if period == 1 {
            return format!("{count} x {}", runs[0].1);
        }
        let order = if irregular {
            " in an order of their own"
        } else {
            ""
        };
        format!("{}{order}; {count} layers", shown.join(", "))
    }
}
