//! `fit` and `Fit`: whether and how a model fits.

use crate::architecture::{Written, read, written};
use crate::checkpoint::{loads, reduce, restore};
use crate::errors::PonderaError;
use crate::given::{self, Given, fit_error};
use crate::solve;
use crate::table::html;
use pondera::checkpoint::Checkpoint;
use pondera::deployment::{Deployment, Options};
use pondera::engine::ENGINES;
use pondera::fit::{self as core, Component};
use pondera::memory::layout::Parallel;
use pondera::model::Model;
use pondera::request::Request;
use pondera::roofline::roofline;
use pondera::solve::Bound as Limit;
use pondera::subject::Subject;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::Arc;

/// A function of the keywords of `fit`.
macro_rules! of_keywords {
    ($(#[$doc:meta])* $name:ident -> $made:ty) => {
$(#[$doc])*
#[pyfunction]
#[pyo3(signature = (
    target, *, gpu, gpus=None, engine="vllm", weights=None, cache=None, context=None, concurrency=Given::Whole(1),
    tensor_parallel=Given::Whole(1), pipeline_parallel=Given::Whole(1), expert_parallel=Given::Whole(1),
    data_parallel=Given::Whole(1), context_parallel=Given::Whole(1), gpu_memory_utilization=None,
    max_batched_tokens=None, max_sequences=None, block_size=None, prefix_caching=None, eager=false,
    cache_memory=None, assume=None, gpu_file=None
), text_signature = "(target, *, gpu, gpus=None, engine='vllm', weights=None, cache=None, context=None, concurrency=1, tensor_parallel=1, pipeline_parallel=1, expert_parallel=1, data_parallel=1, context_parallel=1, gpu_memory_utilization=None, max_batched_tokens=None, max_sequences=None, block_size=None, prefix_caching=None, eager=False, cache_memory=None, assume=None, gpu_file=None)")]
#[expect(
    clippy::too_many_arguments,
    reason = "one keyword for each thing that may be asked"
)]
pub fn $name(
    target: Bound<'_, PyAny>,
    gpu: Bound<'_, PyAny>,
    gpus: Option<Given>,
    engine: &str,
    weights: Option<String>,
    cache: Option<String>,
    context: Option<Given>,
    concurrency: Given,
    tensor_parallel: Given,
    pipeline_parallel: Given,
    expert_parallel: Given,
    data_parallel: Given,
    context_parallel: Given,
    gpu_memory_utilization: Option<Bound<'_, PyAny>>,
    max_batched_tokens: Option<Given>,
    max_sequences: Option<Given>,
    block_size: Option<Given>,
    prefix_caching: Option<bool>,
    eager: bool,
    cache_memory: Option<Given>,
    assume: Option<String>,
    gpu_file: Option<PathBuf>,
) -> PyResult<$made> {
    let py = target.py();
    let optional = |field, given: Option<Given>| given.map(|one| one.count(field)).transpose();
    let request = Request {
        gpu: given::gpu(&gpu, gpu_file)?,
        engine: engine.to_owned(),
        weights,
        cache,
        context: optional("context", context)?,
        concurrency: concurrency.count("concurrency")?,
        options: Options {
            gpus: optional("gpus", gpus)?,
            parallel: Parallel {
                tensor: tensor_parallel.count("tensor_parallel")?,
                pipeline: pipeline_parallel.count("pipeline_parallel")?,
                expert: expert_parallel.count("expert_parallel")?,
                data: data_parallel.count("data_parallel")?,
                context: context_parallel.count("context_parallel")?,
            },
            memory_utilization: given::share(
                "gpu_memory_utilization",
                gpu_memory_utilization.as_ref(),
            )?,
            batched_tokens: optional("max_batched_tokens", max_batched_tokens)?,
            sequences: optional("max_sequences", max_sequences)?,
            block: optional("block_size", block_size)?,
            prefix_caching,
            eager,
            cache_memory: cache_memory
                .map(|one| one.bytes("cache_memory"))
                .transpose()?,
        },
    };
    let (model, assume) = given::model(&target, assume)?;
    <$made>::of(py, model, assume, request)
}
    };
}

