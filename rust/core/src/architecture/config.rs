//! Words as given: typed, bounded reads of the fields of a config.json, each noted so that it can be explained.
//!
//! A field may be missing or null, which is the same here. Whoever reads it says what then holds and why, and that
//! is handed to the user as an assumption. A field of the wrong kind, or of an absurd size, is an error that names
//! the field. Nothing that a config names is ever run or looked up.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

/// The largest width, number of heads or vocabulary that is derived. The largest vocabularies have under 2^20 entries
/// and the widest layers 2^18 columns. The product of three such numbers fits 64 bits.
pub const SIZE_LIMIT: u64 = 1 << 21;
/// The largest whole number that is read at all: contexts of tokens, sizes of images.
const NUMBER_LIMIT: u64 = 1 << 40;
/// The most layers or experts in one stack. Real models have under 2^10.
pub const COUNT_LIMIT: u64 = 1 << 11;

/// What is wrong with a config, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field, with the objects it lies in, as `text_config.num_hidden_layers`. Empty for the config as a whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl ConfigError {
    /// An error about a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}", self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl std::error::Error for ConfigError {}

/// The result of reading a config.
pub type Result<T, E = ConfigError> = std::result::Result<T, E>;

/// Something the config does not say and that was taken to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// The field, with the objects it lies in.
    pub field: String,
    /// What was taken for it.
    pub value: String,
    /// Why.
    pub reason: String,
}

impl Assumption {
    /// What was taken for something, and why.
    pub fn new(
        field: impl Into<String>,
        value: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.into(),
            reason: reason.into(),
        }
    }
}

/// A field that was read, there or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldRead {
    /// The objects it lies in, outermost first, as `text_config`; empty for the outermost object.
    pub object: String,
    /// The names it may have, the usual one first.
    pub names: Vec<String>,
}

/// What was read of a config so far.
#[derive(Debug, Default)]
struct Notes {
    assumptions: Vec<Assumption>,
    /// The objects that fields were read of, in the order of their first reading.
    objects: Vec<String>,
    /// Fields in the order of their first reading: the place of their object, and their names as they were asked for.
    read: Vec<(usize, Box<str>)>,
    /// The hashes of what was read: configs may have an object for each of thousands of layers.
    seen: HashSet<u64, foldhash::fast::FixedState>,
    /// Objects, by the full name of their `model_type`, that are read as another type than they state.
    model_types: Vec<(String, &'static str)>,
}

/// A config.json, and what was read of it.
#[derive(Debug)]
pub struct Config {
    value: Arc<Value>,
    notes: RefCell<Notes>,
}

/// An object without fields.
static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl Config {
    /// Takes a parsed config.json.
    ///
    /// # Errors
    /// If it is not an object.
    pub fn new(value: impl Into<Arc<Value>>) -> Result<Self> {
        let value = value.into();
        if value.is_object() {
            // Most models have some 60 fields read.
            let notes = Notes {
                read: Vec::with_capacity(64),
                seen: HashSet::with_capacity_and_hasher(96, foldhash::fast::FixedState::default()),
                ..Notes::default()
            };
            return Ok(Self {
                value,
                notes: RefCell::new(notes),
            });
        }
        Err(ConfigError::new(
            "",
            format!("a config is a JSON object, not {}", kind(&value)),
        ))
    }

    /// The fields of the outermost object.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields {
            map: self.value.as_object().unwrap_or(&EMPTY),
            path: [""; DEPTH],
            config: self,
        }
    }

    /// The objects of which something was read, each once.
    #[must_use]
    pub fn objects_read(&self) -> Vec<Fields<'_>> {
        let notes = self.notes.borrow();
        let object = |path: &String| {
            let mut fields = self.fields();
            for (part, place) in path.split('.').filter(|part| !part.is_empty()).zip(0..) {
                let (name, value) = fields.map.get_key_value(part)?;
                fields.map = value.as_object()?;
                *fields.path.get_mut(place)? = name;
            }
            Some(fields)
        };
        notes.objects.iter().filter_map(object).collect()
    }

    /// All fields that were read.
    #[must_use]
    pub fn fields_read(&self) -> Vec<FieldRead> {
        let notes = self.notes.borrow();
        let read = notes.read.iter().map(|(object, names)| FieldRead {
            object: notes.objects.get(*object).cloned().unwrap_or_default(),
            names: names.split('|').map(str::to_owned).collect(),
        });
        read.collect()
    }

    /// Everything that was assumed.
    #[must_use]
    pub fn into_assumptions(self) -> Vec<Assumption> {
        self.notes.into_inner().assumptions
    }
}

