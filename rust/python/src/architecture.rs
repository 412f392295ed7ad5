//! `Architecture`, `WhatIf` and `Model`: the mind, and body and mind together.

use crate::checkpoint::{Checkpoint, loads, reduce, restore, threads_or_default};
use crate::errors::{PonderaError, model_error};
use crate::table::{Table, html};
use pondera::architecture::{self as core, Count};
use pondera::dtype::Dtype;
use pondera::model;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use serde_json::Value;
use std::sync::Arc;

/// What a config determines of its model: every tensor, and what each layer remembers.
#[pyclass(frozen, module = "pondera")]
#[derive(Clone)]
pub struct Architecture {
    pub core: Arc<core::Architecture>,
    pub config: Arc<Value>,
    pub assume: Option<String>,
}

/// The sum over the tensors of one kind.
#[pyclass(frozen, eq, module = "pondera")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoleCount(Count);

#[pymethods]
impl RoleCount {
    /// How many tensors.
    #[getter]
    const fn tensors(&self) -> u64 {
        self.0.tensors
    }

    /// Their elements.
    #[getter]
    const fn parameters(&self) -> u64 {
        self.0.parameters
    }

    /// Elements that one token goes through; tables of embeddings count in full.
    #[getter]
    const fn active_parameters(&self) -> u64 {
        self.0.active
    }

    fn __repr__(&self) -> String {
        let Count {
            tensors,
            parameters,
            active,
        } = self.0;
        format!("RoleCount(tensors={tensors}, parameters={parameters}, active_parameters={active})")
    }
}

/// The JSON value of a Python object.
pub fn to_value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text: String = object
        .py()
        .import("json")?
        .call_method1("dumps", (object,))?
        .extract()?;
    model::parse_config(&text).map_err(|error| PonderaError::new_err(error.to_string()))
}

