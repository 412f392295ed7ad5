"""`pondera fit`: does this model fit on that GPU, and what is the nearest thing that does?"""

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from pondera._asked import ASKED, add_asked
from pondera._fit_view import comparison_view, fit_view, offers_view
from pondera._fits import chosen_gpus, fits_on, would_fit
from pondera._native import FITS_SCHEMA, OFFERS_SCHEMA, Architecture, Fit, Model, fit, gpus
from pondera._solve import cheapest_gpu
from pondera._talk import say, say_slips
from pondera._targets import with_mind
from pondera._text import Screen
from pondera.commands.command import Command, UsageError
from pondera.commands.show import add_assume, add_changes


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="TARGET", help="a model folder, a config.json or a built-in model")
    add_asked(parser, several=False)
    _output(parser)


def _output(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("files, changes and output")
    group.add_argument("--gpu-file", metavar="TOML", help="your own GPUs over the built-in ones")
    add_changes(group, "with a field of the config changed; may be given several times")
    group.add_argument(
        "--prices",
        metavar="TOML",
        help="the cheapest GPUs, by a file of lines such as H100-SXM-80GB = 2.99: one GPU for one hour",
    )
    add_assume(parser)
    group.add_argument(
        "--explain", action="store_true", help="every part with its formula and source, and what was assumed"
    )
    group.add_argument("--json", action="store_true", help="print JSON, schema pondera.fit/1")


def run(options: Namespace) -> int:
    """Work it out and print it.

    Returns:
        0 if it fits (on any GPU, if several are compared), or 1.
    """
    model = _model(options)
    asked: dict[str, Any] = {one.name: getattr(options, one.name) for one in ASKED if one.name != "gpu"}
    asked = {name: value for name, value in asked.items() if value is not None}
    if options.prices is not None:
        return _cheapest(model, asked, options)
    if options.gpu is not None and len(options.gpu) == 1:
        found = fit(model, gpu=options.gpu[0], gpu_file=options.gpu_file, **asked)
        _print_one(found, options)
        return 0 if found.fits else 1
    if options.explain:
        raise UsageError("--explain is about one GPU: name it with --gpu")
    return _compare(model, asked, options)


def _compare(model: Model | Architecture, asked: dict[str, Any], options: Namespace) -> int:
    """A row for each GPU; one that the engine does not run on is told apart."""
    compared, refused = fits_on(model, chosen_gpus(options.gpu, options.gpu_file), asked, options.gpu_file)
    if options.json:
        shown = {"schema": FITS_SCHEMA, "fits": [one.to_dict() for one in compared], "refused": refused}
        sys.stdout.write(json.dumps(shown, separators=(",", ":")) + "\n")
    else:
        lines = comparison_view(Screen.of(sys.stdout), compared, refused, would_fit(compared))
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if any(one.fits for one in compared) else 1


def _model(options: Namespace) -> Model | Architecture:
    """The target, with the changes that were asked for."""
    model = Model.open(options.target, assume=options.assume)
    if not options.changes:
        return model
    changed, answer = with_mind(model, dict(options.changes))
    say_slips(answer.changes)
    if model.checkpoint is not None and not answer.same_body:
        say(f"pondera: that mind needs other weights; those of {model.name} are not counted")
    return changed


def _cheapest(model: Model | Architecture, asked: dict[str, Any], options: Namespace) -> int:
    """The GPUs of a price file, the cheapest first."""
    if options.gpu is not None or options.gpus is not None or options.explain:
        raise UsageError("--prices finds GPUs and how many: leave --gpu, --gpus and --explain out")
    any_gpu = next(one for one in gpus() if one.common)
    begin = fit(model, gpu=any_gpu, **asked)
    offers = cheapest_gpu(model, prices=options.prices, gpu_file=options.gpu_file, **asked)
    if options.json:
        sys.stdout.write(
            json.dumps({"schema": OFFERS_SCHEMA, "offers": offers}, separators=(",", ":")) + "\n"
        )
    else:
        lines = offers_view(Screen.of(sys.stdout), begin, offers)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if any(offer["gpus"] for offer in offers) else 1


def _print_one(found: Fit, options: Namespace) -> None:
    alternatives = [] if found.fits else found.alternatives()
    if options.json:
        shown = {**found.to_dict(), "alternatives": alternatives, "roofline": found.roofline()}
        sys.stdout.write(json.dumps(shown, separators=(",", ":")) + "\n")
        return
    lines = fit_view(Screen.of(sys.stdout), found, alternatives, verbose=options.explain)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if options.explain:
        sys.stdout.write("\n" + found.explain())


COMMAND = Command(
    name="fit",
    summary="tell whether a model fits on a GPU, and what would",
    description="""\
Tell whether a model fits: weights, cache, activations and overhead per GPU, as the engine would take them.
If it does not, the nearest changes with which it would.

  pondera fit llama-3.1-8b --gpu h100                           with all defaults of the newest vLLM
  pondera fit llama-3.1-8b --gpu 24GiB --context 32k            any GPU with so much memory
  pondera fit ./my-model --gpu l40s --gpus 2 --weights fp8      a folder, two GPUs, quantized
  pondera fit qwen3-8b                                          a row for each common GPU
  pondera fit qwen3-8b --prices my-prices.toml                  the cheapest GPUs that hold it
  pondera fit qwen3-8b --gpu l4 --explain                       where every number comes from

Tokens may be written 32k and sizes 10GiB. What you do not say is settled as the engine does, and listed.

exit code: 0 it fits (on one of them, if several are compared), 1 it does not, 2 it could not be told""",
    configure=configure,
    run=run,
)