of_keywords! {
/// Work out whether and how a model fits on GPUs.
///
/// Numbers may be texts too: `"32k"` tokens, `"10GiB"`. What is left out is settled by the engine and listed in
/// `Fit.assumptions`.
///
/// Args:
///     target: A model folder, a config.json, a config as a mapping, the name of a built-in model, a Checkpoint, an
///         Architecture or a Model.
///     gpu: Name of a GPU, a size of usable memory such as `"24GiB"`, or a `Gpu`.
///     gpus: How many; all of them share every layer, unless a layout is given.
///     engine: `"name"` or `"name==version"`.
///     weights: Scheme that the weights are put in, such as `"fp8"`; as they are stored, if not given.
///     cache: Format of keys and values, such as `"fp8"`; as the engine would, if not given.
///     context: Tokens of the longest request, answer included; what the model allows, if not given.
///     concurrency: Requests at one time, over all replicas.
///     tensor_parallel: Ranks that share every layer.
///     pipeline_parallel: Stages that each hold some of the layers.
///     expert_parallel: Ranks that experts are dealt out to.
///     data_parallel: Replicas that take requests of their own.
///     context_parallel: Ranks that the tokens of one sequence are dealt out to.
///     gpu_memory_utilization: Share of a GPU's memory that the engine may take.
///     max_batched_tokens: Tokens of one step.
///     max_sequences: Sequences of one step.
///     block_size: Tokens of a block of the cache.
///     prefix_caching: Whether blocks are kept for requests that begin alike.
///     eager: Whether it runs without captured graphs.
///     cache_memory: Bytes given to the cache on each GPU, whatever is free (vLLM's kv-cache-memory-bytes).
///     assume: A model type to take where that of the config is not known.
///     gpu_file: A TOML file of GPUs over the built-in ones.
///
/// Returns:
///     The estimate, in bytes per GPU on the fullest one.
///
/// Raises:
///     PonderaError: Something is not known, or cannot be; the message says what to change.
///     FileNotFoundError: There is nothing at the path.
///     TypeError: An argument is of the wrong type.
fit -> Fit
}

of_keywords! {
/// What a search begins with: the keywords of `fit`, of which not all need to make an estimate together.
question -> Question
}

/// What is asked of a model, whether it can be or not.
#[derive(Clone)]
pub struct Asked {
    model: Arc<Model>,
    assume: Option<String>,
    request: Request,
    pub subject: Arc<Subject>,
    pub deployment: Deployment,
}

impl Asked {
    /// The estimate for a deployment that a search found from this.
    pub fn changed(&self, py: Python<'_>, found: &Deployment) -> PyResult<Fit> {
        let request = self.request.changed(found);
        let core = py
            .detach(|| request.fit(&self.subject))
            .map_err(fit_error)?;
        Ok(Fit {
            model: Arc::clone(&self.model),
            assume: self.assume.clone(),
            subject: Arc::clone(&self.subject),
            request,
            core,
        })
    }
}

/// What a search begins with, where no estimate is at hand.
#[pyclass(frozen, module = "pondera._native")]
pub struct Question {
    asked: Asked,
}

impl Question {
    fn of(
        py: Python<'_>,
        model: Arc<Model>,
        assume: Option<String>,
        request: Request,
    ) -> PyResult<Self> {
        let (subject, deployment) = py
            .detach(|| {
                let deployment = request.deployment(&mut Vec::new())?;
                Ok((Arc::new(Subject::of(&model)?), deployment))
            })
            .map_err(fit_error)?;
        let asked = Asked {
            model,
            assume,
            request,
            subject,
            deployment,
        };
        Ok(Self { asked })
    }
}

/// An estimate or a question.
#[derive(FromPyObject)]
pub enum Source {
    Fit(Py<Fit>),
    Question(Py<Question>),
}

impl Source {
    /// What is asked there.
    pub fn asked(&self) -> Asked {
        match self {
            Self::Question(question) => question.get().asked.clone(),
            Self::Fit(fit) => {
                let fit = fit.get();
                Asked {
                    model: Arc::clone(&fit.model),
                    assume: fit.assume.clone(),
                    request: fit.request.clone(),
                    subject: Arc::clone(&fit.subject),
                    deployment: fit.core.deployment.clone(),
                }
            }
        }
    }
}

/// The engines that are described, by name: dicts of `name`, `aliases`, `oldest`, `newest` and `summary`.
#[pyfunction]
pub fn engines(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    ENGINES
        .iter()
        .map(|entry| {
            let shown = PyDict::new(py);
            shown.set_item("name", entry.name)?;
            shown.set_item("aliases", entry.aliases)?;
            shown.set_item("oldest", entry.oldest)?;
            shown.set_item("newest", entry.newest)?;
            shown.set_item("summary", entry.summary)?;
            Ok(shown)
        })
        .collect()
}

