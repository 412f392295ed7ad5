"""The description of the addresses in OpenAPI 3.1, made of the table that reads them."""

from __future__ import annotations

from typing import Any

from pondera._native import FIT_SCHEMA, MAP_SCHEMA, SHOW_SCHEMA, __version__
from pondera.ui.addresses import ADDRESSES
from pondera.ui.parameters import MOST_VALUE, SET, Address, Parameter

_NUMBER = {"type": "integer"}
_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}


def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pondera",
            "version": __version__,
            "summary": "How heavy a model is, what it is made of, and where it fits",
            "description": "All addresses are read by GET, from this machine alone. What cannot be "
            "answered is told in one sentence.",
        },
        "paths": {one.path: {"get": _operation(one)} for one in ADDRESSES},
        "components": {"schemas": _SCHEMAS, "responses": _REFUSALS},
    }


def _operation(address: Address) -> dict[str, Any]:
    parameters = [_parameter(one) for one in address.parameters]
    if address.fields:
        parameters.append(_FIELDS)
    return {
        "operationId": address.path.rpartition("/")[2],
        "summary": address.summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": address.summary,
                "content": {kind: _content(address, kind) for kind in address.media},
            },
            **{status: {"$ref": f"#/components/responses/{name}"} for status, name in _STATUS.items()},
        },
    }


def _content(address: Address, kind: str) -> dict[str, Any]:
    if kind == "application/json":
        return {"schema": {"$ref": f"#/components/schemas/{address.path.rpartition('/')[2]}"}}
    if kind == "application/octet-stream":
        return {"schema": {"description": _FRAMING}}
    return {"schema": _TEXT}


def _parameter(one: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": one.name,
        "in": "query",
        "description": one.help,
        "required": one.required,
        "schema": _schema(one),
    }
    if one.kind == "names":
        told |= {"style": "form", "explode": False}
    if one.example is not None:
        told["example"] = one.example.split(",") if one.kind == "names" else one.example
    return told


def _schema(one: Parameter) -> dict[str, Any]:
    kind = one.asked.kind if one.asked else one.kind
    schema: dict[str, Any]
    match kind:
        case "number":
            schema = {"type": "integer", "minimum": one.least, "maximum": one.most}
        case "flag":
            schema = {"type": "boolean"}
        case "share":
            schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
        case "choice":
            schema = {"type": "string", "enum": list(one.choices)}
        case "names":
            schema = {"type": "array", "items": {**_TEXT, "maxLength": MOST_VALUE}, "maxItems": one.most}
        case _:
            schema = {"type": "string", "maxLength": MOST_VALUE}
    if one.several:
        schema = {"type": "array", "items": schema}
    if one.default is not None:
        schema["default"] = str(one.default) if kind == "count" else one.default
    return schema


_FIELDS = {
    "name": f"{SET}FIELD",
    "in": "query",
    "description": f"A field of the config with another value, JSON or a text, as {SET}num_hidden_layers=40; "
    "any number of them, each with the name of its field",
    "required": False,
    "schema": _TEXT,
}

_FRAMING = (
    "4 bytes: the length of the header, the lowest byte first. The header in JSON (schema `heat_header`). "
    "Then one plane after the other, as `planes` names them: a byte for each cell, by GPU, then context, "
    "then concurrency. A level is the share of the usable memory that is taken in per cent, rounded up: the "
    "cell fits if it is at most `fits_to`; `most` is so much or more; `cannot_be` is a deployment that "
    "cannot be, whose place in `reasons` the plane `reason` has. Without that plane all such cells have the "
    "reason at place 1."
)

_STATUS = {"400": "query", "403": "stranger", "404": "nothing", "414": "long", "422": "cannot", "503": "busy"}

_MEANINGS = {
    "query": "The query cannot be read, or has a parameter that is not known",
    "stranger": "Host, Origin or Sec-Fetch-Site are not those of the page itself",
    "nothing": "There is nothing at this path",
    "long": "The query or the path is too long",
    "cannot": "What is asked for cannot be, and the sentence says why",
    "busy": "Too much is in work, or it takes too long",
}

_REFUSALS = {
    name: {
        "description": meaning,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}},
    }
    for name, meaning in _MEANINGS.items()
}


