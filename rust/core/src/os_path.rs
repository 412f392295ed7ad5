//! Paths in serialized objects: as the bytes that the system has for them, since names need not be Unicode.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
use std::borrow::Borrow;
use std::ffi::OsString;
use std::path::PathBuf;

/// Writes a path.
pub fn serialize<P: Borrow<PathBuf>, S: Serializer>(
    path: &P,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.borrow().as_os_str().serialize(serializer)
}

/// Reads a path.
pub fn deserialize<'de, P: From<PathBuf>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<P, D::Error> {
    OsString::deserialize(deserializer).map(|path| PathBuf::from(path).into())
}