/// Whether and how a model fits: bytes per GPU on the fullest one, by component.
#[pyclass(frozen, module = "pondera")]
pub struct Fit {
    model: Arc<Model>,
    assume: Option<String>,
    pub request: Request,
    pub subject: Arc<Subject>,
    pub core: core::Fit,
}

impl Fit {
    fn of(
        py: Python<'_>,
        model: Arc<Model>,
        assume: Option<String>,
        request: Request,
    ) -> PyResult<Self> {
        let subject = py.detach(|| Subject::of(&model)).map_err(fit_error)?;
        Self::with(py, model, assume, Arc::new(subject), request)
    }

    /// The estimate for a model that is ready.
    pub fn with(
        py: Python<'_>,
        model: Arc<Model>,
        assume: Option<String>,
        subject: Arc<Subject>,
        request: Request,
    ) -> PyResult<Self> {
        let core = py.detach(|| request.fit(&subject)).map_err(fit_error)?;
        Ok(Self {
            model,
            assume,
            request,
            subject,
            core,
        })
    }

    /// A field of the JSON.
    fn field<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.to_dict(py)?.get_item(name)
    }
}

#[pymethods]
impl Fit {
    /// The model: its path or name.
    #[getter]
    fn model(&self) -> &str {
        &self.core.name
    }

    /// The engine with its version, as `vllm==0.19.0`.
    #[getter]
    fn engine(&self) -> String {
        self.core.engine()
    }

    /// Name of the GPU.
    #[getter]
    fn gpu(&self) -> &str {
        &self.core.deployment.gpu.name
    }

    /// How many GPUs it takes in all.
    #[getter]
    const fn gpus(&self) -> u64 {
        self.core.gpus
    }

