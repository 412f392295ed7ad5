# Types of the compiled half. Kept true by:
#
#     python -m mypy.stubtest pondera._native
#
# which compares this file with the module that is installed. No allowlist is needed.

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from typing import Any, Final, final, overload

import numpy.typing as npt
from typing_extensions import CapsuleType

from pondera._executor import SweepRun

__all__ = [
    "COMPARE_MOST",
    "DEBUG_BUILD",
    "FITS_SCHEMA",
    "FIT_SCHEMA",
    "GPUS_SCHEMA",
    "MAP_SCHEMA",
    "OFFERS_SCHEMA",
    "SCAN_SCHEMA",
    "SHOW_SCHEMA",
    "Answer",
    "Architecture",
    "CachedRepo",
    "CachedRevision",
    "Checkpoint",
    "Disagreement",
    "Fit",
    "Gpu",
    "HubCache",
    "HubScan",
    "Model",
    "NoCheckpoint",
    "PonderaError",
    "Problem",
    "Question",
    "RoleCount",
    "SeveralCheckpoints",
    "ShardFile",
    "Sweep",
    "Table",
    "Tally",
    "Tree",
    "WhatIf",
    "__version__",
    "best_quantization",
    "built_in_models",
    "cache_formats",
    "cheapest_gpu",
    "compare_facts",
    "disk_bytes",
    "distinct",
    "engines",
    "explain_field",
    "explain_number",
    "fit",
    "fit_many",
    "gpu",
    "gpu_vendors",
    "gpus",
    "grid",
    "map_facts",
    "max_concurrency",
    "max_context",
    "min_gpus",
    "model_types",
    "no_checkpoint",
    "parse_bytes",
    "parse_count",
    "planned_weights",
    "problem_codes",
    "question",
    "role_meanings",
    "role_names",
    "scan",
    "scan_cache",
    "scan_tree",
    "sweep",
    "weight_schemes",
]

__version__: Final[str]

DEBUG_BUILD: Final[bool]
"""Whether the extension was built without optimisation, so that its timings mean nothing."""

COMPARE_MOST: Final[int]
"""How many models can be compared at most."""

FITS_SCHEMA: Final[str]
"""Name and version of the JSON schema of several estimates, as `pondera.fits/1`."""

OFFERS_SCHEMA: Final[str]
"""Name and version of the JSON schema of offers by price, as `pondera.offers/1`."""

FIT_SCHEMA: Final[str]
"""Name and version of the JSON schema of an estimate, as `pondera.fit/1`."""

GPUS_SCHEMA: Final[str]
"""Name and version of the JSON schema of the catalogue of GPUs, as `pondera.gpus/1`."""

MAP_SCHEMA: Final[str]
"""Name and version of the JSON schema of what a map is drawn from, as `pondera.map/1`."""

SCAN_SCHEMA: Final[str]
"""Name and version of the JSON schema of a scan, as `pondera.scan/1`."""

SHOW_SCHEMA: Final[str]
"""Name and version of the JSON schema of a model, as `pondera.show/1`."""

class PonderaError(Exception):
    """Base of all errors that pondera raises for bad input."""

class NoCheckpoint(PonderaError):  # noqa: N818 - a state of the path, like StopIteration
    """There are no safetensors at or below the path, or the file is of another kind."""

class SeveralCheckpoints(PonderaError):  # noqa: N818 - likewise
    """The path holds several checkpoints where one was asked for; `paths` names them."""

    paths: tuple[str, ...]

def scan(path: str | PathLike[str], *, threads: int | None = None) -> Checkpoint:
    """Scan one model: a folder, a `.safetensors` file or a `.safetensors.index.json`.

    Only headers are read, never tensor data. What is wrong with a file does not raise: it is listed
    in `Checkpoint.problems`, and the rest is still tallied. Other Python threads run meanwhile; Ctrl-C works.

    Args:
        path: The folder or file. A folder that is a model and has others below it counts as that model alone.
        threads: Number of threads to read with; one per core if not given.

    Returns:
        The checkpoint.

    Raises:
        FileNotFoundError: There is nothing at the path.
        OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
        NoCheckpoint: There are no safetensors at or below the path, or the file is of another kind.
        SeveralCheckpoints: The folder holds several checkpoints and is not one itself; `paths` names them.
        ValueError: The path is empty, or `threads` is less than 1.
    """

