"""`loop health models/publish/take-back/holds/release/discard`: what is in force, and what the breaker holds."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import say
from loopctl.errors import Problem, WrongUsage

if TYPE_CHECKING:
    import httpx

    from loopctl.api import Api

SCOPES = ("health:read", "health:write")
WRITTEN = "docs/health.md says how a model is written"

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
HoldArgument = Annotated[str, typer.Argument(metavar="HOLD", help="A hold's id, or its beginning.")]


def register(health: typer.Typer) -> None:
    """Into `loop health`."""
    health.command()(models)
    health.command()(publish)
    health.command("take-back")(take_back)
    health.command()(holds)
    health.command()(release)
    health.command()(discard)


def models(data: Data = None, as_json: Json = False) -> None:
    """List the versions of the health models: who put which in force, and why."""
    page = _api(data).get("/v1/models")
    if as_json:
        say(json.dumps(page))
        return
    for model in page["items"]:
        star = "*" if model["active"] else " "
        since = f"  since {model['published_at'][:16]}" if model["published_at"] else "  never published"
        by = f"  by {model['published_by']}: {model['reason']}" if model["published_by"] else ""
        say(f"{star} {model['model']:<12} {model['version']:>3}  {model['id']}{since}{by}")


def publish(
    model: Annotated[
        str, typer.Argument(help="A file (YAML), or the id of a version as `loop health models` shows it.")
    ],
    reason: Reason,
    yes: Yes = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a model in force: tells what it would change, asks, publishes."""
    if as_json and not yes:
        raise WrongUsage("With --json nobody can be asked: say --yes")
    api = _api(data)
    model_id = _version(api, model)
    shown = _good(api, api.call("GET", f"/v1/models/{model_id}/difference"))
    if not as_json:
        say(difference(shown))
    if not (yes or typer.confirm("Publish it?")):
        say(f"Nothing is published. The version is kept: {model_id}")
        return
    body = {"reason": reason, "difference": shown["token"]}
    _done(_good(api, api.call("POST", f"/v1/models/{model_id}/publish", json=body)), as_json)


def take_back(
    model: Annotated[str, typer.Argument(help="Name of a model, such as loop, or the id of its version in force.")],
    reason: Reason,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put in force again what was in force before; what the breaker still held of this version is never said."""
    api = _api(data)
    known = [m for m in api.get("/v1/models")["items"] if m["active"] and model in (m["model"], m["id"])]
    if not known:
        raise Problem(f"no model {model} is in force", remedy="look at `loop health models`")
    answer = api.call("POST", f"/v1/models/{known[0]['id']}/take-back", json={"reason": reason})
    _done(_good(api, answer), as_json)


def _done(published: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say(json.dumps(published))
        return
    say(f"In force: {published['model']} {published['version']}. Its clients follow, a hundred a second.")
    if published["difference"]["held"]:
        say("Its moves for the worse are too many to be said at once: `loop health holds` in a moment.")


def difference(shown: dict[str, Any]) -> str:
    """What a version would change, for people."""
    some = "" if shown["clients"] >= shown["of"] else f" (of {shown['of']:,} clients)"
    moved = f"{shown['worse']:,} for the worse, {shown['better']:,} for the better"
    lines = [f"{shown['changed']:,} of {shown['clients']:,} clients{some} would change band: {moved}"]
    for before, row in sorted(shown["matrix"].items()):
        lines.append(f"  {before:<10} → " + ", ".join(f"{after} {count:,}" for after, count in sorted(row.items())))
    for each in shown["examples"][:5]:
        scores = f"{_points(each['score_before'])} → {_points(each['score_after'])}"
        lines.append(
            f"  e.g. {each['name'] or each['client_id']}: {each['band_before']} → {each['band_after']} ({scores})"
        )
    if shown["held"]:
        lines.append(f"That is more than {shown['limit_percent']:g} %: its moves for the worse would be held.")
    return "\n".join(lines)


def _points(score: float | None) -> str:
    return "–" if score is None else f"{score:.1f}"


def holds(
    everything: Annotated[bool, typer.Option("--all", help="Those that were decided, too.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Moves for the worse that wait for a decision. Exit code 1 where there is one."""
    found = list(_api(data).items("/v1/holds", **({"state": "all"} if everything else {})))
    if as_json:
        say(json.dumps({"items": found}))
    else:
        say("\n".join(_line(each) for each in found) or "Nothing is held.")
    if any(each["state"] == "open" for each in found):
        raise typer.Exit(1)


def _line(hold: dict[str, Any]) -> str:
    moved = f"{hold['moved']:,} of {hold['clients']:,} clients, {hold['held']:,} held now"
    decided = f"  by {hold['decided_by']}: {hold['reason']}" if hold["decided_by"] else ""
    since = f"since {hold['opened_at'][:16]}"
    return f"{hold['id']}  {hold['state']:<10} {hold['kind']} {hold['name']}: {moved}, {since}{decided}"


def release(hold: HoldArgument, reason: Reason, data: Data = None, as_json: Json = False) -> None:
    """It is real: say what was held."""
    _decide(hold, "release", reason, data, as_json)


def discard(hold: HoldArgument, reason: Reason, data: Data = None, as_json: Json = False) -> None:
    """It is not real: never say what was held."""
    _decide(hold, "discard", reason, data, as_json)


def _decide(hold: str, what: str, reason: str, data: Path | None, as_json: bool) -> None:
    api = _api(data)
    known = [each["id"] for each in api.items("/v1/holds", state="all") if each["id"].startswith(hold)]
    if len(known) != 1:
        raise Problem(f"{len(known)} holds begin with {hold}", remedy="look at `loop health holds --all`")
    decided = _good(api, api.call("POST", f"/v1/holds/{known[0]}/{what}", json={"reason": reason}))
    say(json.dumps(decided) if as_json else _line(decided))


def _api(data: Path | None) -> Api:
    from loopctl.api import Api
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    return Api(stack, "health", SCOPES)


def _version(api: Api, model: str) -> str:
    """The version that is meant; a file becomes one. Raises Problem."""
    try:
        return str(UUID(model))
    except ValueError:
        pass
    try:
        text = Path(model).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"there is no model in {model}", remedy="name a YAML file, or a version's id") from error
    return str(_good(api, api.call("POST", "/v1/models", json={"definition": text}))["id"])


def _good(api: Api, answer: httpx.Response) -> dict[str, Any]:
    from loopctl.api import reason

    if answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise Problem(f"health refuses: {reason(answer)}", remedy=WRITTEN)
    if answer.status_code == HTTPStatus.CONFLICT:
        raise Problem(
            f"health refuses: {reason(answer)}", remedy="look at `loop health models` and `loop health holds`"
        )
    found: dict[str, Any] = api.good(answer).json()
    return found
