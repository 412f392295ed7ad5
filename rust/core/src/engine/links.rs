//! What the processes of a group take to be joined, which depends on how their GPUs are linked.
//!
//! Few measurements are there, so that this is one rule for the engines on PyTorch: where switches join the GPUs, NCCL and
//! the engines keep large buffers for reductions within the switch, and where nothing but the bus does, hardly any.

use crate::architecture::config::Assumption;
use crate::hardware::Gpu;

const MIB: u64 = 1 << 20;

/// How the GPUs of a node are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// By a fast link, and of a generation whose switches reduce (`NVLink` SHARP, from Hopper on).
    Switched,
    /// By a fast link of an older generation, or of another maker.
    Direct,
    /// By the bus of the host alone.
    Bus,
}

/// What joining took between four cards that no link joins: 0.13 GiB, logs of `SGLang`.
pub const BUS: u64 = 133 * MIB;

impl Links {
    /// Those of a GPU, by the catalogue; a GPU of which no link is known has none.
    #[must_use]
    pub fn of(gpu: &Gpu) -> Self {
        match (gpu.is_linked(), gpu.compute_capability) {
            (false, _) => Self::Bus,
            (true, Some((9.., _))) => Self::Switched,
            (true, _) => Self::Direct,
        }
    }

    /// Bytes that a process takes to be joined with others, before it loads anything. `switched` is what the engine was
    /// measured to take where switches join the GPUs.
    #[must_use]
    pub const fn joining(self, ranks: u64, switched: u64) -> u64 {
        if ranks <= 1 {
            return 0;
        }
        match self {
            Self::Switched => switched,
            Self::Direct => nccl(ranks),
            Self::Bus => BUS,
        }
    }
}

/// Buffers of NCCL: 342 MiB between two GPUs, 392 between four and eight (aiconfigurator, its files of systems such as
/// `systems/l40s.yaml`, `misc.nccl_mem`, which it calls corrections by observation).
#[must_use]
pub const fn nccl(ranks: u64) -> u64 {
    match ranks {
        0 | 1 => 0,
        2 | 3 => 342 * MIB,
        _ => 392 * MIB,
    }
}

/// Notes that what joins the ranks was not measured on this GPU.
pub fn note(gpu: &Gpu, ranks: u64, notes: &mut Vec<Assumption>) {
    if ranks <= 1 {
        return;
    }
    let (value, reason) = match Links::of(gpu) {
        Links::Switched => return,
        Links::Direct => (
            "buffers of NCCL alone",
            "what joins the ranks was measured on GPUs with switches (H100, H200); of older links the figures of \
             aiconfigurator are taken",
        ),
        Links::Bus => (
            "joined by the bus",
            "no link is known of this GPU; what joins the ranks is taken as measured between four cards on PCIe",
        ),
    };
    notes.push(Assumption::new("links", value, reason));
}

#[cfg(test)]
mod tests {
    use super::{BUS, Links, nccl};
    use crate::hardware::Catalogue;

    #[test]
    fn links_are_those_of_the_catalogue() {
        let of = |name: &str| Links::of(&Catalogue::built_in().find(name).unwrap().gpu);
        assert_eq!(of("H100-SXM-80GB"), Links::Switched);
        assert_eq!(of("B200"), Links::Switched);
        assert_eq!(of("A100-SXM-80GB"), Links::Direct);
        assert_eq!(of("V100-SXM-16GB"), Links::Direct);
        for name in ["T4", "L4", "RTX-4080", "H100-PCIE-80GB", "16GB"] {
            assert_eq!(of(name), Links::Bus, "{name}");
        }
    }

    #[test]
    fn one_process_is_joined_with_none() {
        for links in [Links::Switched, Links::Direct, Links::Bus] {
            assert_eq!(links.joining(1, 7), 0);
        }
        assert_eq!(Links::Switched.joining(2, 7), 7);
        assert_eq!(Links::Direct.joining(8, 7), nccl(8));
        assert_eq!(Links::Bus.joining(8, 7), BUS);
    }
}
