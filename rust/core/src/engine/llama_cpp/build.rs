//! What changed in llama.cpp from build to build, as far as memory tells.
//!
//! Read were the sources that two releases of llama-cpp-python carry: 0.3.16 (llama.cpp at 4227c9be, August 2025) and
//! 0.3.36 (at 0c1e5709, September 2026). Where between them a change came is taken from the pull request that made it and
//! from the first build known to have it; builds shortly before that one may have it too.

use crate::engine::Version;

/// What a build does.
#[expect(clippy::struct_excessive_bools, reason = "each is a change of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Build {
    /// Flash attention is taken where the GPU has a kernel for it, without being asked.
    pub(super) flash: bool,
    /// Slots of the server if none are asked for; they then share one cache.
    pub(super) slots: u64,
    /// Cells are padded to 256 without flash attention too, and those of windows after they are cut to the context.
    pub(super) coarse: bool,
    /// Sequences at the most.
    pub(super) most_sequences: u64,
    /// Latent attention keeps what stands for its values beside its keys.
    pub(super) latent_values: bool,
    /// Logits are made for one token of each sequence, and not for every token of a batch.
    pub(super) few_logits: bool,
    /// The mask of flash attention is made in 16 bits, and not cast to them; keys and values in 16 bits for its kernels
    /// lie in the compute buffer, and not beside it.
    pub(super) halves_in_graph: bool,
}

impl Build {
    pub(super) fn of(version: &Version) -> Self {
        let since = |build| version.at_least(&[build]);
        // Pull request 15434 (August 2025); mybigday/llama.node 102 names b6327 as the build that has it.
        let flash = since(6327);
        // Pull requests 16736 (four slots that share) and 17046 (256 cells, whatever else), both of November 2025; issue
        // 17300 shows the four slots in b7079.
        let four = since(7079);
        Self {
            flash,
            slots: if four { 4 } else { 1 },
            coarse: four,
            // `llama-cparams.h`: 64 at the one end, 256 at the other.
            most_sequences: if flash { 256 } else { 64 },
            // Pull request 19067 (January 2026); issue 19307 has b7917 from the days after.
            latent_values: !since(7917),
            // Pull request 23861 (May 2026); containers/ramalama 2783 has b9512 from the days after.
            few_logits: since(9512),
            // Read at the newest end only.
            halves_in_graph: since(10_864),
        }
    }

    /// Cells are padded to a multiple of this (`llama_context::llama_context`; before,
    /// `llama_kv_cache_unified::get_padding`).
    pub(super) const fn padding(self, flash: bool) -> u64 {
        if self.coarse || flash { 256 } else { 32 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, Version};

    #[test]
    fn builds_differ_where_the_sources_say_so() {
        let build = |text| Build::of(&Version::parse(text).unwrap());
        assert_eq!((build("b6000").slots, build("b10864").slots), (1, 4));
        assert_eq!(build("b6000").padding(false), 32);
        assert_eq!(build("b6000").padding(true), 256);
        assert_eq!(build("b7079").padding(false), 256);
        assert!(build("b6327").flash && !build("b6326").flash);
        assert!(build("b7000").latent_values && !build("b8000").latent_values);
    }
}
