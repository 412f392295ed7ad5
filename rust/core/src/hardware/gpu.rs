//! What is known of one GPU, or of another chip that holds a model.

use super::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::LazyLock;

/// Bytes of the context of [`Gpu::CONTEXT_OF`]; a test reads the same row, so it is there.
static MEASURED_CONTEXT: LazyLock<u64> = LazyLock::new(|| {
    let row = Catalogue::built_in().find(Gpu::CONTEXT_OF);
    row.ok()
        .and_then(|found| found.gpu.context_bytes)
        .unwrap_or(0)
});

/// Who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Vendor {
    /// AMD: Instinct and Radeon.
    Amd,
    /// Amazon: Inferentia and Trainium.
    Amazon,
    /// Anyone: a bare size of memory.
    Any,
    /// Apple: the M series.
    Apple,
    /// No accelerator: models in the memory of a CPU.
    Cpu,
    /// Google: TPUs.
    Google,
    /// Intel: Arc, Gaudi and Max.
    Intel,
    /// NVIDIA.
    Nvidia,
    /// Someone else, in a user's file.
    Other,
}

impl Vendor {
    /// Every vendor that a row may name, sorted by name.
    pub const ALL: [Vendor; 8] = [
        Vendor::Amazon,
        Vendor::Amd,
        Vendor::Apple,
        Vendor::Cpu,
        Vendor::Google,
        Vendor::Intel,
        Vendor::Nvidia,
        Vendor::Other,
    ];

    /// Its name in data: `nvidia`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Vendor::Amd => "amd",
            Vendor::Amazon => "amazon",
            Vendor::Any => "any",
            Vendor::Apple => "apple",
            Vendor::Cpu => "cpu",
            Vendor::Google => "google",
            Vendor::Intel => "intel",
            Vendor::Nvidia => "nvidia",
            Vendor::Other => "other",
        }
    }

    /// The vendor of this name in data, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Vendor> {
        Vendor::ALL
            .into_iter()
            .find(|vendor| vendor.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kind of memory, as far as it tells how much of it a program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Memory {
    /// Stacked memory beside the chip, with its own correction of errors.
    Hbm,
    /// Graphics memory, all of it for data.
    Gddr,
    /// Graphics memory that keeps the codes which correct errors among the data, and so has less room.
    GddrEcc,
    /// Memory that the GPU shares with the CPU, and with the system that runs there.
    Shared,
    /// Memory of a CPU.
    Ram,
}

impl Memory {
    /// Every kind.
    pub const ALL: [Memory; 5] = [
        Memory::Hbm,
        Memory::Gddr,
        Memory::GddrEcc,
        Memory::Shared,
        Memory::Ram,
    ];

    /// Its name in data: `gddr-ecc`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Memory::Hbm => "hbm",
            Memory::Gddr => "gddr",
            Memory::GddrEcc => "gddr-ecc",
            Memory::Shared => "shared",
            Memory::Ram => "ram",
        }
    }
}

/// Where the usable bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Usable {
    /// A runtime reported them.
    Measured {
        /// Where the report was read.
        source: String,
    },
    /// They follow from the nominal bytes by a rule.
    Derived {
        /// The rule, in words.
        how: String,
    },
    /// They were given as they are, by a user.
    Given,
}

/// Dense operations per second by type of number: no sparsity counted. Absent where no source states it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flops {
    /// 32-bit floats, on the vector units.
    pub fp32: Option<u64>,
    /// 32-bit floats of 19 bits, on the matrix units.
    pub tf32: Option<u64>,
    /// 16-bit brain floats, on the matrix units where there are any.
    pub bf16: Option<u64>,
    /// 16-bit floats, on the matrix units where there are any.
    pub fp16: Option<u64>,
    /// 8-bit floats.
    pub fp8: Option<u64>,
    /// 8-bit integers.
    pub int8: Option<u64>,
    /// 4-bit floats.
    pub fp4: Option<u64>,
}

impl Flops {
    /// Types of numbers and their rates, widest first.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, Option<u64>); 7] {
        [
            ("fp32", self.fp32),
            ("tf32", self.tf32),
            ("bf16", self.bf16),
            ("fp16", self.fp16),
            ("fp8", self.fp8),
            ("int8", self.int8),
            ("fp4", self.fp4),
        ]
    }
}

/// The link to the other GPUs of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interconnect {
    /// Its name, such as `NVLink 4`.
    pub name: String,
    /// Bytes per second of one GPU to all others, both directions added, as data sheets state it: half of it flows
    /// each way.
    pub bytes_per_second: u64,
}

