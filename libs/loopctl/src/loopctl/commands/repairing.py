"""migrate, verify, republish, dlq, quarantine: what one does when something went wrong."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from loopctl.commands.options import Data, Json
from loopctl.console import say

ServiceOption = Annotated[str | None, typer.Option("--service", help="Of this service only.")]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]


def register(cli: typer.Typer) -> None:
    cli.command()(migrate)
    cli.command()(verify)
    cli.command()(republish)
    cli.command()(replay)
    dlq = typer.Typer(help="Events that a service could not handle.", no_args_is_help=True)
    dlq.command("list")(list_letters)
    dlq.command("show")(show_letter)
    dlq.command("replay")(replay_letters)
    cli.add_typer(dlq, name="dlq")
    quarantine = typer.Typer(help="Signed webhooks that ingest could not read.", no_args_is_help=True)
    quarantine.command("list")(list_quarantine)
    quarantine.command("show")(show_quarantined)
    quarantine.command("replay")(replay_quarantined)
    cli.add_typer(quarantine, name="quarantine")


def migrate(data: Data = None) -> None:
    """Create what is missing of roles, schemas, topics and tables; safe to run at any time."""
    from loopctl import lifecycle, provision
    from loopctl.stack import Stack

    stack = Stack.at(data)
    lifecycle.migrate_database(stack, lambda service: say(f"  {service}"))
    made = provision.run(provision.create_topics(stack.bootstrap_servers, partitions=stack.partitions))
    say(f"Tables are up to date; {len(made)} topics made." if made else "Tables and topics are up to date.")


def verify(data: Data = None, as_json: Json = False) -> None:
    """Audit the last 72 h: nothing accepted is missing anywhere. Exit code 1 with the differences."""
    from loopctl import verification
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    report = verification.verify(stack)
    say(json.dumps(report.as_json()) if as_json else report.as_text())
    if report.differences:
        raise typer.Exit(1)


def republish(
    service: Annotated[str, typer.Argument(help="Whose outbox to send again.")],
    since: Annotated[str, typer.Option(help="From when: 2026-05-01T08:00Z, or an age: 90m, 12h, 3d.", metavar="T")],
    data: Data = None,
) -> None:
    """Send outbox rows of the last 72 h again, with the same ids: who has them already drops them."""
    from loopctl import business_time, lifecycle, resending
    from loopctl.stack import Stack

    wall = lifecycle.wall()
    moment = business_time.parse_moment(since, wall)
    stack = Stack.at(data)
    stack.need_exists()
    count = resending.republish(stack, service, moment, wall)
    say(f"{count} events of {service} since {moment:%Y-%m-%d %H:%M:%S} UTC go out again.")


def replay(
    source: Annotated[str, typer.Option("--source", help="Whose webhooks.", metavar="S")],
    since: Annotated[str, typer.Option(help="Received since: 2026-05-01T08:00Z, or an age: 12h, 3d.", metavar="T")],
    until: Annotated[str | None, typer.Option(help="Received until then; else until now.", metavar="T")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be published.")] = False,
    readings: Annotated[bool, typer.Option(help="Read words again, too.")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Publish without asking.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Run old webhooks through today's mapping: a summary first, then only what differs is published."""
    from loopctl import business_time, replaying
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    if as_json and not (dry_run or yes):
        raise WrongUsage("With --json nobody can be asked: say --dry-run or --yes")
    stack = Stack.at(data)
    stack.need_exists()
    now = business_time.now(stack)
    last = business_time.parse_moment(until, now) if until else None
    wish = replaying.Wish(source, business_time.parse_moment(since, now), last, readings=readings, dry_run=dry_run)

    def agreed(summary: str) -> bool:
        if not as_json:
            say(summary)
        return yes or typer.confirm("Publish it?")

    found = replaying.run(stack, wish, agreed=agreed, quiet=as_json)
    if as_json:
        say(json.dumps(found))
    elif found["state"] == "done" or dry_run or not replaying.differs(found):
        say(replaying.summary(found))
    else:
        say(f"Nothing is published. The summary is kept: GET /v1/replays/{found['id']}")


def list_letters(
    data: Data = None, service: ServiceOption = None, everything: Everything = False, as_json: Json = False
) -> None:
    """Dead letters that still wait; --all shows those handled since, too."""
    from loopctl import letters
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    found = letters.read(stack, service)
    shown = [letter for letter in found if everything or not letter.handled]
    if as_json:
        say(json.dumps({"items": [letter.as_json() for letter in shown]}))
    else:
        say("\n".join(letter.as_line() for letter in shown) or "No dead letters wait.")


def show_letter(letter_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None) -> None:
    """One dead letter: why it failed, where it came from, and what it says."""
    from loopctl import letters
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    say(json.dumps(letters.find(stack, letter_id).as_json(with_body=True), indent=2, ensure_ascii=False))


def replay_letters(
    letter_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…")] = None,
    data: Data = None,
    service: ServiceOption = None,
    everything: Everything = False,
) -> None:
    """Put dead letters back where they came from; services that have handled them drop them."""
    from loopctl import letters
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    if bool(letter_ids) == everything:
        raise WrongUsage("Say which letters to replay: their ids (see `loop dlq list`), or --all")
    stack = Stack.at(data)
    stack.need_exists()
    chosen = (
        [letter for letter in letters.read(stack, service) if not letter.handled]
        if everything
        else [letters.find(stack, letter_id) for letter_id in letter_ids or []]
    )
    letters.replay(stack, chosen)
    say(f"{len(chosen)} put back. Those that fail again will be in `loop dlq list` in a moment.")


def list_quarantine(data: Data = None, as_json: Json = False) -> None:
    """Webhooks that wait, unread."""
    from loopctl import quarantine
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    items = quarantine.waiting(stack)
    if as_json:
        say(json.dumps({"items": items}))
    else:
        say("\n".join(quarantine.as_line(item) for item in items) or "Nothing is in quarantine.")


def show_quarantined(item_id: Annotated[str, typer.Argument(metavar="ID")], data: Data = None) -> None:
    """One of them, with its body."""
    from loopctl import quarantine
    from loopctl.stack import Stack

    stack = Stack.at(data)
    stack.need_exists()
    say(json.dumps(quarantine.show(stack, item_id), indent=2, ensure_ascii=False))


def replay_quarantined(
    item_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…")] = None,
    data: Data = None,
    everything: Everything = False,
) -> None:
    """Read them again, now that the mapping is mended."""
    from loopctl import quarantine
    from loopctl.errors import WrongUsage
    from loopctl.stack import Stack

    if bool(item_ids) == everything:
        raise WrongUsage("Say which to replay: their ids (see `loop quarantine list`), or --all")
    stack = Stack.at(data)
    stack.need_exists()
    ids = [str(item["id"]) for item in quarantine.waiting(stack)] if everything else list(item_ids or [])
    failed = quarantine.replay(stack, ids)
    say("\n".join([f"{len(ids) - len(failed)} of {len(ids)} read.", *failed]))
    if failed:
        raise typer.Exit(1)