def scan_cache(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> HubCache:
    """Scan every model of a cache that `huggingface_hub` keeps.

    Args:
        path: Its folder.
        threads: Number of threads to read with; one per core if not given.
        progress: Called as by `scan_tree`.

    Returns:
        Its repositories of models, with what each revision weighs and takes on disk.

    Raises:
        FileNotFoundError: There is no such folder.
        OSError: The folder cannot be looked at.
        ValueError: The path is empty, or `threads` is less than 1.
    """

def scan_tree(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Tree:
    """Scan every model at or below a path, in path order.

    A folder without models gives an empty tree.

    Args:
        path: The folder or file.
        threads: Number of threads to read with; one per core if not given.
        progress: Called about every 50 ms, on the calling thread, with the number of files read and of files
            found so far (0 while folders are being listed). What it raises stops the scan and is raised here.

    Returns:
        All checkpoints that were found.

    Raises:
        FileNotFoundError: There is nothing at the path.
        OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
        NoCheckpoint: The path is a file of another kind.
        ValueError: The path is empty, or `threads` is less than 1.
    """

def disk_bytes(trees: Sequence[Tree]) -> int:
    """Bytes that the weight files of several trees take on disk together, each file counted once."""

def distinct(trees: Sequence[Tree]) -> list[Tree]:
    """Trees without the checkpoints that an earlier one of them has."""

def no_checkpoint(tree: Tree) -> NoCheckpoint:
    """The error that `scan` raises where `scan_tree` gives this empty tree."""

def role_meanings() -> list[tuple[str, str]]:
    """What has each role, in display order."""

def role_names() -> list[str]:
    """Names of the roles, in display order."""

def problem_codes() -> list[tuple[str, str, str]]:
    """Every problem code with its severity and meaning."""

@final
class Tally:
    """A sum over tensors."""

    @property
    def tensors(self) -> int:
        """How many tensors."""
    @property
    def parameters(self) -> int:
        """Logical parameters."""
    @property
    def bytes(self) -> int:
        """Bytes of tensor data as stored."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Problem:
    """One thing that is wrong with a checkpoint, and where."""

    @property
    def code(self) -> str:
        """Stable code, as `shard-missing`."""
    @property
    def severity(self) -> str:
        """`error`, `warning` or `info`."""
    @property
    def path(self) -> str:
        """The file or folder it was found in."""
    @property
    def tensor(self) -> str | None:
        """The tensor it concerns, if it concerns one."""
    @property
    def message(self) -> str:
        """What exactly is wrong."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ShardFile:
    """One file of a checkpoint."""

    @property
    def path(self) -> str:
        """Where it is."""
    @property
    def file_bytes(self) -> int:
        """Length of the whole file in bytes."""
    @property
    def header_bytes(self) -> int:
        """Length of the header in bytes, with its length field; 0 if it could not be read."""
    @property
    def tensors(self) -> int:
        """How many tensors it holds."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Checkpoint:
    """The body of a model: every tensor on disk, tallied by role, dtype and layer."""

    @property
    def path(self) -> str:
        """The folder or file it was read from."""
    @property
    def name(self) -> str:
        """A name for people.

        `org/model@revision` in the Hub's cache layout and, with the folder, on the Hub itself; else the last
        part of the path.
        """
    @property
    def format(self) -> str:
        """Format of the files: `safetensors`."""
    @property
    def kind(self) -> str:
        """`model`, `adapter` or `pipeline`."""
    @property
    def quantization(self) -> str | None:
        """The quantization method that the configuration states or the tensors show."""
    @property
    def components(self) -> tuple[str, ...]:
        """Names of the component folders of a pipeline; empty for a model."""
    @property
    def base(self) -> str | None:
        """The model that an adapter was trained for, as its `adapter_config.json` names it."""
    @property
    def shards(self) -> int:
        """How many files it has."""
    @property
    def files(self) -> tuple[ShardFile, ...]:
        """Its files in path order."""
    @property
    def tensors(self) -> int:
        """How many tensors it has."""
    @property
    def parameters(self) -> int:
        """Logical parameters: packed weights count as what they stand for, scales and buffers not at all."""
    @property
    def stored_bytes(self) -> int:
        """Bytes of tensor data as stored."""
    @property
    def file_bytes(self) -> int:
        """Length of all files in bytes, headers included."""
    @property
    def roles(self) -> dict[str, Tally]:
        """Sums by role, in display order; roles without tensors are left out."""
    @property
    def dtypes(self) -> dict[str, Tally]:
        """Sums by storage dtype."""
    @property
    def layers(self) -> dict[str, Tally]:
        """Sums by layer, as `model.layers.3`; tensors outside all layers are under `outside`."""
    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it, worst first."""
    @property
    def metadata(self) -> dict[str, str]:
        """What its first file states about itself under `__metadata__`."""
    def table(self) -> Table:
        """One row per tensor.

        Columns: `name`, `role`, `dtype`, `shape` (as stored), `parameters` (logical), `bytes` (as stored),
        `stack` (as `model.layers`; empty outside all layers), `layer` (missing outside), `file` (from the
        checkpoint's folder) and `offset` (of the data in its file, in bytes).
        """
    def to_json(self, *, layers: bool = False) -> str:
        """The checkpoint as JSON text: an element of `checkpoints` of the schema `pondera.scan/1`.

        Args:
            layers: Whether to give sums by layer too, under `layers`; a large model has hundreds of layers.
        """
    def to_dict(self) -> dict[str, Any]:
        """The checkpoint as a dict: an element of `checkpoints` of the schema `pondera.scan/1`."""
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class HubScan:
    """A scan of files that lie elsewhere: known by name and length, and given as far as they are wanted.

    Ask `wanted()` what to fetch and `give()` it, until nothing is wanted. Then `checkpoint()`, `tree()` and
    `model()` are what a scan of the same files on this machine gives, problems and all.

    Args:
        root: What the files are below, as it stands in paths of the answer: `hf://org/name@revision`.
        files: Name, with `/` between folders, and length of every file.
        path: A folder or file among them to scan; all if not given.
        tree: Whether every model at the path is wanted, for `tree()`, rather than one, for `checkpoint()` and
            `model()`.

    Raises:
        PonderaError: A name is no path below the root, or stands twice with different lengths.
    """

    def __new__(
        cls, root: str, files: Sequence[tuple[str, int]], *, path: str = "", tree: bool = False
    ) -> HubScan: ...
    def wanted(self, *, threads: int | None = None) -> list[tuple[str, int, int, str]]:
        """What must be given before there is an answer: file, first byte, byte behind the last one, what for.

        Empty if nothing is. A range begins where what was given of its file ends; what it is for is `config`
        or `index` (the whole file), `header` (enough for most headers) or `header-rest`. The first call asks
        for all that most repositories need.
        """
    def give(self, file: str, start: int, data: bytes) -> None:
        """Enter bytes of a file that begin at `start`, where what was given of it before ends.

        Any number of them: less than was wanted is wanted again from there, and a whole file or header may be
        given unasked. Of a weight file nothing is kept behind its header.

        Raises:
            PonderaError: The file is not in the list, is shorter, or lacks bytes before these.
        """
    def refuse(self, file: str, why: str) -> None:
        """Note that nothing more can be had of a file, and why; it counts as `file-unreadable`."""
    def held(self, file: str) -> bytes | None:
        """What was given of a file: of a weight file no more than the length field and the header."""
    def checkpoint(self, *, threads: int | None = None) -> Checkpoint:
        """The one checkpoint at the path, as `scan` gives it; what it raises is the same."""
    def tree(self, *, threads: int | None = None) -> Tree:
        """Every checkpoint at or below the path, as `scan_tree` gives them; what it raises is the same."""
    def model(self, *, assume: str | None = None, threads: int | None = None) -> Model:
        """The model at the path, as `Model.open` gives it; what it raises is the same."""

@final
class HubCache:
    """The cache that `huggingface_hub` keeps for a user."""

    @property
    def path(self) -> str:
        """Its folder."""
    @property
    def repos(self) -> tuple[CachedRepo, ...]:
        """Its repositories of models, by name."""
    @property
    def disk_bytes(self) -> int:
        """Length of all files of all repositories in bytes, each counted once."""
    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found outside all checkpoints; each checkpoint has its own list."""
    def to_json(self) -> str:
        """The whole cache as JSON text, schema `pondera.cache/1`."""
    def to_dict(self) -> dict[str, Any]:
        """The whole cache as a dict, schema `pondera.cache/1`."""
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class CachedRepo:
    """A repository as far as it is in the cache."""

    @property
    def name(self) -> str:
        """As `org/name`."""
    @property
    def path(self) -> str:
        """Its folder."""
    @property
    def revisions(self) -> tuple[CachedRevision, ...]:
        """Its revisions, by commit."""
    @property
    def disk_bytes(self) -> int:
        """Length of all its files in bytes, each counted once."""
    @property
    def incomplete(self) -> list[tuple[str, int]]:
        """Files of which only a part has come: where the part is, and its length in bytes."""

@final
class CachedRevision:
    """A revision of a repository in the cache."""

    @property
    def commit(self) -> str:
        """The commit."""
    @property
    def refs(self) -> tuple[str, ...]:
        """The branches and tags that it was known by when it was last asked for."""
    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The models in it."""
    @property
    def parameters(self) -> int:
        """Logical parameters of all its models together."""
    @property
    def stored_bytes(self) -> int:
        """Bytes of tensor data of all its models together, each counted in full."""
    @property
    def roles(self) -> dict[str, Tally]:
        """Sums by role over all its models, in display order; roles without tensors are left out."""
    @property
    def disk_bytes(self) -> int:
        """Length of all its files in bytes, each counted once."""
    @property
    def own_bytes(self) -> int:
        """Bytes of those files that no other revision of the repository has: what its removal would free."""

@final
class Tree:
    """All checkpoints at or below a path; a sequence of them, in path order."""

    @property
    def path(self) -> str:
        """The path that was scanned."""
    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints in path order."""
    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found outside all checkpoints; each checkpoint has its own list."""
    @property
    def tensors(self) -> int:
        """How many tensors all checkpoints have together."""
    @property
    def parameters(self) -> int:
        """Logical parameters of all checkpoints together."""
    @property
    def stored_bytes(self) -> int:
        """Bytes of tensor data of all checkpoints together, each counted in full."""
    @property
    def disk_bytes(self) -> int:
        """Bytes that the weight files take on disk: a file that several checkpoints link to counts once."""
    def to_json(self, *, layers: bool = False) -> str:
        """The whole scan as JSON text, schema `pondera.scan/1`.

        Args:
            layers: Whether to give sums by layer too, under `layers`; a large model has hundreds of layers.
        """
    def to_dict(self) -> dict[str, Any]:
        """The whole scan as a dict, schema `pondera.scan/1`."""
    def _repr_html_(self) -> str: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> Checkpoint: ...
    @overload
    def __getitem__(self, index: slice, /) -> tuple[Checkpoint, ...]: ...
    def __iter__(self) -> Iterator[Checkpoint]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Table:
    """A table of columns.

    `table["name"]` is a NumPy array; the table itself is an Arrow stream, so `polars.DataFrame(table)`,
    `pyarrow.table(table)`, `pandas.DataFrame.from_arrow(table)` and DuckDB take it as it is.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
    def __len__(self) -> int: ...
    def __getitem__(self, name: str, /) -> npt.NDArray[Any]:
        """One column as a NumPy array.

        Whole numbers are `uint64`, or `int64` where they may be negative, and yes and no are `bool`; these
        are the memory of the table itself and cannot be written to. A column with missing values is `int64`
        with -1 for missing; texts and shapes are object arrays of `str` and of tuples.

        Raises:
            KeyError: There is no such column.
        """
    def to_dict(self) -> dict[str, npt.NDArray[Any]]:
        """All columns as a dict of NumPy arrays."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> CapsuleType:
        """The Arrow stream of the table. A requested schema is not negotiated."""
    def __arrow_c_schema__(self) -> CapsuleType:
        """The Arrow schema of the table."""
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class RoleCount:
    """The sum over the tensors of one kind."""

    @property
    def tensors(self) -> int:
        """How many tensors."""
    @property
    def parameters(self) -> int:
        """Their elements."""
    @property
    def active_parameters(self) -> int:
        """Elements that one token goes through; tables of embeddings count in full."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Architecture:
    """What a config determines of its model: every tensor, and what each layer remembers."""

    @staticmethod
    def from_config(
        config: Mapping[str, Any] | str | PathLike[str], *, assume: str | None = None
    ) -> Architecture:
        """Derive the architecture of a config.

        Args:
            config: A mapping, the path of a config.json or of its folder, or the name of a built-in model.
            assume: A model type to take where the config's own is unknown or missing.

        Raises:
            PonderaError: The model type is unknown, or a field is missing or wrong; the message names it.
            FileNotFoundError: There is no such path and no built-in model of that name.
        """
    @property
    def model_type(self) -> str:
        """`model_type` of the config."""
    @property
    def class_name(self) -> str | None:
        """The class the config names, as `LlamaForCausalLM`."""
    @property
    def family(self) -> str:
        """The family that read the config."""
    @property
    def parameters(self) -> int:
        """All parameters: the elements of every tensor of the checkpoint, tied heads once."""
    @property
    def active_parameters(self) -> int:
        """Parameters that one token goes through: routed experts by top-k, all else in full."""
    @property
    def non_embedding_parameters(self) -> int:
        """Parameters outside tables of which each token looks up one row."""
    @property
    def buffers(self) -> int:
        """Elements, among `parameters`, that the model's code keeps as buffers."""
    @property
    def roles(self) -> dict[str, RoleCount]:
        """Sums by role, in display order."""
    @property
    def layers(self) -> dict[str, RoleCount]:
        """Sums by layer, as `model.layers.3`; what lies outside all layers is under `outside`."""
    @property
    def hidden_size(self) -> int | None:
        """Width of the residual stream of the text model."""
    @property
    def vocab_size(self) -> int | None:
        """Entries of the vocabulary."""
    @property
    def context(self) -> int | None:
        """Tokens of context that the config states."""
    def pattern(self, stack: str = "decoder") -> str:
        """The layers of a stack in one line, as `5 x sliding(1024), 1 x full; 62 layers`."""
    @property
    def assumptions(self) -> tuple[tuple[str, str, str], ...]:
        """What the config does not say and was taken to hold: (field, value, reason)."""
    @property
    def fields(self) -> dict[str, str]:
        """Every field that was read or assumed, with its class: `structural`, `runtime` or `inert`."""
    @property
    def config(self) -> dict[str, Any]:
        """The config."""
    def tensors(self) -> Table:
        """Every tensor: columns `name`, `role`, `shape`, `parameters`, `stack`, `layer`."""
    def cache_layers(self) -> Table:
        """What each decoder layer keeps.

        Columns: `layer`, `kind`, `window` (tokens), `per_token` (numbers per token or entry), `ratio`
        (tokens per entry), `state` (numbers in the dtype of the cache), `float32` (numbers always in 32
        bits), `shared_with`.
        """
    def cache_bytes(
        self, tokens: int, sequences: int = 1, dtype: str = "bf16", *, encoder_tokens: int = 0
    ) -> int:
        """Bytes that requests of so many tokens each need: window-capped, exact.

        Args:
            tokens: Tokens of each sequence.
            sequences: How many sequences.
            dtype: How the cache is kept: `fp32`, `fp16`, `bf16` or `fp8`. Recurrent states that are always
                kept in 32 bits are counted so.
            encoder_tokens: Length of an encoder's output, where the model does not fix it.

        Raises:
            PonderaError: The dtype is unknown, or the sum does not fit 64 bits.
        """
    def bytes_per_token(self, tokens: int = 0, dtype: str = "bf16") -> int:
        """Bytes that one more token costs after so many, in one sequence."""
    def state_bytes(self, dtype: str = "bf16") -> int:
        """Bytes of the recurrent states of one sequence."""
    @property
    def saturations(self) -> tuple[int, ...]:
        """The numbers of tokens from which on some layer keeps no more."""
    def flops_per_token(self, tokens: int = 0) -> int:
        """Floating-point operations of one token of the text model after so many.

        2 per parameter a token goes through, and those of attention over what is kept (Kaplan et al. 2020).
        """
    def what_if(self, fields: dict[str, Any] | None = None, **changed: Any) -> WhatIf:  # noqa: ANN401
        """Derive the config again with fields changed.

        Args:
            fields: Fields by name, with the objects they lie in if need be (`text_config.head_dim`).
            **changed: The same, as keywords.

        Raises:
            PonderaError: The changed config cannot be derived.
        """
    def to_dict(self) -> dict[str, Any]:
        """The architecture in schema `pondera.show/1`."""
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    @staticmethod
    def _from_bytes(bytes: bytes) -> Architecture: ...

@final
class WhatIf:
    """The answer to a what-if."""

    @property
    def architecture(self) -> Architecture:
        """The architecture with all fields changed."""
    @property
    def same_body(self) -> bool:
        """Whether the same weights can wear the new mind."""
    @property
    def changes(self) -> list[dict[str, Any]]:
        """Each field by itself.

        Keys: `field`, `from`, `to`, `class` (`structural`, `runtime`, `inert`), `note`, and the differences
        in `parameters`, `active_parameters`, `bytes_per_token` (16-bit cache), `flops_per_token`.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    @staticmethod
    def _from_bytes(bytes: bytes) -> WhatIf: ...

@final
class Disagreement:
    """Tensors of one kind in which body and mind differ."""

    @property
    def severity(self) -> str:
        """`error`, `warning` or `info`."""
    @property
    def kind(self) -> str:
        """`missing`, `unexpected`, `shape`, `name` or `storage`."""
    @property
    def pattern(self) -> str:
        """The names, with `*` for numbers."""
    @property
    def count(self) -> int:
        """How many tensors."""
    @property
    def example(self) -> str:
        """One of them."""
    @property
    def expected(self) -> list[int] | None:
        """The shape that the config asks for."""
    @property
    def found(self) -> list[int] | None:
        """The shape that is there."""
    @property
    def cause(self) -> str:
        """The likely cause."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...

@final
class Model:
    """A body with its mind, and where the two disagree."""

    @staticmethod
    def open(target: str | PathLike[str], *, assume: str | None = None, threads: int | None = None) -> Model:
        """Open a model folder, a config.json, a weight file or a built-in model by name.

        Raises:
            PonderaError: There is nothing at the target that could be opened, or its config is wrong.
            FileNotFoundError: There is no such path and no built-in model of that name.
        """
    @property
    def name(self) -> str:
        """The path, or the name of the built-in model."""
    @property
    def checkpoint(self) -> Checkpoint | None:
        """The body; None if there are no weights."""
    @property
    def architecture(self) -> Architecture | None:
        """The mind; None if it is not known, and `unknown` says why."""
    @property
    def unknown(self) -> str | None:
        """Why the mind is not known; None if it is."""
    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Where body and mind disagree, worst first."""
    def what_if(
        self,
        fields: dict[str, Any] | None = None,
        **changed: Any,  # noqa: ANN401
    ) -> tuple[Model, WhatIf]:
        """The same body with another mind: the changed config held against the weights, and what changed.

        Raises:
            PonderaError: There is no config, or the changed one cannot be derived.
        """
    def to_json(self) -> str:
        """The model as JSON text, schema `pondera.show/1`."""
    def to_dict(self) -> dict[str, Any]:
        """The model as a dict, schema `pondera.show/1`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    @staticmethod
    def _from_bytes(bytes: bytes) -> Model: ...

def built_in_models() -> list[dict[str, Any]]:
    """Every built-in model.

    Keys: `name`, `aliases`, `source`, `model_type`, `published_total`, `published_active`,
    `published_source`.
    """

def compare_facts(
    targets: Sequence[str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model],
    variants: Sequence[WhatIf | None],
    tried: Sequence[tuple[str, Sequence[Fit | str]]],
    assume: str | None = None,
) -> str:
    """What models have in common and in what they differ, as JSON text of schema `pondera.compare/1`.

    Args:
        targets: The models, 2 to `COMPARE_MOST`.
        variants: For each, what was changed where it is the first with another mind.
        tried: For each GPU its name, and for each model the estimate or why there is none.
        assume: A model type to take where that of a config is not known.

    Raises:
        PonderaError: A target cannot be opened, or there are too few or too many.
        FileNotFoundError: There is no such path and no built-in model of that name.
    """

def map_facts(
    target: str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model,
    assume: str | None = None,
) -> str:
    """What a map of a model is drawn from, as JSON text of schema `pondera.map/1`."""

def model_types() -> list[tuple[str, str]]:
    """Every model type that is known, with the family that lowers it."""

def weight_schemes() -> list[dict[str, Any]]:
    """Every scheme of quantization: `name`, `aliases`, `bits`, `weights`, `library`, `summary`, `source`."""

def cache_formats() -> list[dict[str, Any]]:
    """Every format of cached keys and values.

    Keys: `name`, `aliases`, `numbers` of a block and its `bytes`, `per_head` (bytes of scales per token and
    head), `source`.
    """

def planned_weights(
    architecture: Architecture, scheme: str | None = None
) -> tuple[str, list[tuple[str, bool, int, int, int]], list[tuple[str, str, str]]]:
    """What a scheme makes of a model, or the one that its config states.

    The scheme's name; by role whether it is quantized, tensors, parameters and bytes; what was assumed.

    Raises:
        PonderaError: The scheme is not known, or what the config states cannot be.
    """

def explain_field(name: str, config: Architecture | None = None) -> dict[str, Any]:
    """What a config field determines: `field`, `class`, `text`, `value`, `cost`."""

def explain_number(text: str) -> dict[str, Any] | None:
    """What a number of parameters weighs: `parameters`, `text`, `weights`; None if the text is no number."""

def fit(
    target: str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model,
    *,
    gpu: str | Gpu,
    gpus: int | str | None = None,
    engine: str = "vllm",
    weights: str | None = None,
    cache: str | None = None,
    context: int | str | None = None,
    concurrency: int | str = 1,
    tensor_parallel: int | str = 1,
    pipeline_parallel: int | str = 1,
    expert_parallel: int | str = 1,
    data_parallel: int | str = 1,
    context_parallel: int | str = 1,
    gpu_memory_utilization: float | None = None,
    max_batched_tokens: int | str | None = None,
    max_sequences: int | str | None = None,
    block_size: int | str | None = None,
    prefix_caching: bool | None = None,
    eager: bool = False,
    cache_memory: int | str | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
) -> Fit:
    """Work out whether and how a model fits on GPUs.

    Numbers may be texts too: `"32k"` tokens, `"10GiB"`. What is left out is settled by the engine and
    listed in `Fit.assumptions`.

    Args:
        target: A model folder, a config.json, a config as a mapping, the name of a built-in model, a
            Checkpoint, an Architecture or a Model.
        gpu: Name of a GPU, a size of usable memory such as `"24GiB"`, or a `Gpu`.
        gpus: How many; all of them share every layer, unless a layout is given.
        engine: `"name"` or `"name==version"`.
        weights: Scheme that the weights are put in, such as `"fp8"`; as they are stored, if not given.
        cache: Format of keys and values, such as `"fp8"`; as the engine would, if not given.
        context: Tokens of the longest request, answer included; what the model allows, if not given.
        concurrency: Requests at one time, over all replicas.
        tensor_parallel: Ranks that share every layer.
        pipeline_parallel: Stages that each hold some of the layers.
        expert_parallel: Ranks that experts are dealt out to.
        data_parallel: Replicas that take requests of their own.
        context_parallel: Ranks that the tokens of one sequence are dealt out to.
        gpu_memory_utilization: Share of a GPU's memory that the engine may take.
        max_batched_tokens: Tokens of one step.
        max_sequences: Sequences of one step.
        block_size: Tokens of a block of the cache.
        prefix_caching: Whether blocks are kept for requests that begin alike.
        eager: Whether it runs without captured graphs.
        cache_memory: Bytes given to the cache on each GPU, whatever is free (vLLM's kv-cache-memory-bytes).
        assume: A model type to take where that of the config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.

    Returns:
        The estimate, in bytes per GPU on the fullest one.

    Raises:
        PonderaError: Something is not known, or cannot be; the message says what to change.
        FileNotFoundError: There is nothing at the path.
        TypeError: An argument is of the wrong type.
    """

def engines() -> list[dict[str, Any]]:
    """The engines that are described: dicts of `name`, `aliases`, `oldest`, `newest` and `summary`."""

@final
class Fit:
    """Whether and how a model fits: bytes per GPU on the fullest one, by component."""

    @property
    def model(self) -> str:
        """The model: its path or name."""
    @property
    def engine(self) -> str:
        """The engine with its version, as `vllm==0.19.0`."""
    @property
    def gpu(self) -> str:
        """Name of the GPU."""
    @property
    def gpus(self) -> int:
        """How many GPUs it takes in all."""
    @property
    def storage(self) -> str:
        """How the weights are stored, in a word."""
    @property
    def weights(self) -> int:
        """Weights, and the tables and padding that are loaded with them."""
    @property
    def cache(self) -> int:
        """What the engine sets aside of its cache for the asked requests: `cache_reserved`."""
    @property
    def activations(self) -> int:
        """Intermediate results at their peak."""
    @property
    def overhead(self) -> int:
        """What the engine and its libraries take beside; of vLLM, what its log calls non-torch."""
    @property
    def cuda_context(self) -> int:
        """What the driver takes for a process."""
    @property
    def cuda_graphs(self) -> int:
        """Captured graphs."""
    @property
    def parts(self) -> dict[str, dict[str, int]]:
        """Named parts of each component, as a dict of dicts."""
    @property
    def total(self) -> int:
        """The sum of all components."""
    @property
    def usable(self) -> int:
        """Bytes that the runtime reports of the GPU."""
    @property
    def headroom(self) -> int:
        """Bytes to spare in the room for the cache on the fullest GPU; negative if they do not suffice."""
    @property
    def fits(self) -> bool:
        """Whether everything fits on every GPU."""
    @property
    def binds(self) -> str | None:
        """What does not fit: a component, or `memory` where the engine holds too much; None if it fits."""
    @property
    def limit(self) -> str | None:
        """The same in words."""
    @property
    def cache_needed(self) -> int:
        """Bytes that the asked requests need of the cache: window-capped, exact."""
    @property
    def cache_reserved(self) -> int:
        """Bytes that the engine sets aside for them."""
    @property
    def cache_pool(self) -> int:
        """Bytes that the engine gives to its cache, as it prints them."""
    @property
    def cache_tokens(self) -> int:
        """Tokens that its cache holds, as it prints them."""
    @property
    def blocks(self) -> int | None:
        """Blocks of its cache; None in engines without."""
    @property
    def max_concurrency(self) -> float | None:
        """Requests of the full context that its cache holds at once, as it prints them, or None."""
    @property
    def max_concurrency_exact(self) -> tuple[int, int] | None:
        """The same as numerator and denominator."""
    @property
    def band(self) -> dict[str, tuple[int, int] | None]:
        """Low and high of each component and of `cache_pool`, from measurements.

        Both are the value where it is counted, and None stands where nothing was measured.
        """
    @property
    def assumptions(self) -> list[dict[str, str]]:
        """What was not said and was taken to hold: dicts of `field`, `value` and `reason`."""
    @property
    def warnings(self) -> list[str]:
        """What whoever reads it must know: missing weights, a scheme the engine is not known to load."""
    @property
    def settings(self) -> dict[str, Any]:
        """What the engine settled, as a dict."""
    @property
    def stages(self) -> list[dict[str, Any]]:
        """The same components on each stage of the pipeline, as a list of dicts."""
    def alternatives(self) -> list[dict[str, Any]]:
        """What would fit, if this does not; empty if it does.

        One change each, as dicts of `change`, `value`, `words`, `gpu`, `gpus`, `parallel`, `total`, `usable`
        and `headroom`. `change` is the keyword of `fit` that changes, or `parallel` for another layout on as
        many GPUs.
        """
    def roofline(self, prompt: int | str | None = None) -> dict[str, Any]:
        """An upper bound of its speed, as a dict.

        Reading a prompt of so many tokens in each replica (the context, if not given), and writing at the
        asked context and concurrency. Rates are those of all replicas; `tokens_per_second` is None where what
        stops it is not known of the GPU, and `unknown` says what that is.
        """
    def explain(self) -> str:
        """How each number comes about: formulas with the numbers put in, how sure they are, and sources."""
    def to_json(self) -> str:
        """The estimate as JSON text, schema `pondera.fit/1`."""
    def to_dict(self) -> dict[str, Any]:
        """The estimate as a dict, schema `pondera.fit/1`."""
    def _repr_html_(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    @staticmethod
    def _from_bytes(bytes: bytes) -> Fit: ...

@final
class Gpu:
    """One GPU, or another chip that holds a model.

    What no source states is None or left out.
    """

    @property
    def name(self) -> str:
        """Its canonical name, as `H100-SXM-80GB`."""
    @property
    def vendor(self) -> str:
        """Who makes it: one of `gpu_vendors()`, or `any` for a bare size of memory."""
    @property
    def assumed(self) -> str | None:
        """What `gpu` took for granted, in a sentence; None if the name left nothing open."""
    @property
    def aliases(self) -> list[str]:
        """Other names for it, such as what its driver reports."""
    @property
    def default_for(self) -> list[str]:
        """Shorter names that mean this one of several, as `h100`."""
    @property
    def common(self) -> bool:
        """Whether tables show it when no GPU is chosen."""
    @property
    def memory_kind(self) -> str:
        """`hbm`, `gddr`, `gddr-ecc` (codes to correct errors take room), `shared` with the CPU, or `ram`."""
    @property
    def nominal_bytes(self) -> int:
        """Bytes of memory on the board."""
    @property
    def usable_bytes(self) -> int:
        """Bytes that a runtime reports as the total, which is what an engine can divide."""
    @property
    def measured(self) -> bool:
        """Whether a runtime reported `usable_bytes`; else they follow from `nominal_bytes` by a rule."""
    @property
    def usable_source(self) -> str:
        """Where `usable_bytes` come from: the report, or the rule in words."""
    @property
    def unified(self) -> bool:
        """Whether the memory is shared with the CPU."""
    @property
    def bandwidth(self) -> int | None:
        """Bytes per second between memory and chip."""
    @property
    def flops(self) -> dict[str, int]:
        """Dense operations per second: those of `fp32 tf32 bf16 fp16 fp8 int8 fp4` that are known."""
    @property
    def interconnect(self) -> tuple[str, int] | None:
        """Name of the link to other GPUs of the node, and bytes per second per GPU, both directions added."""
    @property
    def per_node(self) -> int:
        """GPUs in the usual node; 1 where no source states more."""
    @property
    def context_bytes(self) -> int | None:
        """Bytes that a process takes before it allocates anything (the CUDA context), where measured."""
    @property
    def context_source(self) -> str | None:
        """Where `context_bytes` were measured."""
    @property
    def compute_capability(self) -> tuple[int, int] | None:
        """NVIDIA's compute capability, as (9, 0)."""
    @property
    def source(self) -> str:
        """Where the other figures were read."""
    @property
    def note(self) -> str | None:
        """What a reader of the figures should know."""
    def to_json(self) -> str:
        """All fields as JSON text: an element of `gpus` of the schema `pondera.gpus/1`."""
    def to_dict(self) -> dict[str, Any]:
        """All fields as a dict: an element of `gpus` of the schema `pondera.gpus/1`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def gpus(*, gpu_file: str | PathLike[str] | None = None) -> list[Gpu]:
    """Every GPU of the catalogue, sorted by name.

    Args:
        gpu_file: A TOML file whose rows are merged over the built-in ones; docs/gpus.md has the fields.

    Raises:
        OSError: The file cannot be read.
        PonderaError: It is no such TOML; the message names the row, the field and what to do.
    """

def gpu(name: str, *, gpu_file: str | PathLike[str] | None = None) -> Gpu:
    """The GPU of a name; case, punctuation and the maker's name do not matter.

    Args:
        name: A name of the catalogue, what a driver reports, a shorter name that has a default (`h100`), or a
            size such as `24GiB` for any GPU with that much usable memory.
        gpu_file: A TOML file whose rows are merged over the built-in ones.

    Raises:
        OSError: The file cannot be read.
        PonderaError: Nothing or more than one GPU has the name, or the file is no such TOML; the message says
            which names may be meant.
    """

def gpu_vendors() -> list[str]:
    """Every vendor that a row of the catalogue may name, sorted."""

def parse_bytes(text: str) -> int:
    """Bytes from a text: `80GB` (powers of 1000), `79.19GiB` (powers of 1024) or bare digits.

    A decimal is exact; what is left of a byte is dropped.

    Raises:
        PonderaError: The text is no such size, is negative, or is beyond 2**64 - 1.
    """

def parse_count(text: str) -> int:
    """A count from a text: bare digits, or with `k` for 1024, `m` for 1024**2, as contexts are named.

    Raises:
        PonderaError: The text is no such count, is negative or not whole, or is beyond 2**64 - 1.
    """

@final
class Answer:
    """What a search found: the best that fits, with its estimate and what stops the next one."""

    @property
    def value(self) -> int | str | None:
        """Tokens, requests or GPUs, or the name of the scheme; None if nothing fits."""
    @property
    def found(self) -> bool:
        """Whether anything fits."""
    @property
    def fit(self) -> Fit:
        """The estimate there; if nothing fits, the one that came closest."""
    @property
    def binds(self) -> str:
        """What stops the next one: a component, `model_context`, `sequences`, `refused`, ..."""
    @property
    def limit(self) -> str:
        """The same in words."""
    @property
    def memory_holds(self) -> int | None:
        """How many memory alone would hold, where something else stops first.

        None if that is not known or has no end.
        """
    def to_dict(self) -> dict[str, Any]:
        """The answer as a dict: `value`, `found`, `binds`, `limit`, `memory_holds` and `fit`."""

@final
class Question:
    """What a search begins with, where no estimate is at hand."""

def question(
    target: str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model,
    *,
    gpu: str | Gpu,
    gpus: int | str | None = None,
    engine: str = "vllm",
    weights: str | None = None,
    cache: str | None = None,
    context: int | str | None = None,
    concurrency: int | str = 1,
    tensor_parallel: int | str = 1,
    pipeline_parallel: int | str = 1,
    expert_parallel: int | str = 1,
    data_parallel: int | str = 1,
    context_parallel: int | str = 1,
    gpu_memory_utilization: float | None = None,
    max_batched_tokens: int | str | None = None,
    max_sequences: int | str | None = None,
    block_size: int | str | None = None,
    prefix_caching: bool | None = None,
    eager: bool = False,
    cache_memory: int | str | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
) -> Question:
    """What a search begins with: the keywords of `fit`, which need not make an estimate together."""

@final
class Sweep:
    """Many deployments of one or more models: every combination of the values of its axes, each a point.

    Points are numbered from 0. Nothing is worked out until it is asked for: any point or range of points is
    worked out by its number alone. What many points share is remembered from one answer to the next, in
    bounded memory, and points themselves are not kept. Answers that compare points leave out those that do
    not fit.

    Methods that look at all points take `progress`, which is called about every 50 ms with how many pieces of
    the work are done and how many there are.
    """

    @property
    def points(self) -> int:
        """How many points there are."""
    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has, linked axes together; the product of all is the number of points."""
    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The values of every axis by name, that of the targets first. The last axis moves fastest."""
    @property
    def linked(self) -> list[list[str]]:
        """Names of the axes that move together, group by group."""
    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: `point`, the axes, and what comes of a deployment."""
    @property
    def condition(self) -> str | None:
        """The condition that points must meet; None if there is none."""
    @property
    def threads(self) -> int:
        """Threads that answers are worked out with.

        They are not pickled: a sweep that is restored, here or on another machine, works with as many as
        there are processors.
        """
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    @overload
    def __getitem__(self, index: int, /) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice, /) -> Table: ...
    def where(self, condition: str) -> Sweep:
        """The same points with a condition that they must meet, beside the one there is."""
    def with_threads(self, threads: int | None = None) -> Sweep:
        """The same sweep worked out with so many threads.

        As many as there are processors, if not given, and after pickling.
        """
    def table(
        self,
        start: int | None = None,
        stop: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Table:
        """The points of a range as a table, those that meet the condition.

        Of deployments that cannot be, `reason` says why and all other results are 0.

        Args:
            start: The first point.
            stop: The one after the last.
            columns: Names of columns; all of them, if not given.
            progress: As for all methods.
        """
    @overload
    def count(
        self,
        by: None = None,
        *,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> int: ...
    @overload
    def count(
        self,
        by: str,
        *,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> dict[Any, int]: ...
    def tally(
        self,
        by: str | Iterable[str] | Mapping[str, int] | None = None,
        *,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> Table:
        """How many points there are, can be and fit.

        One row, one for each value of an axis, or one for each combination of values of several.

        Args:
            by: An axis, or `reason`; several of these; or a mapping of them to how many values that follow
                each other are taken together, of which the table names the first.
            progress: As for all methods.
            gather: Given by `run`.
        """
    def top(
        self,
        k: int = 10,
        *,
        by: str = "headroom_bytes",
        largest: bool = True,
        columns: Sequence[str] | None = None,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> Table:
        """The best of the points that fit, as a table.

        Args:
            k: How many.
            by: The column that is compared; of equals the lower number comes first.
            largest: Whether more is better.
            columns: Names of columns; all of them, if not given.
            progress: As for all methods.
            gather: Given by `run`.
        """
    def best_per(
        self,
        axis: str,
        *,
        by: str = "headroom_bytes",
        largest: bool = True,
        k: int = 1,
        columns: Sequence[str] | None = None,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> Table:
        """The best of the points that fit for each value of an axis, as a table."""
    def pareto(
        self,
        *,
        minimise: Sequence[str] | None = None,
        maximise: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> Table:
        """The points that fit and that no other one is better than in every one of these columns, as a table.

        Of points that are alike in all of them the one of the lowest number stands for all.
        """
    def frontier(
        self,
        axis: str,
        *,
        columns: Sequence[str] | None = None,
        progress: Callable[[int, int], object] | None = None,
        gather: Callable[[str, int], bytes] | None = None,
    ) -> Table:
        """For every combination of the other axes the largest value of one with which it fits, a row each.

        Where nothing fits, the row is that of the first value, of which `fits` is False. More than 2^24
        combinations are refused before any work.
        """
    def _combinations(self, axis: str) -> int: ...
    def run(self, executor: Executor, **options: int | None) -> SweepRun:
        """The same answers from an executor: the work is cut into pieces, which are given out and merged.

        What fails is given out anew. Options are those of `SweepRun`: `pieces`, `retries` and `threads`.
        """
    def explain(self, point: int) -> Fit:
        """The whole estimate of a point, as `fit` gives it."""
    def _part(self, question: str, start: int, stop: int, threads: int = 1) -> bytes: ...
    @staticmethod
    def _merged(question: str, one: bytes, other: bytes) -> bytes: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> CapsuleType:
        """The Arrow stream of all points that meet the condition, worked out batch by batch as it is read."""
    def _repr_html_(self) -> str: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...
    @staticmethod
    def _from_bytes(bytes: bytes) -> Sweep: ...

def sweep(
    targets: Sequence[str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model],
    asked: Mapping[str, Any],
    mind: Mapping[str, Any] | None = None,
    linked: Sequence[Sequence[str]] | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    threads: int | None = None,
) -> Sweep:
    """Makes a sweep: `asked` are keywords of `fit`, of which a list is an axis."""

def grid(first: int | str, last: int | str, count: int | str | None = None) -> list[int]:
    """Whole numbers from one to another at even ratios, each once, both ends included.

    `count` of them, or one for each doubling if not given.
    """

def fit_many(
    target: str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model,
    table: object,
    asked: Mapping[str, Any],
    columns: Sequence[str] | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Table:
    """Estimates of arbitrary deployments of one model, a row each."""

def max_context(fit: Fit | Question) -> Answer:
    """The longest context with which an estimate fits, exact to the token."""

def max_concurrency(fit: Fit | Question) -> Answer:
    """The most requests at one time with which an estimate fits."""

def min_gpus(fit: Fit | Question, most: int | str | None = None) -> Answer:
    """The fewest GPUs on which an estimate fits, and how to lay it out on them."""

def best_quantization(fit: Fit | Question) -> Answer:
    """The scheme of the least loss of precision with which an estimate fits."""

def cheapest_gpu(
    fit: Fit | Question,
    prices: str | PathLike[str],
    most: int | str | None = None,
    gpu_file: str | PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """What an estimate takes of every GPU of a price file, the cheapest first."""