def _record(properties: dict[str, Any], *, optional: tuple[str, ...] = (), what: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return {**told, "description": what} if what else told


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _or_null(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


def _schema_of(name: str, document: str) -> dict[str, Any]:
    """An object of one of the program's own schemas, which its pages describe."""
    return {
        "type": "object",
        "properties": {"schema": {"const": name}},
        "required": ["schema"],
        "description": f"Schema {name}: docs/{document} describes it",
    }


_VALUE = {"type": ["boolean", "integer", "number"]}

_FIELD = _record(
    {
        "name": {**_TEXT, "description": "Its name, with the objects that it lies in"},
        "value": _VALUE,
        "assumed": {**_FLAG, "description": "Whether the config leaves it open"},
        "class": {"enum": ["structural", "runtime"], "description": "structural: needs new weights"},
        "kind": {"enum": ["boolean", "integer", "number"]},
        "text": {**_or_null("string"), "description": "What it decides"},
        "values": {**_list(_VALUE), "description": "Values to offer, its own among them"},
    }
)

_CHANGE = _record(
    {
        "field": _TEXT,
        "from": {},
        "to": {},
        "class": {"enum": ["structural", "runtime", "inert"]},
        "note": _or_null("string"),
        "parameters": _NUMBER,
        "active_parameters": _NUMBER,
        "bytes_per_token": _NUMBER,
        "flops_per_token": _NUMBER,
    },
    what="What changing this field alone does",
)

_AXES = {
    "schema": {"const": "pondera.heat/1"},
    "model": _TEXT,
    "gpu": _list(_TEXT),
    "context": {**_list(_NUMBER), "description": "Tokens of a request"},
    "concurrency": {**_list(_NUMBER), "description": "Requests at one time"},
    "usable": {**_list(_NUMBER), "description": "Bytes of each GPU"},
    "frontier": {
        **_list(_list(_NUMBER)),
        "description": "For each GPU and context the most of these requests that fit",
    },
    "fits": {**_list(_NUMBER), "description": "How many cells of each GPU fit"},
    "reasons": {**_list(_TEXT), "description": "Words for what cannot be; the first one is empty"},
    "why": {"type": "object", "additionalProperties": _TEXT, "description": "A sentence for each of them"},
}

_CELLS = _list(_list(_list(_NUMBER)))

_SCHEMAS: dict[str, Any] = {
    "error": _record(
        {
            "error": _record(
                {
                    "message": {**_TEXT, "description": "One sentence: what is wrong, and what to do"},
                    "parameter": {**_or_null("string"), "description": "The parameter that it is about"},
                }
            )
        }
    ),
    "targets": _record(
        {
            "targets": _list(
                _record(
                    {
                        "id": {**_NUMBER, "description": "What `target` names it by"},
                        "name": {**_TEXT, "description": "A short name to show"},
                        "target": {**_TEXT, "description": "What the server was started with"},
                        "assume": {
                            **_or_null("string"),
                            "description": "The model type that it takes where that of a config is not known",
                        },
                        "model_type": _or_null("string"),
                        "class": _or_null("string"),
                        "pattern": {**_or_null("string"), "description": "Its layers in one line"},
                        "parameters": _or_null("integer"),
                        "active_parameters": _or_null("integer"),
                        "stored_bytes": {
                            **_or_null("integer"),
                            "description": "Bytes of its weights, if there are",
                        },
                        "context": _or_null("integer"),
                        "unknown": {**_or_null("string"), "description": "Why its mind is not known"},
                        "disagreements": _NUMBER,
                        "fields": {**_list(_FIELD), "description": "The most telling first"},
                    }
                )
            )
        }
    ),
    "choices": _record(
        {
            "gpus": _list(
                _record({"name": _TEXT, "vendor": _TEXT, "usable_bytes": _NUMBER, "common": _FLAG})
            ),
            "engines": _list(_record({"name": _TEXT, "oldest": _TEXT, "newest": _TEXT, "summary": _TEXT})),
            "weights": _list(_record({"name": _TEXT, "summary": _TEXT})),
            "cache": _list(_record({"name": _TEXT, "numbers": _NUMBER, "bytes": _NUMBER})),
            "options": _list(_record({"name": _TEXT, "group": _TEXT, "kind": _TEXT, "help": _TEXT})),
            "most_gpus": _NUMBER,
            "most_cells": _NUMBER,
        }
    ),
    "fit": _record(
        {
            "fit": {"$ref": "#/components/schemas/estimate"},
            "mind": {
                "oneOf": [
                    {"type": "null"},
                    _record(
                        {
                            "parameters": _NUMBER,
                            "active_parameters": _NUMBER,
                            "context": _or_null("integer"),
                            "same_body": {
                                **_FLAG,
                                "description": "Whether the same weights can wear this mind",
                            },
                            "changes": _list(_CHANGE),
                        }
                    ),
                ]
            },
            "picture": {**_TEXT, "description": "The bar of memory as SVG"},
        },
        optional=("picture",),
    ),
    "estimate": _schema_of(FIT_SCHEMA, "fit.md"),
    "heat": _record({**_AXES, "levels": _CELLS, "headroom": _CELLS, "reason": _CELLS}),
    "heat_header": _record(
        {
            **_AXES,
            "planes": _list({"enum": ["levels", "reason"]}),
            "fits_to": _NUMBER,
            "most": _NUMBER,
            "cannot_be": _NUMBER,
        }
    ),
    "map": _schema_of(MAP_SCHEMA, "map.md"),
    "compare": _schema_of("pondera.compare/1", "compare.md"),
    "show": _schema_of(SHOW_SCHEMA, "models.md"),
}