/// Why a field that is missing has a value.
pub(super) const CLASS_DEFAULT: &str = "not in the config; the default of its model class";

/// How deep the objects lie that are read.
const DEPTH: usize = 4;

/// The fields of one object of a config.
///
/// A name may give aliases, as `num_hidden_layers|n_layer`: the first that is there and not null counts.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'c> {
    map: &'c Map<String, Value>,
    /// The names of the objects it lies in, outermost first; empty texts fill the rest.
    path: [&'c str; DEPTH],
    config: &'c Config,
}

impl<'c> Fields<'c> {
    /// The fields of the whole config, however deep this object lies.
    #[must_use]
    pub fn outermost(&self) -> Self {
        self.config.fields()
    }

    /// The full name of a field, for messages.
    #[must_use]
    pub fn full_name(&self, name: &str) -> String {
        let name = name.split('|').next().unwrap_or(name);
        let mut full = String::new();
        for part in self.path.iter().filter(|part| !part.is_empty()) {
            full.push_str(part);
            full.push('.');
        }
        full.push_str(name);
        full
    }

    /// An error about a field of this object.
    pub fn error(&self, name: &str, message: impl Into<String>) -> ConfigError {
        ConfigError::new(self.full_name(name), message)
    }

    /// The raw value of a field; `None` if it is missing or null. Notes that it was read.
    #[must_use]
    pub fn value(&self, names: &str) -> Option<&'c Value> {
        self.find(names).map(|(_, value)| value)
    }

    fn find<'n>(&self, names: &'n str) -> Option<(&'n str, &'c Value)> {
        let found = names.split('|').find_map(|name| {
            let value = self.map.get(name).filter(|value| !value.is_null())?;
            Some((name, value))
        });
        self.note_read(names);
        found
    }

    fn note_read(&self, names: &str) {
        let notes = &mut *self.config.notes.borrow_mut();
        // Two fields whose hashes meet would be noted as one: that is one chance in 2^64 for each pair.
        let hash = notes.seen.hasher().hash_one((self.path, names));
        if notes.seen.insert(hash) {
            let known = notes.objects.iter().position(|path| self.is_at(path));
            let object = known.unwrap_or_else(|| {
                let parts = self.path.iter().copied().filter(|part| !part.is_empty());
                notes.objects.push(parts.collect::<Vec<_>>().join("."));
                notes.objects.len() - 1
            });
            notes.read.push((object, names.into()));
        }
    }

    /// Whether this object lies at a path.
    fn is_at(&self, path: &str) -> bool {
        let parts = self.path.iter().copied().filter(|part| !part.is_empty());
        parts.eq(path.split('.').filter(|part| !part.is_empty()))
    }

    /// Whether a field is there and null, which a class with another default tells from a missing one.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// From here on this object's `model_type` reads as this one: it states none, or one that nobody knows.
    pub fn take_model_type(&self, model_type: &'static str) {
        let name = self.full_name("model_type");
        let taken = &mut self.config.notes.borrow_mut().model_types;
        taken.push((name, model_type));
    }

    fn taken_model_type(&self) -> Option<&'static str> {
        let taken = &self.config.notes.borrow().model_types;
        if taken.is_empty() {
            return None;
        }
        let name = self.full_name("model_type");
        taken
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, model_type)| *model_type)
    }

    /// Whether a field is there and not null.
    #[must_use]
    pub fn has(&self, names: &str) -> bool {
        self.value(names).is_some()
    }

    /// Notes that a field is known and changes nothing here, as if it had been read.
    pub fn pass_over(&self, name: &str) {
        self.note_read(name);
    }

    /// Notes that something was assumed of a field.
    pub fn assume(&self, names: &str, value: impl fmt::Display, reason: impl Into<String>) {
        let assumption = Assumption {
            field: self.full_name(names),
            value: value.to_string(),
            reason: reason.into(),
        };
        let known = &mut self.config.notes.borrow_mut().assumptions;
        if !known.contains(&assumption) {
            known.push(assumption);
        }
    }

    /// What was taken for a field under one of these names, as [`Self::assume`] noted it.
    #[must_use]
    pub fn assumed(&self, names: &str) -> Option<String> {
        let known = &self.config.notes.borrow().assumptions;
        names.split('|').find_map(|name| {
            let name = self.full_name(name);
            known
                .iter()
                .find(|assumption| assumption.field == name)
                .map(|assumption| assumption.value.clone())
        })
    }

    fn default<T: fmt::Display>(&self, names: &str, value: T) -> T {
        self.assume(names, &value, CLASS_DEFAULT);
        value
    }

    /// A whole number from 1 to [`SIZE_LIMIT`].
    ///
    /// # Errors
    /// If it is missing, or something else.
    pub fn size(&self, names: &str) -> Result<u64> {
        self.opt_size(names)?.ok_or_else(|| {
            self.error(
                names,
                "is missing, and the shapes of the model depend on it",
            )
        })
    }

    /// A whole number from 1 on, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn size_or(&self, names: &str, default: u64) -> Result<u64> {
        Ok(match self.opt_size(names)? {
            Some(size) => size,
            None => self.default(names, default),
        })
    }

    /// A whole number from 1 on, or what follows from other fields, for the given reason.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn size_from(&self, names: &str, derived: u64, reason: &str) -> Result<u64> {
        Ok(self.opt_size(names)?.unwrap_or_else(|| {
            self.assume(names, derived, reason);
            derived
        }))
    }

    /// A whole number from 1 on, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_size(&self, names: &str) -> Result<Option<u64>> {
        match self.opt_count(names)? {
            Some(0) => Err(self.error(names, "must be at least 1, not 0")),
            Some(size) if size > SIZE_LIMIT => Err(self.error(
                names,
                format!("{size} is larger than any model's ({SIZE_LIMIT})"),
            )),
            other => Ok(other),
        }
    }

    /// A whole number from 0 on, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn count_or(&self, names: &str, default: u64) -> Result<u64> {
        Ok(match self.opt_count(names)? {
            Some(count) => count,
            None => self.default(names, default),
        })
    }

    /// A whole number from 0 on, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_count(&self, names: &str) -> Result<Option<u64>> {
        self.find(names)
            .map(|(name, value)| as_count(value).map_err(|message| self.error(name, message)))
            .transpose()
    }

    /// The number of layers of a stack, or of experts of a layer.
    ///
    /// # Errors
    /// If it is missing, something else, or over [`COUNT_LIMIT`].
    pub fn repeats(&self, names: &str) -> Result<u64> {
        let count = self.opt_count(names)?.ok_or_else(|| {
            self.error(
                names,
                "is missing, and the shapes of the model depend on it",
            )
        })?;
        self.bounded(names, count)
    }

    /// As [`Self::repeats`], or this if the field is missing.
    ///
    /// # Errors
    /// If it is something else, or over [`COUNT_LIMIT`].
    pub fn repeats_or(&self, names: &str, default: u64) -> Result<u64> {
        let count = self.count_or(names, default)?;
        self.bounded(names, count)
    }

    fn bounded(&self, names: &str, count: u64) -> Result<u64> {
        if count > COUNT_LIMIT {
            return Err(self.error(
                names,
                format!("{count} is more than the {COUNT_LIMIT} that can be derived"),
            ));
        }
        Ok(count)
    }

    /// A truth value, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn flag_or(&self, names: &str, default: bool) -> Result<bool> {
        Ok(match self.opt_flag(names)? {
            Some(flag) => flag,
            None => self.default(names, default),
        })
    }

    /// A truth value, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_flag(&self, names: &str) -> Result<Option<bool>> {
        self.find(names)
            .map(|(name, value)| match value {
                Value::Bool(flag) => Ok(*flag),
                // Python writes True; hand-written configs hold 0 and 1.
                Value::Number(number) if number.as_u64() == Some(0) => Ok(false),
                Value::Number(number) if number.as_u64() == Some(1) => Ok(true),
                other => {
                    Err(self.error(name, format!("must be true or false, not {}", kind(other))))
                }
            })
            .transpose()
    }

    /// A text, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_text(&self, names: &str) -> Result<Option<&'c str>> {
        if names == "model_type"
            && let Some(taken) = self.taken_model_type()
        {
            return Ok(Some(taken));
        }
        self.find(names)
            .map(|(name, value)| {
                value
                    .as_str()
                    .ok_or_else(|| self.error(name, format!("must be a text, not {}", kind(value))))
            })
            .transpose()
    }

    /// A text, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn text_or(&self, names: &str, default: &'static str) -> Result<&'c str> {
        Ok(match self.opt_text(names)? {
            Some(text) => text,
            None => self.default(names, default),
        })
    }

    /// A number that is finite, if the field is there. Only for ratios and bases; sizes are whole numbers.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_ratio(&self, names: &str) -> Result<Option<f64>> {
        self.find(names)
            .map(|(name, value)| {
                value
                    .as_f64()
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| {
                        self.error(name, format!("must be a number, not {}", kind(value)))
                    })
            })
            .transpose()
    }

    /// A number that is finite, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn ratio_or(&self, names: &str, default: f64) -> Result<f64> {
        Ok(match self.opt_ratio(names)? {
            Some(ratio) => ratio,
            None => self.default(names, default),
        })
    }

    /// A list, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_list(&self, names: &str) -> Result<Option<&'c [Value]>> {
        self.find(names)
            .map(|(name, value)| {
                value
                    .as_array()
                    .map(Vec::as_slice)
                    .ok_or_else(|| self.error(name, format!("must be a list, not {}", kind(value))))
            })
            .transpose()
    }

    /// A list of whole numbers, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_counts(&self, names: &str) -> Result<Option<Vec<u64>>> {
        let Some(list) = self.opt_list(names)? else {
            return Ok(None);
        };
        list.iter()
            .map(|item| {
                as_count(item).map_err(|message| self.error(names, format!("an item {message}")))
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// A list of whole numbers, or this if the field is missing.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn counts_or(&self, names: &str, default: &[u64]) -> Result<Vec<u64>> {
        Ok(if let Some(counts) = self.opt_counts(names)? {
            counts
        } else {
            self.assume(names, format!("{default:?}"), CLASS_DEFAULT);
            default.to_vec()
        })
    }

    /// A list of texts, if the field is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_texts(&self, names: &str) -> Result<Option<Vec<&'c str>>> {
        let Some(list) = self.opt_list(names)? else {
            return Ok(None);
        };
        list.iter()
            .map(|item| {
                item.as_str().ok_or_else(|| {
                    self.error(names, format!("an item must be a text, not {}", kind(item)))
                })
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    /// A text for each of `layers` layers, if the field is there: `layer_types` and its like.
    ///
    /// # Errors
    /// If it is something else, or has fewer items than there are layers. More are cut off, as the classes do.
    pub fn opt_layer_texts(&self, names: &str, layers: u64) -> Result<Option<Vec<&'c str>>> {
        let Some(mut texts) = self.opt_texts(names)? else {
            return Ok(None);
        };
        let layers = usize::try_from(layers).unwrap_or(usize::MAX);
        if texts.len() < layers {
            let given = texts.len();
            return Err(self.error(names, format!("has {given} items for {layers} layers")));
        }
        texts.truncate(layers);
        Ok(Some(texts))
    }

    /// The fields of a nested object, if it is there.
    ///
    /// # Errors
    /// If the field is something else.
    pub fn opt_object(&self, name: &'c str) -> Result<Option<Self>> {
        self.find(name)
            .map(|(found, value)| {
                let map = value.as_object().ok_or_else(|| {
                    self.error(found, format!("must be an object, not {}", kind(value)))
                })?;
                let mut path = self.path;
                if let Some(free) = path.iter_mut().find(|part| part.is_empty()) {
                    *free = found;
                }
                Ok(Self {
                    map,
                    path,
                    config: self.config,
                })
            })
            .transpose()
    }

    /// The fields of a nested object, if it is there and an object: for what is only told, and never an error.
    #[must_use]
    pub fn maybe_object(&self, name: &'c str) -> Option<Self> {
        self.value(name)
            .is_some_and(Value::is_object)
            .then(|| self.opt_object(name).ok().flatten())
            .flatten()
    }

    /// The fields of a nested object. A missing one is an error.
    ///
    /// # Errors
    /// If the field is missing or something else.
    pub fn object(&self, name: &'c str) -> Result<Self> {
        self.opt_object(name)?
            .ok_or_else(|| self.error(name, "is missing, and it describes a part of the model"))
    }

    /// Whether the object has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether a field was read under this name.
    #[must_use]
    pub fn was_read(&self, name: &str) -> bool {
        let notes = self.config.notes.borrow();
        notes.read.iter().any(|(object, names)| {
            names.split('|').any(|known| known == name)
                && notes
                    .objects
                    .get(*object)
                    .is_some_and(|path| self.is_at(path))
        })
    }

    /// All fields of this object. That they were seen is not noted.
    pub fn entries(&self) -> impl Iterator<Item = (&'c str, &'c Value)> {
        self.map.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The name of the field for this number, which may be written with zeros before it: `02`.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Option<&'c str> {
        (1..=4).find_map(|width| {
            let (name, _) = self.map.get_key_value(&format!("{number:0width$}"))?;
            Some(name.as_str())
        })
    }

    /// The names of all fields of this object.
    pub fn names(&self) -> impl Iterator<Item = &'c str> {
        self.map.keys().map(String::as_str)
    }

    /// `size` times a factor, rounded down: a width given as a ratio.
    ///
    /// # Errors
    /// If the result is not from 1 to [`SIZE_LIMIT`].
    pub fn scale(&self, factor_name: &str, size: u64, factor: f64) -> Result<u64> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are far below 2^53, and only results in range are cast"
        )]
        let scaled = {
            let scaled = size as f64 * factor;
            (1.0..=SIZE_LIMIT as f64)
                .contains(&scaled)
                .then_some(scaled as u64)
        };
        scaled.ok_or_else(|| {
            self.error(
                factor_name,
                format!("{factor} times {size} is no width of a layer"),
            )
        })
    }

    /// `size / parts`.
    ///
    /// # Errors
    /// If it does not divide; the message names both fields.
    pub fn divide(&self, size_name: &str, size: u64, parts_name: &str, parts: u64) -> Result<u64> {
        if parts == 0 || !size.is_multiple_of(parts) {
            let size_name = size_name.split('|').next().unwrap_or(size_name);
            return Err(self.error(
                parts_name,
                format!("{parts} does not divide {size_name} {size}"),
            ));
        }
        Ok(size / parts)
    }
}

fn as_count(value: &Value) -> std::result::Result<u64, String> {
    let Value::Number(number) = value else {
        return Err(format!("must be a whole number, not {}", kind(value)));
    };
    // 4096.0 is how some tools write 4096.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "only whole numbers in range get here"
    )]
    let whole = number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        (float.fract() == 0.0 && (0.0..=1e15).contains(&float)).then_some(float as u64)
    });
    match whole {
        Some(count) if count <= NUMBER_LIMIT => Ok(count),
        Some(_) => Err(format!(
            "{number} is larger than any model's ({NUMBER_LIMIT})"
        )),
        None => Err(format!("must be a whole number from 0 on, not {number}")),
    }
}

/// The kind of a JSON value, for messages.
#[must_use]
pub const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