/// What is known of one GPU, or of another chip that holds a model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gpu {
    /// Its canonical name, such as `H100-SXM-80GB`.
    pub name: String,
    /// Who makes it.
    pub vendor: Vendor,
    /// The kind of its memory.
    pub memory: Memory,
    /// Bytes of memory on the board. Makers write GB and mean GiB; the data have what the chips have.
    pub nominal_bytes: u64,
    /// Bytes that the runtime reports as the total, which is what an engine can divide.
    pub usable_bytes: u64,
    /// Where `usable_bytes` come from.
    pub usable: Usable,
    /// Bytes per second between memory and chip.
    pub bandwidth: Option<u64>,
    /// Dense operations per second.
    pub flops: Flops,
    /// The link to the other GPUs of a node.
    pub interconnect: Option<Interconnect>,
    /// GPUs in the node that it is usually sold in; 1 where no source states more.
    pub per_node: u64,
    /// Whether the memory is shared with the CPU.
    pub unified: bool,
    /// Bytes that a process takes before it allocates anything (the CUDA context), where that was measured.
    pub context_bytes: Option<u64>,
    /// Where `context_bytes` were measured.
    pub context_source: Option<String>,
    /// NVIDIA's compute capability, such as (9, 0).
    pub compute_capability: Option<(u8, u8)>,
    /// Multiprocessors of an NVIDIA GPU, where a source states them.
    pub multiprocessors: Option<u64>,
    /// Other names, such as what the driver reports.
    pub aliases: Vec<String>,
    /// Shorter names that mean this one of several, such as `h100`; a look-up says so.
    pub default_for: Vec<String>,
    /// Whether it is one of the few that a table shows when nothing is chosen.
    pub common: bool,
    /// Where nominal bytes, bandwidth, operations and link were read.
    pub source: String,
    /// What a reader of the figures should know, such as that sparse ones were halved.
    pub note: Option<String>,
}

impl Gpu {
    /// Whether a runtime reported the usable bytes.
    #[must_use]
    pub const fn measured(&self) -> bool {
        matches!(self.usable, Usable::Measured { .. })
    }

    /// Where the usable bytes come from, in words.
    #[must_use]
    pub fn usable_source(&self) -> &str {
        match &self.usable {
            Usable::Measured { source } => source,
            Usable::Derived { how } => how,
            Usable::Given => "as given",
        }
    }

    /// Whether a link other than the bus of the host joins it with the other GPUs of a node.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let link = self.interconnect.as_ref();
        link.is_some_and(|link| !link.name.starts_with("PCIe"))
    }

    /// Bytes that a process of CUDA takes before it allocates anything, and where they were measured: on this GPU, or
    /// else on [the one](Self::CONTEXT_OF) of which they are known.
    #[must_use]
    pub fn cuda_context(&self) -> (u64, &'static str) {
        match self.context_bytes {
            Some(bytes) => (bytes, "measured on this GPU: see the catalogue"),
            None => (
                *MEASURED_CONTEXT,
                "measured on an H100, for want of a figure for this GPU",
            ),
        }
    }

    /// The GPU whose context stands for those on which nothing was measured.
    pub const CONTEXT_OF: &str = "H100-SXM-80GB";

    /// All fields as JSON text: an element of `gpus` of the schema `pondera.gpus/1`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let flops: Map<String, Value> = self
            .flops
            .by_name()
            .into_iter()
            .map(|(name, rate)| (name.to_owned(), json!(rate)))
            .collect();
        json!({
            "name": self.name,
            "vendor": self.vendor.name(),
            "aliases": self.aliases,
            "default_for": self.default_for,
            "common": self.common,
            "memory_kind": self.memory.name(),
            "nominal_bytes": self.nominal_bytes,
            "usable_bytes": self.usable_bytes,
            "measured": self.measured(),
            "usable_source": self.usable_source(),
            "unified": self.unified,
            "bandwidth": self.bandwidth,
            "flops": flops,
            "interconnect": self.interconnect.as_ref().map(|link| json!({
                "name": link.name,
                "bytes_per_second": link.bytes_per_second,
            })),
            "per_node": self.per_node,
            "context_bytes": self.context_bytes,
            "context_source": self.context_source,
            "compute_capability": self.compute_capability,
            "source": self.source,
            "note": self.note,
        })
        .to_string()
    }

    /// A GPU of which only the usable memory is known.
    #[must_use]
    pub fn of_size(name: &str, bytes: u64) -> Gpu {
        Gpu {
            name: name.to_owned(),
            vendor: Vendor::Any,
            memory: Memory::Hbm,
            nominal_bytes: bytes,
            usable_bytes: bytes,
            usable: Usable::Given,
            bandwidth: None,
            flops: Flops::default(),
            interconnect: None,
            per_node: 1,
            unified: false,
            context_bytes: None,
            context_source: None,
            compute_capability: None,
            multiprocessors: None,
            aliases: Vec::new(),
            default_for: Vec::new(),
            common: false,
            source: "a size of memory as given".to_owned(),
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gpu;
    use crate::hardware::Catalogue;

    #[test]
    fn the_context_that_stands_for_others_is_in_the_catalogue() {
        let find = |name: &str| Catalogue::built_in().find(name).unwrap().gpu.clone();
        let measured = find(Gpu::CONTEXT_OF);
        assert!(
            measured
                .context_bytes
                .is_some_and(|bytes| bytes > 400 << 20)
        );
        assert_eq!(find("T4").cuda_context().0, measured.cuda_context().0);
        assert_ne!(find("T4").cuda_context().1, measured.cuda_context().1);
    }
}
