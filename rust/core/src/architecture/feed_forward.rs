//! Feed-forward networks: dense ones, and experts behind a router.

use super::builder::Builder;
use super::layer::FeedForward;
use super::template::Numbers;
use crate::checkpoint::Role;

/// The names of a gated network's gate, up and down projections.
pub const GATED: [&str; 3] = ["gate_proj", "up_proj", "down_proj"];

/// Adds a gated network, two matrices in and one out, to the scope that is open.
pub fn gated(b: &mut Builder, names: [&str; 3], role: Role, hidden: u64, width: u64, bias: bool) {
    let [gate, up, down] = names;
    b.linear(gate, role, width, hidden, bias);
    b.linear(up, role, width, hidden, bias);
    b.linear(down, role, hidden, width, bias);
}

/// Adds a plain network, one matrix in and one out, to the scope that is open.
pub fn plain(b: &mut Builder, names: [&str; 2], role: Role, hidden: u64, width: u64, bias: bool) {
    let [up, down] = names;
    b.linear(up, role, width, hidden, bias);
    b.linear(down, role, hidden, width, bias);
}

/// Adds a gated network as the layer's feed-forward under `prefix`, which ends in a dot.
pub fn dense(b: &mut Builder, prefix: &str, hidden: u64, width: u64, bias: bool) {
    b.scope(prefix, |b| gated(b, GATED, Role::Mlp, hidden, width, bias));
    b.feed_forward(FeedForward::Dense { width });
}

