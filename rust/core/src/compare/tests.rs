use super::{Comparison, Entry};