    /// How the weights are stored, in a word.
    #[getter]
    #[expect(
        clippy::misnamed_getters,
        reason = "the words are called `storage` in the JSON, too"
    )]
    fn storage(&self) -> &str {
        &self.core.label
    }

    /// Weights, and the tables and padding that are loaded with them.
    #[getter]
    fn weights(&self) -> u64 {
        self.core.on_fullest().bytes(Component::Weights)
    }

    /// What the engine sets aside of its cache for the asked requests: `cache_reserved`.
    #[getter]
    fn cache(&self) -> u64 {
        self.core.on_fullest().bytes(Component::Cache)
    }

    /// Intermediate results at their peak.
    #[getter]
    fn activations(&self) -> u64 {
        self.core.on_fullest().bytes(Component::Activations)
    }

    /// What the engine and its libraries take beside; of vLLM, what its log calls non-torch.
    #[getter]
    fn overhead(&self) -> u64 {
        self.core.on_fullest().bytes(Component::Overhead)
    }

    /// What the driver takes for a process.
    #[getter]
    fn cuda_context(&self) -> u64 {
        self.core.on_fullest().bytes(Component::CudaContext)
    }

    /// Captured graphs.
    #[getter]
    fn cuda_graphs(&self) -> u64 {
        self.core.on_fullest().bytes(Component::CudaGraphs)
    }

    /// Named parts of each component, as a dict of dicts.
    #[getter]
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "parts")
    }

    /// The sum of all components.
    #[getter]
    fn total(&self) -> u64 {
        self.core.on_fullest().total()
    }

    /// Bytes that the runtime reports of the GPU.
    #[getter]
    const fn usable(&self) -> u64 {
        self.core.usable
    }

    /// Bytes to spare in the room for the cache on the fullest GPU; negative if they do not suffice.
    #[getter]
    const fn headroom(&self) -> i128 {
        self.core.headroom
    }

    /// Whether everything fits on every GPU.
    #[getter]
    const fn fits(&self) -> bool {
        self.core.fits()
    }

    /// What does not fit: a component, or `memory` where the engine holds more than its budget; None if it fits.
    #[getter]
    fn binds(&self) -> Option<&'static str> {
        self.core.binds().as_ref().map(Limit::name)
    }

    /// The same in words.
    #[getter]
    fn limit(&self) -> Option<String> {
        self.core.binds().map(|bound| bound.to_string())
    }

    /// Bytes that the asked requests need of the cache: window-capped, exact.
    #[getter]
    fn cache_needed(&self) -> u64 {
        self.core.on_fullest().needed
    }

    /// Bytes that the engine sets aside for them.
    #[getter]
    fn cache_reserved(&self) -> u64 {
        self.core.on_fullest().reserved
    }

    /// Bytes that the engine gives to its cache, as it prints them.
    #[getter]
    const fn cache_pool(&self) -> u64 {
        self.core.cache_pool
    }

    /// Tokens that its cache holds, as it prints them.
    #[getter]
    const fn cache_tokens(&self) -> u64 {
        self.core.pool.tokens
    }

    /// Blocks of its cache; None in engines without.
    #[getter]
    const fn blocks(&self) -> Option<u64> {
        self.core.pool.blocks
    }

    /// Requests of the full context that its cache holds at once, as it prints them; None where it prints none.
    #[getter]
    fn max_concurrency(&self) -> Option<f64> {
        self.core.max_concurrency()
    }

    /// The same as numerator and denominator.
    #[getter]
    const fn max_concurrency_exact(&self) -> Option<(u64, u64)> {
        self.core.pool.concurrency
    }

    /// Low and high of each component and of `cache_pool`, from measurements; both are the value where it is counted,
    /// and None stands where nothing was measured.
    #[getter]
    fn band<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let band = PyDict::new(py);
        for (name, bounds) in self.core.bands() {
            band.set_item(name, bounds)?;
        }
        Ok(band)
    }

    /// What was not said and was taken to hold: dicts of `field`, `value` and `reason`.
    #[getter]
    fn assumptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "assumptions")
    }

    /// What whoever reads it must know: missing weights, a scheme the engine is not known to load.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.core.warnings.clone()
    }

    /// What the engine settled, as a dict.
    #[getter]
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "settings")
    }

    /// The same components on each stage of the pipeline, as a list of dicts.
    #[getter]
    fn stages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "stages")
    }

    /// What would fit, if this does not: one change each, as dicts of `change`, `value`, `words`, `gpu`, `gpus`, `parallel`,
    /// `total`, `usable` and `headroom`. `change` is the keyword of `fit` that changes, or `parallel` for another layout on
    /// as many GPUs. Empty if it fits.
    fn alternatives<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = py.detach(|| solve::alternatives(self));
        loads(py, &text)
    }

    /// An upper bound of its speed, as a dict: reading a prompt of so many tokens in each replica (the context, if not
    /// given) and writing at the asked concurrency and context. Rates are those of all replicas; `tokens_per_second` is
    /// None where what stops it is not known of the GPU, and `unknown` says what that is.
    #[pyo3(signature = (prompt=None))]
    fn roofline<'py>(&self, py: Python<'py>, prompt: Option<Given>) -> PyResult<Bound<'py, PyAny>> {
        let prompt = prompt.map(|prompt| prompt.count("prompt")).transpose()?;
        let prompt = prompt.unwrap_or(self.core.settings.context);
        let bounds = py
            .detach(|| roofline(&self.subject, &self.core.deployment, prompt))
            .map_err(fit_error)?;
        let text = serde_json::to_string(&bounds)
            .map_err(|error| PonderaError::new_err(error.to_string()))?;
        loads(py, &text)
    }

    /// How each number comes about: formulas with the numbers put in, how sure they are, and their sources.
    fn explain(&self) -> String {
        self.core.explain()
    }

    /// The estimate as JSON text, schema `pondera.fit/1`.
    fn to_json(&self) -> String {
        self.core.to_json()
    }

    /// The estimate as a dict, schema `pondera.fit/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.core.to_json())
    }

    fn __repr__(&self) -> String {
        format!(
            "Fit({:?}, gpu={:?}, gpus={}, engine={:?}, fits={}, total={}, usable={}, headroom={})",
            self.core.name,
            self.core.deployment.gpu.name,
            self.core.gpus,
            self.core.engine(),
            if self.core.fits() { "True" } else { "False" },
            self.total(),
            self.core.usable,
            self.core.headroom
        )
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "fit_html")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            self.request == other.request
                && self.assume == other.assume
                && self.model.name == other.model.name
                && self.model.config == other.model.config
                && self.model.processor == other.model.processor
                && self.model.checkpoint == other.model.checkpoint
        })
    }

    fn __hash__(&self) -> u64 {
        self.total()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let this = slf.get();
        let model = written(&this.model, this.assume.as_deref());
        reduce(slf.as_any(), &(model, &this.request))
    }

    #[staticmethod]
    fn _from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        // What follows from model and request is worked out again.
        let (written, request): (Written<Checkpoint>, Request) = restore(bytes)?;
        let (model, assume) = read(written)?;
        Self::of(py, Arc::new(model), assume, request)
    }
}