/// How the experts of a layer are laid out in tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout<'n> {
    /// One set of gate, up and down projections per expert, `PREFIX.N.NAME.weight`.
    Each([&'n str; 3]),
    /// Two tensors for all experts, each expert's transposed: `gate_up_proj` of `[experts, hidden, 2 width]` and
    /// `down_proj` of `[experts, width, hidden]`, without `.weight`.
    FusedTransposed([&'n str; 2]),
    /// Two tensors for all experts: `[experts, 2 width, hidden]` and `[experts, hidden, width]`, named in full.
    Fused([&'n str; 2]),
    /// Gate, up and down as a tensor for all experts each: `[experts, width, hidden]` twice and
    /// `[experts, hidden, width]`, named in full.
    Split([&'n str; 3]),
    /// Gate, up and down as a matrix for all experts each, one expert's below the other's, the last transposed:
    /// `[experts width, hidden]`, named in full.
    Stacked([&'n str; 3]),
}

/// Experts behind a router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "independent switches in the words of the field"
)]
pub struct Experts<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// How many experts.
    pub experts: u64,
    /// How many of them each token visits.
    pub chosen: u64,
    /// Inner width of one.
    pub width: u64,
    /// The router, `NAME.weight` of `[experts, hidden]`.
    pub router: &'n str,
    /// Whether the router has a bias.
    pub router_bias: bool,
    /// A correction of the router's scores by this full name, `[experts]`, which the model's code keeps as a buffer.
    pub correction: Option<&'n str>,
    /// Whether the model's code keeps the correction as a parameter instead.
    pub correction_learned: bool,
    /// Where the experts are, without the dot before their numbers; empty for none of their own.
    pub prefix: &'n str,
    /// How they are laid out.
    pub layout: Layout<'n>,
    /// Whether the matrices of the experts have biases. Fused ones are `NAME_bias`.
    pub bias: bool,
    /// Inner width of what every token visits beside them, and its prefix with the dot.
    pub shared: Option<(u64, &'n str)>,
    /// The names of the shared part's gate, up and down projections.
    pub shared_names: [&'n str; 3],
    /// The names of the shared part's gate and up projection in one, and its down projection, if it has them so.
    pub shared_fused: Option<[&'n str; 2]>,
    /// Whether the shared part has biases.
    pub shared_bias: bool,
    /// A gate of the shared part, `NAME.weight` of `[1, hidden]`.
    pub shared_gate: Option<&'n str>,
}

impl Experts<'_> {
    /// Experts as most families have them: `gate` and `experts.N`, nothing shared.
    #[must_use]
    pub const fn new(hidden: u64, experts: u64, chosen: u64, width: u64) -> Self {
        Self {
            hidden,
            experts,
            chosen,
            width,
            router: "gate",
            router_bias: false,
            correction: None,
            correction_learned: false,
            prefix: "experts",
            layout: Layout::Each(GATED),
            bias: false,
            shared: None,
            shared_names: GATED,
            shared_fused: None,
            shared_bias: false,
            shared_gate: None,
        }
    }

    /// Adds them to the scope that is open, which ends in a dot, and tells the layer of them.
    pub fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            experts,
            chosen,
            width,
            ..
        } = *self;
        b.linear(self.router, Role::Router, experts, hidden, self.router_bias);
        match self.correction {
            Some(name) if self.correction_learned => b.tensor(name, Role::Router, &[experts]),
            Some(name) => b.buffer(name, Role::Router, &[experts]),
            None => {}
        }
        b.routed(chosen, experts, |b| match self.layout {
            Layout::Each(names) => {
                // `COUNT_LIMIT` bounds their number.
                let numbers = Numbers::Below(u32::try_from(experts).unwrap_or(u32::MAX));
                b.each(self.prefix, numbers, |b| {
                    gated(b, names, Role::Expert, hidden, width, self.bias);
                });
            }
            Layout::FusedTransposed([gate_up, down]) => self.all(b, |b| {
                b.tensor(gate_up, Role::Expert, &[experts, hidden, 2 * width]);
                b.tensor(down, Role::Expert, &[experts, width, hidden]);
                self.fused_biases(b, gate_up, down);
            }),
            Layout::Fused([gate_up, down]) => self.all(b, |b| {
                b.tensor(gate_up, Role::Expert, &[experts, 2 * width, hidden]);
                b.tensor(down, Role::Expert, &[experts, hidden, width]);
                self.fused_biases(b, gate_up, down);
            }),
            Layout::Split([gate, up, down]) => self.all(b, |b| {
                b.tensor(gate, Role::Expert, &[experts, width, hidden]);
                b.tensor(up, Role::Expert, &[experts, width, hidden]);
                b.tensor(down, Role::Expert, &[experts, hidden, width]);
            }),
            Layout::Stacked(names) => self.all(b, |b| {
                for name in names {
                    b.tensor(name, Role::Expert, &[experts * width, hidden]);
                }
            }),
        });
        if let Some((width, prefix)) = self.shared {
            let (role, bias) = (Role::SharedExpert, self.shared_bias);
            b.scope(prefix, |b| match self.shared_fused {
                None => gated(b, self.shared_names, role, hidden, width, bias),
                Some([gate_up, down]) => {
                    b.linear(gate_up, role, 2 * width, hidden, bias);
                    b.linear(down, role, hidden, width, bias);
                }
            });
        }
        if let Some(name) = self.shared_gate {
            b.linear(name, Role::Router, 1, hidden, false);
        }
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: self.shared.map_or(0, |(width, _)| width),
        });
    }

    /// Opens the scope of the tensors that hold all experts.
    fn all(&self, b: &mut Builder, inside: impl FnOnce(&mut Builder)) {
        if self.prefix.is_empty() {
            inside(b);
        } else {
            b.scope(&format!("{}.", self.prefix), inside);
        }
    }

    fn fused_biases(&self, b: &mut Builder, gate_up: &str, down: &str) {
        if self.bias {
            let Self {
                hidden,
                experts,
                width,
                ..
            } = *self;
            b.tensor(
                &format!("{gate_up}_bias"),
                Role::Expert,
                &[experts, 2 * width],
            );
            b.tensor(&format!("{down}_bias"), Role::Expert, &[experts, hidden]);
        }
    }
}