/// The fields of a what-if, given as a dict or as keywords.
fn changes(
    fields: Option<&Bound<'_, PyDict>>,
    changed: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<(String, Value)>> {
    let mut all = Vec::new();
    for (name, value) in fields
        .into_iter()
        .flatten()
        .chain(changed.into_iter().flatten())
    {
        all.push((name.extract::<String>()?, to_value(&value)?));
    }
    Ok(all)
}

fn dtype(name: &str) -> PyResult<Dtype> {
    Dtype::for_cache(name).ok_or_else(|| {
        PonderaError::new_err(format!(
            "dtype {name:?} is not one a cache can have; there are {}",
            Dtype::cache_names().collect::<Vec<_>>().join(", ")
        ))
    })
}

#[pymethods]
impl Architecture {
    /// Derive the architecture of a config: a mapping, the path of a config.json or its folder, or a built-in name.
    #[staticmethod]
    #[pyo3(signature = (config, *, assume=None))]
    fn from_config(
        py: Python<'_>,
        config: Bound<'_, PyAny>,
        assume: Option<String>,
    ) -> PyResult<Self> {
        let value = if config.hasattr("keys")? {
            to_value(&config)?
        } else {
            let path: std::path::PathBuf = config.extract()?;
            model::config_of(&path.to_string_lossy()).map_err(|error| model_error(py, error))?
        };
        Self::derive(value, assume)
    }

    /// `model_type` of the config.
    #[getter]
    fn model_type(&self) -> &str {
        &self.core.model_type
    }

    /// The class the config names, as `LlamaForCausalLM`.
    #[getter]
    fn class_name(&self) -> Option<&str> {
        self.core.class.as_deref()
    }

    /// The family that read the config.
    #[getter]
    fn family(&self) -> &str {
        &self.core.family
    }

    /// All parameters: the elements of every tensor of the checkpoint.
    #[getter]
    fn parameters(&self) -> u64 {
        self.core.total().parameters
    }

    /// Parameters that one token goes through: routed experts by top-k, everything else in full, the table of an
    /// embedding too.
    #[getter]
    fn active_parameters(&self) -> u64 {
        self.core.total().active
    }

    /// Parameters outside tables of which each token looks up one row.
    #[getter]
    fn non_embedding_parameters(&self) -> u64 {
        self.core.non_embedding_parameters()
    }

    /// Elements, among `parameters`, that the model's code keeps as buffers: no optimizer updates them.
    #[getter]
    fn buffers(&self) -> u64 {
        self.core.sum(|template| template.buffer).parameters
    }

    /// Sums by role, in display order.
    #[getter]
    fn roles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let roles = PyDict::new(py);
        for (role, count) in self.core.roles() {
            roles.set_item(role.name(), RoleCount(count))?;
        }
        Ok(roles)
    }

    /// Sums by layer, as `model.layers.3`; what lies outside all layers is under `outside`.
    #[getter]
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layers = PyDict::new(py);
        for (name, count) in self.core.by_layer() {
            layers.set_item(name, RoleCount(count))?;
        }
        Ok(layers)
    }

    /// Width of the residual stream of the text model.
    #[getter]
    fn hidden_size(&self) -> Option<u64> {
        self.core.hidden_size
    }

    /// Entries of the vocabulary.
    #[getter]
    fn vocab_size(&self) -> Option<u64> {
        self.core.vocab_size
    }

    /// Tokens of context that the config states.
    #[getter]
    fn context(&self) -> Option<u64> {
        self.core.context
    }

    /// The layers of the decoder, or of the stack named, in one line.
    #[pyo3(signature = (stack="decoder"))]
    fn pattern(&self, stack: &str) -> PyResult<String> {
        let stack = core::layer::Stack::from_name(stack)
            .ok_or_else(|| PonderaError::new_err(format!("no stack {stack:?}")))?;
        Ok(self.core.pattern(stack))
    }

    /// What the config does not say and was taken to hold, each as `(field, value, reason)`.
    #[getter]
    fn assumptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(
            py,
            self.core
                .assumptions
                .iter()
                .map(|one| (one.field.clone(), one.value.clone(), one.reason.clone())),
        )
    }

    /// Every tensor: columns `name`, `role`, `shape`, `parameters`, `stack`, `layer`.
    fn tensors(&self, py: Python<'_>) -> Table {
        Table(Arc::new(py.detach(|| self.core.tensors())))
    }

    /// What each layer of the decoder keeps: columns `layer`, `kind`, `window`, `per_token`, `ratio`, `state`,
    /// `float32`, `shared_with`.
    fn cache_layers(&self) -> Table {
        Table(Arc::new(self.core.cache_layers()))
    }

    /// Bytes that requests need: window-capped, exact.
    #[pyo3(signature = (tokens, sequences=1, dtype="bf16", *, encoder_tokens=0))]
    fn cache_bytes(
        &self,
        tokens: u64,
        sequences: u64,
        dtype: &str,
        encoder_tokens: u64,
    ) -> PyResult<u64> {
        self.core
            .cache_bytes(tokens, encoder_tokens, sequences, self::dtype(dtype)?)
            .map_err(|error| PonderaError::new_err(error.to_string()))
    }

    /// Bytes that one more token costs after so many, in one sequence.
    #[pyo3(signature = (tokens=0, dtype="bf16"))]
    fn bytes_per_token(&self, tokens: u64, dtype: &str) -> PyResult<u64> {
        self.core
            .bytes_per_token(tokens, self::dtype(dtype)?)
            .map_err(|error| PonderaError::new_err(error.to_string()))
    }

    /// Bytes of the recurrent states of one sequence.
    #[pyo3(signature = (dtype="bf16"))]
    fn state_bytes(&self, dtype: &str) -> PyResult<u64> {
        self.core
            .state_bytes(self::dtype(dtype)?)
            .map_err(|error| PonderaError::new_err(error.to_string()))
    }

    /// The numbers of tokens from which on some layer keeps no more.
    #[getter]
    fn saturations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.core.saturations())
    }

    /// Floating-point operations of one token of the text model after so many.
    #[pyo3(signature = (tokens=0))]
    fn flops_per_token(&self, tokens: u64) -> PyResult<u64> {
        self.core.flops_per_token(tokens, 0).ok_or_else(|| {
            PonderaError::new_err("tokens: so many take more operations than 64 bits count")
        })
    }

    /// Derive the config again with fields changed; the answer says field by field whether the same weights fit.
    #[pyo3(signature = (fields=None, **changed))]
    fn what_if(
        &self,
        fields: Option<Bound<'_, PyDict>>,
        changed: Option<Bound<'_, PyDict>>,
    ) -> PyResult<WhatIf> {
        let all = changes(fields.as_ref(), changed.as_ref())?;
        core::WhatIf::derive(&self.config, &all, self.assume.as_deref())
            .map(|what_if| WhatIf {
                core: Arc::new(what_if),
                assume: self.assume.clone(),
            })
            .map_err(|error| PonderaError::new_err(error.to_string()))
    }

    /// Every field that was read and is there or was assumed, with its class: `structural` (names or shapes of tensors depend on
    /// it), `runtime` (may change on the same weights) or `inert`. Found by trying.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let classes = py
            .detach(|| core::Architecture::classify(&self.config, self.assume.as_deref()))
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        let fields = PyDict::new(py);
        for one in classes {
            fields.set_item(one.field, one.class.name())?;
        }
        Ok(fields)
    }

    /// The config as a dict.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.config.to_string())
    }

    /// The architecture as a dict, schema `pondera.show/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.model().to_json())
    }

    fn __repr__(&self) -> String {
        let total = self.core.total();
        format!(
            "Architecture({:?}, parameters={}, active_parameters={}, layers={:?})",
            self.core.model_type,
            total.parameters,
            total.active,
            self.core.pattern(core::layer::Stack::Decoder)
        )
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "architecture_html")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| *self.core == *other.get().core)
    }

    fn __hash__(&self) -> u64 {
        self.core.total().parameters
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let this = slf.get();
        reduce(
            slf.as_any(),
            &(this.config.to_string(), this.assume.clone()),
        )
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        let (config, assume): (String, Option<String>) = restore(bytes)?;
        let config = serde_json::from_str(&config)
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        Self::derive(config, assume)
    }
}

