//! Forms: what the tensors of one kind have in common.
//!
//! All up-projections of all experts of all layers share name pattern, dtype, shape and size: one form. A tensor
//! is then a form, the numbers in its name and where its data begins: 16 bytes, and 4 for each number. Every sum
//! over a checkpoint is a sum over forms.

use super::name::Pattern;
use crate::dtype::StoredDtype;
use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What tensors that differ only in the numbers of their names have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Form {
    /// The names, with the numbers open.
    pub pattern: Arc<Pattern>,
    /// How elements are stored.
    pub dtype: StoredDtype,
    /// The shape as stored; empty for a scalar.
    pub shape: Box<[u64]>,
    /// Length of the data in bytes, by the data offsets.
    pub bytes: u64,
}

impl Form {
    /// Elements as stored: the product over the shape, 1 for a scalar. `None` if it does not fit 64 bits.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1_u64, |product, &side| product.checked_mul(side))
    }
}

/// One tensor of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Index of its form in whatever list the holder of the tensor keeps.
    pub form: u32,
    /// Where the numbers of its name begin in the shard's list of numbers.
    pub numbers: u32,
    /// Where its data begins, counted from the end of the header.
    pub begin: u64,
}

impl Tensor {
    /// The numbers in the tensor's name, given its form and its shard's list.
    #[inline]
    #[must_use]
    pub fn numbers<'n>(&self, form: &Form, numbers: &'n [u32]) -> &'n [u32] {
        let from = self.numbers as usize;
        &numbers[from..from + form.pattern.arity()]
    }
}

/// Patterns and forms, each kept once, for one thread that reads many headers.
#[derive(Debug, Default)]
pub struct Forms {
    patterns: Vec<Arc<Pattern>>,
    pattern_ids: HashMap<Arc<Pattern>, u32>,
    entries: Vec<Arc<Form>>,
    /// The bytes of each form, side by side for the inner loop.
    bytes: Vec<u64>,
    form_ids: HashMap<Arc<Form>, u32>,
}

impl Forms {
    /// The index of a pattern, which is entered if it is new.
    pub fn pattern_id(&mut self, pattern: Pattern) -> u32 {
        if let Some(&id) = self.pattern_ids.get(&pattern) {
            return id;
        }
        let id = index(self.patterns.len());
        let pattern = Arc::new(pattern);
        self.patterns.push(Arc::clone(&pattern));
        self.pattern_ids.insert(pattern, id);
        id
    }

    /// The index of a form, which is entered if it is new.
    pub fn form_id(&mut self, pattern: u32, dtype: &str, shape: &[u64], bytes: u64) -> u32 {
        let form = Form {
            pattern: Arc::clone(&self.patterns[pattern as usize]),
            dtype: StoredDtype::from_name(dtype),
            shape: shape.into(),
            bytes,
        };
        if let Some(&id) = self.form_ids.get(&form) {
            return id;
        }
        let id = index(self.entries.len());
        let form = Arc::new(form);
        self.entries.push(Arc::clone(&form));
        self.bytes.push(bytes);
        self.form_ids.insert(form, id);
        id
    }

    /// The form with this index.
    #[must_use]
    pub fn form(&self, id: u32) -> &Arc<Form> {
        &self.entries[id as usize]
    }

    /// How many forms there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A tensor's name, given its shard's list of numbers.
    #[must_use]
    pub fn name(&self, tensor: &Tensor, numbers: &[u32]) -> String {
        let form = self.form(tensor.form);
        form.pattern.name(tensor.numbers(form, numbers))
    }

    /// Bytes of a tensor of this form.
    #[inline]
    #[must_use]
    pub fn bytes(&self, form: u32) -> u64 {
        self.bytes[form as usize]
    }

    /// Whether two tensors of one shard have the same name.
    #[must_use]
    pub fn same_name(&self, left: &Tensor, right: &Tensor, numbers: &[u32]) -> bool {
        let (one, other) = (self.form(left.form), self.form(right.form));
        one.pattern == other.pattern && left.numbers(one, numbers) == right.numbers(other, numbers)
    }
}

/// Headers end at 100 MB and one entry takes over 40 bytes, so an index always fits.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
