//! Lists of modules as configs name them: what a publisher left as it was, or quantized.
//!
//! Libraries compare differently: transformers looks for an entry in a name, vLLM for the same name, compressed-tensors
//! for the same name or a regular expression from its start, `ModelOpt` for a shell pattern. And the prefix of a name
//! changes with the library that writes it. Here an entry fits a module if it stands in its name as a run of whole
//! words between dots; `re:` begins a regular expression, which must fit from the start of some word, and in other entries
//! a star stands for anything.

use foldhash::HashSet;
use regex_lite::Regex;

/// A list of modules.
#[derive(Clone, Debug, Default)]
pub struct Names {
    plain: HashSet<String>,
    patterns: Vec<String>,
    expressions: Vec<Regex>,
    /// Entries that are no regular expression, though they say so.
    unread: Vec<String>,
}

impl Names {
    /// Reads a list.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self::default();
        for entry in entries {
            if let Some(expression) = entry.strip_prefix("re:") {
                match Regex::new(&format!("^(?:{expression})")) {
                    Ok(regex) => names.expressions.push(regex),
                    Err(_) => names.unread.push(entry.to_owned()),
                }
            } else if entry.contains('*') {
                names.patterns.push(entry.to_owned());
            } else {
                names.plain.insert(entry.to_owned());
                // The whole model's own prefix, which older classes do not have. Layers are left alone: a tower has some too.
                if let Some(rest) = entry.strip_prefix("model.")
                    && !rest.starts_with("layers.")
                {
                    names.plain.insert(rest.to_owned());
                }
            }
        }
        names
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.patterns.is_empty() && self.expressions.is_empty()
    }

    /// Entries that cannot be read.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.unread
    }

    /// Whether some entry fits a module.
    #[must_use]
    pub fn contains(&self, module: &str) -> bool {
        let starts = || std::iter::once(0).chain(module.match_indices('.').map(|(dot, _)| dot + 1));
        let runs = |from: usize| {
            let rest = &module[from..];
            rest.match_indices('.')
                .map(move |(dot, _)| &rest[..dot])
                .chain(std::iter::once(rest))
        };
        starts().any(|from| {
            let rest = &module[from..];
            (!self.plain.is_empty() && runs(from).any(|run| self.plain.contains(run)))
                || self.patterns.iter().any(|pattern| {
                    pattern.split('*').next().is_some_and(|lead| rest.starts_with(lead))
                        // A pattern that ends in a star takes all that follows with it.
                        && (fits(pattern, rest) || runs(from).any(|run| fits(pattern, run)))
                })
                || self.expressions.iter().any(|regex| regex.is_match(rest))
        })
    }
}

/// Whether a shell pattern of stars fits a whole text. Steps back only to the last star, so it takes at most the product
/// of both lengths.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, here));
            at += 1;
        } else if pattern.get(at) == Some(&text[here]) {
            at += 1;
            here += 1;
        } else if let Some((back, from)) = star {
            at = back + 1;
            here = from + 1;
            star = Some((back, from + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{Names, fits};

    #[test]
    fn entries_fit_runs_of_whole_words() {
        let names = Names::new([
            "lm_head",
            "model.layers.0.self_attn",
            "gate",
            "model.vision_tower",
        ]);
        for (module, expected) in [
            ("lm_head", true),
            ("language_model.lm_head", true),
            ("model.layers.0.self_attn.q_proj", true),
            ("model.layers.10.self_attn.q_proj", false),
            ("model.layers.3.mlp.gate", true),
            ("model.layers.3.mlp.gate_proj", false),
            ("vision_tower.blocks.0.attn", true),
        ] {
            assert_eq!(names.contains(module), expected, "{module}");
        }
    }

    #[test]
    fn patterns_and_expressions_are_read_as_their_libraries_do() {
        let names = Names::new([
            "model.layers.1.*",
            "model.layers.0*",
            "*.mlp.shared_expert.*",
            r"re:.*mlp\.(gate|up)_proj.*",
            "re:visual.*",
            "model.layers.*.self_attn",
        ]);
        for (module, expected) in [
            ("model.layers.1.mlp.experts.0.w1", true),
            ("model.layers.10.mlp.experts.0.w1", false),
            ("model.layers.0.mlp.experts.0.w1", true),
            ("model.layers.7.mlp.shared_expert.w1", true),
            ("model.layers.7.mlp.gate_proj", true),
            ("model.layers.7.mlp.down_proj", false),
            ("model.visual.blocks.0", true),
            ("model.layers.7.self_attn.k_proj", true),
        ] {
            assert_eq!(names.contains(module), expected, "{module}");
        }
        assert_eq!(Names::new(["re:("]).unread(), ["re:("]);
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("a*b*c", "axxbxbc"));
        assert!(!fits("a*b*c", "axxbxb"));
        assert!(fits("*", ""));
        assert!(!fits("", "a"));
    }
}