impl Architecture {
    /// The architecture of a config.
    pub fn derive(config: Value, assume: Option<String>) -> PyResult<Self> {
        let core = core::Architecture::from_config(config.clone(), assume.as_deref())
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        Ok(Self {
            core: Arc::new(core),
            config: Arc::new(config),
            assume,
        })
    }

    /// A model of this mind alone.
    pub fn model(&self) -> model::Model {
        model::Model {
            name: self.core.model_type.clone(),
            checkpoint: None,
            config: Some(Arc::clone(&self.config)),
            processor: None,
            architecture: Ok(Arc::clone(&self.core)),
            disagreements: Vec::new(),
        }
    }
}

/// The answer to a what-if.
#[pyclass(frozen, module = "pondera")]
pub struct WhatIf {
    pub core: Arc<core::WhatIf>,
    assume: Option<String>,
}

#[pymethods]
impl WhatIf {
    /// The architecture with all fields changed.
    #[getter]
    fn architecture(&self) -> Architecture {
        Architecture {
            core: Arc::new(self.core.architecture.clone()),
            config: Arc::new(self.core.config.clone()),
            assume: self.assume.clone(),
        }
    }

    /// Whether the same weights can wear the new mind.
    #[getter]
    fn same_body(&self) -> bool {
        self.core.same_body
    }

    /// Each field by itself, as a dict: `field`, `from`, `to`, `class` (`structural`, `runtime` or `inert`),
    /// `parameters`, `active_parameters`, `bytes_per_token`, `flops_per_token` (differences), `note`.
    #[getter]
    fn changes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = serde_json::to_string(&self.core.changes)
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        loads(py, &text)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| *self.core == *other.get().core)
    }

    fn __hash__(&self) -> u64 {
        self.core.architecture.total().parameters
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let this = slf.get();
        let changes = serde_json::to_string(&this.core.changes)
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        let state = (
            this.core.config.to_string(),
            changes,
            this.core.same_body,
            &this.assume,
        );
        reduce(slf.as_any(), &state)
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        let (config, changes, same_body, assume): (String, String, bool, Option<String>) =
            restore(bytes)?;
        let broken = |error: serde_json::Error| PonderaError::new_err(error.to_string());
        let config: Value = serde_json::from_str(&config).map_err(broken)?;
        let changes = serde_json::from_str(&changes).map_err(broken)?;
        let architecture = core::Architecture::from_config(config.clone(), assume.as_deref())
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        Ok(Self {
            core: Arc::new(core::WhatIf {
                architecture,
                config,
                changes,
                same_body,
            }),
            assume,
        })
    }

    fn __repr__(&self) -> String {
        let words: Vec<String> = self
            .core
            .changes
            .iter()
            .map(|change| {
                format!(
                    "{} {} -> {}: {}",
                    change.field,
                    change.from,
                    change.to,
                    change.class.name()
                )
            })
            .collect();
        format!(
            "WhatIf(same_body={}, {})",
            self.core.same_body,
            words.join("; ")
        )
    }
}

