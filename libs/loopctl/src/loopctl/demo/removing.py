"""`loop demo --remove`: every simulated client is erased from every service, so that real use can begin."""

from __future__ import annotations

from loopctl import playing, programs
from loopctl.api import Api, reason
from loopctl.console import say
from loopctl.demo import progress, start, training
from loopctl.demo.population import present
from loopctl.errors import Problem
from loopctl.stack import Stack

GONE = (200, 202, 204, 404)


def remove(stack: Stack) -> int:
    """Stop the play, erase its clients, take its model out of service; how many clients were erased."""
    known = progress.load(stack)
    programs.demo(stack).stop()
    if not known.began:
        raise Problem("The demo was never played here", remedy="`loop demo` plays it")
    members = present(known.world, known.began_at, known.clients).members
    ingest = Api(stack, "ingest", ["ingest:erase"])
    for number, member in enumerate(members, start=1):
        response = ingest.call("DELETE", f"/v1/clients/{member.client_id}")
        if response.status_code not in GONE:
            raise Problem(f"{member.name} was not erased ({reason(response)})", remedy="look at `loop logs ingest`")
        if number % 10 == 0:
            say(f"  {number} of {len(members)} clients erased")
    training.demote(stack)
    for file in (start.HISTORY_FILE, training.FILE):
        (stack.folder / file).unlink(missing_ok=True)
    stack.clock_file.unlink(missing_ok=True)
    playing.record(stack, state=playing.REMOVED)
    return len(members)
