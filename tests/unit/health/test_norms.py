"""What is usual among clients, measured plainly, and told in the form that a model takes."""

from __future__ import annotations

import yaml
from common.contracts import client
from health import definitions
from health.domain.facts import At
from health.domain.fold import fold
from health.domain.moments import DAY, seconds_of
from health.domain.norms import Norms, Usual
from health.domain.variants import serving
from health.norms import as_yaml

from tests.support.health_world import CONFIG, JOURNEY, LOOP, day, event, order, registered

AT = At(seconds_of(day(30)), seconds_of(day(30)) // DAY, JOURNEY)


def answered(score: float, segment: str | None, number: int):
    answer = client.SurveyAnswered(survey="nps", contact_id="a", score=score, scale_min=0.0, scale_max=10.0)
    profile = {"segment": segment} if segment else {}
    return fold(sorted([registered(name=f"c{number}", **profile), event(answer, day(9))], key=order))


def measured(*clients: tuple[float, str | None]) -> Norms:
    found = Norms(LOOP)
    for number, (score, segment) in enumerate(clients):
        found.take(answered(score, segment, number), AT)
    return found


def test_a_mean_is_of_what_clients_say_and_not_of_what_was_shrunk():
    found = measured((4, "smb"), (7, "smb"), (9, "enterprise"), (10, None))
    nps = next(norm for norm in found.told(1) if norm.signal == "nps")
    assert found.clients == 4
    assert (nps.component, nps.prior, nps.everybody) == ("relationship", 7.0, Usual(7.5, 4))
    assert nps.segments == {"smb": Usual(5.5, 2), "enterprise": Usual(9.0, 1)}


def test_a_client_with_few_tickets_hardly_moves_what_is_usual():
    """One ticket before and three now are a ratio of 8.4, and tell little; forty and forty a month are steady."""
    found = Norms(LOOP)
    for earlier, now in ((1, 3), (120, 40)):
        days = [n * 84 / earlier for n in range(earlier)] + [84 + n * 28 / now for n in range(now)]
        opened = [
            client.TicketOpened.model_validate({"ticket_id": f"t{n}", "priority": "low"}) for n in range(len(days))
        ]
        told = [event(body, day(at), "zendesk") for body, at in zip(opened, days, strict=True)]
        state = fold(sorted([registered(), *told], key=order))
        found.take(state, At(seconds_of(day(111)), seconds_of(day(111)) // DAY, JOURNEY))
    load = next(norm for norm in found.told(1) if norm.signal == "ticket_load")
    assert load.everybody is not None
    assert 1.0 < load.everybody.mean < 2.2


def test_a_segment_of_few_clients_is_left_out_and_so_is_what_nobody_has():
    told = {norm.signal: norm for norm in measured((4, "smb"), (7, "smb"), (9, "enterprise")).told(2)}
    assert set(told["nps"].segments) == {"smb"}
    assert told["csat"].everybody is None


def test_every_fact_that_is_shrunk_and_no_other_is_told():
    assert [norm.signal for norm in measured().told(1)] == [
        "active_days", "usage_trend", "nps", "csat", "sentiment", "ticket_load",
    ]  # fmt: skip


def test_what_is_told_can_be_pasted_and_is_then_what_the_model_says():
    told = measured((4, "smb"), (7, "smb"), (9, "No"), (8, 'a: "b"')).told(1)
    pasted = yaml.safe_load(as_yaml(told, "loop v1", 4, 1))
    model = yaml.safe_load((CONFIG / "loop.yaml").read_text())
    for name, component in pasted["components"].items():
        for signal, said in component["signals"].items():
            model["components"][name]["signals"][signal] |= said or {}
    compiled = definitions.model_from(yaml.safe_dump(model, sort_keys=False, allow_unicode=True)).compiled(2)
    for segment, prior in (("smb", 550), ("No", 900), ('a: "b"', 800), ("unheard of", 700)):
        nps = next(signal for signal in serving(compiled, {"segment": segment}).signals if signal.name == "nps")
        assert nps.params["prior"] == prior, segment