/// Tensors of one kind in which body and mind differ.
#[pyclass(frozen, eq, module = "pondera")]
#[derive(Clone, PartialEq, Eq)]
pub struct Disagreement(model::Disagreement);

#[pymethods]
impl Disagreement {
    /// `error`, `warning` or `info`.
    #[getter]
    const fn severity(&self) -> &'static str {
        self.0.severity.name()
    }

    /// `missing`, `unexpected`, `shape`, `name` or `storage`.
    #[getter]
    const fn kind(&self) -> &'static str {
        self.0.kind.name()
    }

    /// The names, with `*` for numbers.
    #[getter]
    fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// How many tensors.
    #[getter]
    const fn count(&self) -> u64 {
        self.0.count
    }

    /// One of them.
    #[getter]
    fn example(&self) -> &str {
        &self.0.example
    }

    /// The shape that the config asks for.
    #[getter]
    fn expected(&self) -> Option<Vec<u64>> {
        self.0.expected.clone()
    }

    /// The shape that is there.
    #[getter]
    fn found(&self) -> Option<Vec<u64>> {
        self.0.found.clone()
    }

    /// The likely cause.
    #[getter]
    fn cause(&self) -> &str {
        &self.0.cause
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Disagreement({}: {})", self.severity(), self.0)
    }
}

/// What a model is made from: name, weights, config, config of the processor, and the type that was assumed.
pub type Written<C> = (
    String,
    Option<C>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// What is needed to make a model again.
pub fn written<'a>(
    core: &'a model::Model,
    assume: Option<&str>,
) -> Written<&'a pondera::checkpoint::Checkpoint> {
    let text = |value: &Option<Arc<Value>>| value.as_ref().map(ToString::to_string);
    (
        core.name.clone(),
        core.checkpoint.as_deref(),
        text(&core.config),
        text(&core.processor),
        assume.map(str::to_owned),
    )
}

/// The model that was written. What follows from its halves is worked out again.
pub fn read(
    (name, checkpoint, config, processor, assume): Written<pondera::checkpoint::Checkpoint>,
) -> PyResult<(model::Model, Option<String>)> {
    let value = |text: Option<String>| {
        text.map(|text| serde_json::from_str::<Value>(&text))
            .transpose()
            .map_err(|error| PonderaError::new_err(error.to_string()))
    };
    let (config, processor) = (value(config)?, value(processor)?);
    let model = model::Model::of(name, checkpoint.map(Arc::new), config, assume.as_deref());
    let processor = processor.map(Arc::new);
    Ok((model::Model { processor, ..model }, assume))
}

/// A body with its mind, and where the two disagree.
#[pyclass(frozen, module = "pondera")]
pub struct Model(pub Arc<model::Model>, pub Option<String>);

#[pymethods]
impl Model {
    /// Open a model folder, a config.json, a weight file, a repo of the Hub or a built-in model by name.
    #[staticmethod]
    #[pyo3(signature = (target, *, assume=None, threads=None))]
    fn open(
        target: Bound<'_, PyAny>,
        assume: Option<String>,
        threads: Option<i64>,
    ) -> PyResult<Self> {
        let threads = threads_or_default(threads)?;
        let (core, assume) = crate::given::open(&target, assume, threads)?;
        Ok(Self(core, assume))
    }

    /// The path, or the name of the built-in model.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The body; None if there are no weights.
    #[getter]
    fn checkpoint(&self) -> Option<Checkpoint> {
        self.0
            .checkpoint
            .as_ref()
            .map(|core| Checkpoint(Arc::clone(core)))
    }

    /// The mind; None if it is not known, and `unknown` says why.
    #[getter]
    fn architecture(&self) -> Option<Architecture> {
        let core = self.0.architecture.as_ref().ok()?;
        let config = self.0.config.as_ref()?;
        Some(Architecture {
            core: Arc::clone(core),
            config: Arc::clone(config),
            assume: self.1.clone(),
        })
    }

    /// Why the mind is not known; None if it is.
    #[getter]
    fn unknown(&self) -> Option<String> {
        self.0.architecture.as_ref().err().map(ToString::to_string)
    }

    /// The same body with another mind: derive the config again with fields changed and hold the weights against it.
    #[pyo3(signature = (fields=None, **changed))]
    fn what_if(
        &self,
        fields: Option<Bound<'_, PyDict>>,
        changed: Option<Bound<'_, PyDict>>,
    ) -> PyResult<(Self, WhatIf)> {
        let all = changes(fields.as_ref(), changed.as_ref())?;
        let assume = self.1.clone();
        let (model, what_if) = self
            .0
            .what_if(&all, assume.as_deref())
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        Ok((
            Self(Arc::new(model), assume.clone()),
            WhatIf {
                core: Arc::new(what_if),
                assume,
            },
        ))
    }

    /// Where body and mind disagree, worst first.
    #[getter]
    fn disagreements<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(
            py,
            self.0
                .disagreements
                .iter()
                .cloned()
                .map(Disagreement)
                .collect::<Vec<_>>(),
        )
    }

    /// The model as JSON text, schema `pondera.show/1`.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// The model as a dict, schema `pondera.show/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.to_json())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let (one, other) = (self, other.get());
            one.1 == other.1
                && one.0.name == other.0.name
                && one.0.config == other.0.config
                && one.0.processor == other.0.processor
                && one.0.checkpoint == other.0.checkpoint
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&self.0.name, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let Self(core, assume) = slf.get();
        reduce(slf.as_any(), &written(core, assume.as_deref()))
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        let (core, assume) = read(restore(bytes)?)?;
        Ok(Self(Arc::new(core), assume))
    }

    fn __repr__(&self) -> String {
        format!(
            "Model({:?}, checkpoint={}, architecture={}, disagreements={})",
            self.0.name,
            self.0.checkpoint.is_some(),
            self.0
                .architecture
                .as_ref()
                .map_or("None".to_owned(), |one| format!("{:?}", one.model_type)),
            self.0.disagreements.len()
        )
    }
}

/// Every built-in model, as a dict: `name`, `aliases`, `source`, `model_type`, `published_total`,
/// `published_active`, `published_source`.
#[pyfunction]
pub fn built_in_models(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    model::builtin::ALL
        .iter()
        .map(|one| {
            let row = PyDict::new(py);
            row.set_item("name", &one.name)?;
            row.set_item("aliases", &one.aliases)?;
            row.set_item("source", &one.source)?;
            row.set_item(
                "model_type",
                one.config.get("model_type").and_then(Value::as_str),
            )?;
            row.set_item("published_total", one.published.total)?;
            row.set_item("published_active", one.published.active)?;
            row.set_item("published_source", &one.published.source)?;
            Ok(row)
        })
        .collect()
}

/// Every model type that is known, with the family that lowers it.
#[pyfunction]
pub fn model_types() -> Vec<(&'static str, &'static str)> {
    core::family::FAMILIES
        .iter()
        .flat_map(|family| {
            family
                .model_types
                .iter()
                .map(|model_type| (*model_type, family.name))
        })
        .collect()
}

/// What a config field determines, as a dict: `field`, `class`, `text`, and with a config also `value` and `cost`.
#[pyfunction]
#[pyo3(signature = (name, config=None))]
pub fn explain_field<'py>(
    py: Python<'py>,
    name: &str,
    config: Option<&Architecture>,
) -> PyResult<Bound<'py, PyAny>> {
    let assume = config.and_then(|one| one.assume.as_deref());
    let answer = pondera::explain::field(name, config.map(|one| &*one.config), assume)
        .map_err(|error| PonderaError::new_err(error.to_string()))?;
    let text =
        serde_json::to_string(&answer).map_err(|error| PonderaError::new_err(error.to_string()))?;
    loads(py, &text)
}

/// What a number of parameters weighs, as a dict: `parameters`, `text`, `weights`; None if the text is no number.
#[pyfunction]
pub fn explain_number<'py>(py: Python<'py>, text: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(parameters) = pondera::explain::parse_parameters(text) else {
        return Ok(None);
    };
    let answer = serde_json::to_string(&pondera::explain::number(parameters))
        .map_err(|error| PonderaError::new_err(error.to_string()))?;
    loads(py, &answer).map(Some)
}

/// What a picture of a model tells, as JSON text of the schema `pondera.map/1`.
#[pyfunction]
#[pyo3(signature = (target, assume=None))]
pub fn map_facts(
    py: Python<'_>,
    target: Bound<'_, PyAny>,
    assume: Option<String>,
) -> PyResult<String> {
    let (model, _) = crate::given::model(&target, assume)?;
    Ok(py.detach(|| model.map_json()))
}
