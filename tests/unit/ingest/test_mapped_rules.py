"""The file of a mapped source: what is wrong in it is told by line, what is right makes a statement of any body."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from common.settings import REPOSITORY_CONFIG
from ingest.domain.statement import Ignored, Statement, Unreadable
from ingest.located import Faults, WrongFile
from ingest.reading import make_reader
from ingest.sources import load_source, mapped
from ingest.sources.mapped import MappedSource

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
READER = make_reader(REPOSITORY_CONFIG)
HEAD = "vendor: mapped\nsignature: { scheme: shared }\nkind: type\nrefs: [{ company: company }]\n"
TICKET = "kinds:\n  a:\n    - say: ticket_opened\n      fields:\n        ticket_id: id\n"
USAGE = "kinds:\n  a:\n    - say: usage_recorded\n      fields:\n        feature: x\n"


def written(tmp_path: Path, text: str) -> MappedSource:
    file = tmp_path / "acme.yaml"
    file.write_text(text)
    found = load_source(file)
    assert isinstance(found, MappedSource)
    return found


def source(*rules: dict[str, Any], **more: Any) -> MappedSource:
    return MappedSource.model_validate(
        {"vendor": "mapped", "name": "acme", "signature": {"scheme": "shared"}, "refs": [{"company": "company"}],
         "kinds": {"event": list(rules)}, **more}
    )  # fmt: skip


def said(config: MappedSource, body: Any, headers: dict[str, str] | None = None) -> list[Statement]:
    found: list[Statement] = []
    for event in mapped.split(json.dumps(body).encode(), headers or {}, config):
        statements = mapped.interpret(event, config)
        assert not isinstance(statements, Ignored), statements.reason
        found += statements
    return found


def one(config: MappedSource, **body: Any) -> dict[str, Any]:
    [statement] = said(config, {"company": 7, **body})
    assert statement.data is not None
    found: dict[str, Any] = statement.data.model_dump(mode="json", exclude_none=True)
    return found


def usage(**fields: Any) -> MappedSource:
    return source({"say": "usage_recorded", "fields": {"feature": {"is": "x"}, "quantity": "n", **fields}})


# What is wrong is told where it stands


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("kinds:\n  a:\n    - say: usage_recordet\n",
         "acme.yaml:7: kinds.a[1].say: 'usage_recordet' is no client event"),
        ("kinds:\n  a:\n    - say: logged_in\n      fields:\n        cuont: n\n",
         "acme.yaml:9: kinds.a[1].fields.cuont: logged_in has no such field: did you mean count?"),
        ("kinds:\n  a:\n    - say: usage_recorded\n      fields:\n        feature: x\n",
         "acme.yaml:8: kinds.a[1].fields: usage_recorded needs quantity"),
        ("kinds:\n  a:\n    - say: logged_in\n      fields:\n        count: 'n[['\n",
         "acme.yaml:9: kinds.a[1].fields.count: 'n[[' is no JMESPath"),
        ("kinds:\n  a:\n    - say: logged_in\n      fields:\n        count: nope(n)\n",
         "acme.yaml:9: kinds.a[1].fields.count: there is no function nope()"),
        ("kinds:\n  a:\n    - say: logged_in\n      fields:\n        count: length(n, m)\n",
         "acme.yaml:9: kinds.a[1].fields.count: length() takes 1 arguments, not 2"),
        ("kinds:\n  a:\n    - say: ticket_opened\n      fields:\n        ticket_id: id\n        priority: {is: huge}\n",
         "acme.yaml:10: kinds.a[1].fields.priority: 'huge' is none of low, normal, high, urgent"),
        (TICKET + "        priority:\n          path: p\n          map:\n            P1: urgnet\n",
         "acme.yaml:13: kinds.a[1].fields.priority.map.P1: 'urgnet' is none of low, normal, high, urgent"),
        ("kinds:\n  a:\n    - say: logged_in\n      feilds: {}\n", "acme.yaml:8: kinds.a[1].feilds: Extra inputs"),
        ("kinds:\n  a:\n    - say: logged_in\n      text: words\n", "acme.yaml:8: kinds.a[1].text: logged_in carries"),
        ("kinds:\n  a:\n    - say: client_registered\n", "acme.yaml:7: kinds.a[1]: client_registered creates clients"),
        ("kinds:\n  a:\n    - say: client_erased\n", "acme.yaml:7: kinds.a[1].say: 'client_erased' is no client event"),
        ("kinds:\n  a:\n    - say: invoice_paid\n      fields:\n        invoice_id: id\n        amount: total\n",
         "acme.yaml:10: kinds.a[1].fields.amount: money is written"),
        ("kinds:\n  a:\n    - say: feedback_given\n      fields:\n        reading: words\n",
         "acme.yaml:9: kinds.a[1].fields.reading: is not for a map to fill; words go under `text`"),
        ("kinds:\n  a:\n    - when: b\n", "acme.yaml:7: kinds.a[1]: it says nothing and links nothing"),
        ("kinds:\n  a: []\n", "acme.yaml:6: kinds.a: List should have at least 1"),
        ("kinds:\n  a:\n    - say: logged_in\nignore: [b, a]\n", "acme.yaml:8: ignore[2]: a is mapped, too"),
        ("kinds:\n  a:\n    - say: logged_in\n  a:\n    - say: logged_in\n", "acme.yaml:8: kinds.a: is written twice"),
        ("kinds:\n  a:\n    - say: logged_in\n      refs: [{ company: x, user: y }]\n",
         "acme.yaml:8: kinds.a[1].refs[1]: write `customer: PATH`"),
        (USAGE + "        quantity: { path: s, convert: seconds to fortnights }\n",
         "acme.yaml:10: kinds.a[1].fields.quantity.convert: write `seconds to hours`"),
        ("kinds:\n  a:\n  - say: [\n", "acme.yaml:8:"),
        ("kinds:\n  a:\n  - say: logged_in\nkey: no\n", "acme.yaml:8: key[1]: YAML reads this word as false"),
        ("kinds:\n  a:\n  - say: logged_in\n    when: off\n", "acme.yaml:8: kinds.a[1].when: "),
        ("kinds:\n  a:\n  - say: logged_in\nformats: { decimal: \",\", thousands: \",\" }\n", "acme.yaml:8: formats: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_name_line_and_rule(tmp_path: Path, rules: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"acme\.yaml") as wrong:
        written(tmp_path, HEAD + rules)
    assert told in str(wrong.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WrongFile) as wrong:
        written(tmp_path, HEAD + "kinds:\n  a:\n    - say: nothing\n  b:\n    - say: logged_in\n      when: '['\n")
    assert [line.split(": ")[0] for line in str(wrong.value).splitlines()] == ["acme.yaml:10", "acme.yaml:7"]


def test_a_webhook_that_anybody_may_call_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongFile, match=r"acme\.yaml:1: `signature` is missing"):
        written(tmp_path, "vendor: mapped\nrefs: [{company: c}]\nkinds:\n  event:\n    - say: logged_in\n")


def test_every_vendors_file_is_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "stripe.yaml"
    file.write_text("vendor: stripe\nclient_ref_metadata: x\nclient_ref: y\n")
    with pytest.raises(WrongFile, match=r"stripe\.yaml:3: client_ref: Extra inputs"):
        load_source(file)
    file.write_text("vendor: strype\n")
    with pytest.raises(WrongFile, match=r"stripe\.yaml:1: vendor: is one of"):
        load_source(file)


# Values


def test_a_map_turns_their_words_into_ours_and_guesses_nothing() -> None:
    priority = {"path": "p", "map": {"P1": "urgent", "P2": "high"}}
    config = source({"say": "ticket_opened", "fields": {"ticket_id": "id", "priority": priority}})
    assert one(config, id=1, p="p1")["priority"] == "urgent"
    with pytest.raises(Unreadable, match="ticket_opened: priority: 'P9' is not in its map"):
        one(config, id=1, p="P9")
    with pytest.raises(Unreadable, match="ticket_opened: priority is missing"):
        one(config, id=1)
    mild = {**priority, "else": "normal", "default": "low"}
    lenient = source({"say": "ticket_opened", "fields": {"ticket_id": "id", "priority": mild}})
    assert one(lenient, id=1, p="P9")["priority"] == "normal"
    assert one(lenient, id=1)["priority"] == "low"


def test_the_first_place_that_holds_anything_counts() -> None:
    config = usage(feature=["a.b", "c", {"is": "other"}])
    assert one(config, n=1, a={"b": "ab"}, c="c")["feature"] == "ab"
    assert one(config, n=1, a={"b": ""}, c="c")["feature"] == "c"
    assert one(config, n=1, a=None)["feature"] == "other"


@pytest.mark.parametrize(
    ("spec", "value", "amount"),
    [
        ({"unit": "minor"}, 1999, 1999),
        ({"unit": "major"}, 19.99, 1999),
        ({"unit": "major"}, "1,299.50", 129950),
        ({"unit": "major", "currency": {"is": "JPY"}}, 1999, 1999),
        ({"unit": "minor", "currency": {"is": "JPY"}}, 1999, 1999),
        ({"unit": "hundredths", "currency": {"is": "JPY"}}, 199900, 1999),
        ({"unit": "major", "currency": {"is": "KWD"}}, 1.5, 1500),
        ({"unit": "major"}, "$ 20", 2000),
        ({"unit": "major"}, "20 USD", 2000),
        ({"unit": "major"}, 0.1 + 0.2, 30),
        ({"unit": "minor", "per": {"unit": {"is": "year"}}}, 120000, 10000),
        ({"unit": "minor", "per": {"unit": {"is": "year"}}}, 100000, 8333),
        ({"unit": "minor", "per": {"unit": "period", "every": "every"}}, 9000, 3000),
    ],
)
def test_money_is_minor_units_of_its_currency(spec: dict[str, Any], value: Any, amount: int) -> None:
    rule = {"money": "total", "currency": {"is": "USD"}, **spec}
    config = source({"say": "invoice_paid", "fields": {"invoice_id": "id", "amount": rule}}, formats={"thousands": ","})
    found = one(config, id=1, total=value, period="months", every=3)
    assert found["amount"]["amount"] == amount


@pytest.mark.parametrize("value", ["€ 20", "20 EUR", "12,5", "1e99", "lots", [1], True, {"a": 1}, 10**70, 1e300])
def test_an_amount_that_is_none_is_not_guessed(value: Any) -> None:
    rule = {"money": "total", "currency": {"is": "USD"}, "unit": "major"}
    config = source({"say": "invoice_paid", "fields": {"invoice_id": "id", "amount": rule}})
    with pytest.raises(Unreadable, match="invoice_paid: amount: "):
        one(config, id=1, total=value)


@pytest.mark.parametrize(
    ("spec", "value", "why"),
    [
        ({"unit": "major", "currency": {"is": "JPY"}}, 1500.5, "'1500.5' is no amount of JPY, which has no decimals"),
        ({"unit": "minor"}, "19.5", "'19.5' is no amount of USD, which has whole minor units"),
        ({"unit": "hundredths", "currency": {"is": "JPY"}}, 550, "'550' is no amount of JPY, which has whole minor"),
        ({"unit": "major", "per": {"unit": {"is": "year"}}}, "99.999", "'99.999' is no amount of USD"),
    ],
)
def test_an_amount_is_never_rounded(spec: dict[str, Any], value: Any, why: str) -> None:
    rule = {"money": "total", "currency": {"is": "USD"}, **spec}
    config = source({"say": "invoice_paid", "fields": {"invoice_id": "id", "amount": rule}})
    with pytest.raises(Unreadable, match=re.escape(why)):
        one(config, id=1, total=value)


def test_numbers_are_written_as_the_file_says() -> None:
    german = source(
        {"say": "usage_recorded", "fields": {"feature": {"is": "x"}, "quantity": "n"}},
        formats={"decimal": ",", "thousands": "."},
    )
    assert one(german, n="1.234,5")["quantity"] == 1234.5
    assert one(german, n="1 234")["quantity"] == 1234
    with pytest.raises(Unreadable, match=r"'1\.5' is no number"):
        one(german, n="1.5")
    with pytest.raises(Unreadable, match="'1,5' is no number"):
        one(usage(), n="1,5")


def test_units_are_converted() -> None:
    config = source({"say": "hours_logged", "fields": {"hours": {"path": "s", "convert": "seconds to hours"}}})
    assert one(config, s=5400)["hours"] == 1.5
    assert one(source({"say": "hours_logged", "fields": {"hours": {"path": "s", "times": 0.5}}}), s="3")["hours"] == 1.5


def test_days_and_moments_are_read_in_the_files_own_form_and_zone() -> None:
    config = source(
        {"say": "contract_signed", "time": "at", "fields": {"starts_on": "on"}},
        formats={"dates": ["%d.%m.%Y", "%d.%m.%Y %H:%M"], "timezone": "Europe/Berlin"},
    )
    [statement] = said(config, {"company": 7, "on": "02.03.2026", "at": "02.03.2026 09:30"})
    assert statement.data is not None
    assert statement.data.model_dump(mode="json", exclude_none=True) == {"starts_on": "2026-03-02"}
    assert statement.time == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    [statement] = said(config, {"company": 7, "on": "2026-03-02", "at": "2026-07-02T09:30:00"})
    assert statement.time == datetime(2026, 7, 2, 7, 30, tzinfo=UTC)
    [statement] = said(config, {"company": 7, "on": 1772442000, "at": 1772442000})
    assert statement.time == NOW
    [statement] = said(config, {"company": 7, "on": 1772442000, "at": "whenever"})
    assert statement.time is None, "the receipt counts, as for every vendor"


def test_lists_are_split_and_objects_filled() -> None:
    config = source(
        {"say": "ticket_resolved", "fields": {"ticket_id": "id", "csat": {"score": "stars", "scale_max": {"is": 5}}}}
    )
    assert one(config, id=1, stars="4")["csat"] == {"score": 4.0, "scale_max": 5.0}
    assert "csat" not in one(config, id=1)
    crm = source({"say": "client_updated", "fields": {"key_features": {"path": "f", "split": ";"}}})
    assert one(crm, f="reports; exports;")["key_features"] == ["reports", "exports"]
    assert one(crm, f=["reports"])["key_features"] == ["reports"]


# Who is meant


def test_refs_are_of_this_source_of_another_or_whole() -> None:
    config = source(
        {"say": "logged_in"},
        refs=[{"ref": "ref"}, {"company": "company"}, {"source": "hubspot", "kind": "company", "id": "crm"}],
        links=[{"user": "user"}],
    )
    client_id = "0198c0de-7b1e-7c44-9f0e-3f1f2a6d9b10"
    [statement] = said(config, {"ref": "hubspot:company:9", "company": 7, "crm": 8, "user": "u"})
    assert [str(ref) for ref in statement.refs] == ["hubspot:company:9", "acme:company:7", "hubspot:company:8"]
    assert [str(ref) for ref in statement.links] == ["acme:user:u"]
    [statement] = said(config, {"ref": client_id})
    assert (str(statement.client_id), statement.refs) == (client_id, ())
    with pytest.raises(Unreadable, match="nothing in it names a client"):
        said(config, {"ref": "nonsense", "company": 0})


def test_a_crm_like_source_creates_clients_under_all_names_it_gives() -> None:
    rule = {"say": "client_registered", "links": [{"source": "stripe", "kind": "customer", "id": "stripe"}],
            "fields": {"name": "name"}}  # fmt: skip
    [statement] = said(source(rule, creates=True), {"company": 7, "stripe": "cus_1", "name": "Acme"})
    assert statement.creates
    assert statement.data is not None
    assert statement.data.model_dump(mode="json", exclude_none=True) == {
        "name": "Acme",
        "refs": [
            {"source": "acme", "kind": "company", "id": "7"},
            {"source": "stripe", "kind": "customer", "id": "cus_1"},
        ],
    }
    with pytest.raises(Faults, match="creates: true"):
        source(rule)


def test_our_own_words_create_only_where_the_file_allows() -> None:
    rule = {"canonical": "@"}
    body = {"type": "client_registered", "subject": "ref:acme:company:7", "data": {"refs": [], "name": "Acme"}}
    [statement] = said(source(rule, creates=True), body)
    assert statement.creates
    with pytest.raises(Unreadable, match="no `creates: true`"):
        said(source(rule), body)
    with pytest.raises(Unreadable, match="type: 'nonsense' is no type of client event"):
        said(source(rule), {**body, "type": "nonsense"})


# Events of a body


def test_a_body_is_split_and_its_events_take_along_what_stands_around_them() -> None:
    config = source(
        {"say": "logged_in", "refs": [{"company": "envelope.account"}], "fields": {"contact_id": "user"}},
        split="batch[]", envelope={"account": "account.id", "shop": {"header": "X-Shop"}}, key="id",
    )  # fmt: skip
    body = {"account": {"id": 7}, "batch": [{"id": "e1", "user": "u1"}, {"id": "e2", "user": "u2"}]}
    events = mapped.split(json.dumps(body).encode(), {"x-shop": "s"}, config)
    assert [event.key for event in events] == ["e1", "e2"]
    assert events[0].body["envelope"] == {"account": 7, "shop": "s"}
    assert config.kept_headers == ("x-shop",)
    again = mapped.split(mapped.join([event.body for event in events[1:]]), {}, config)
    assert [(event.key, event.body) for event in again] == [(events[1].key, events[1].body)]


def test_a_key_in_a_header_is_one_for_all_events_of_a_post() -> None:
    config = source({"say": "logged_in"}, key={"header": "X-Delivery"})
    two = mapped.split(b'[{"company": 1}, {"company": 2}]', {"x-delivery": "d1"}, config)
    assert len({event.key for event in two}) == 2
    assert {event.key.split(":")[0] for event in two} == {"d1"}
    [alone] = mapped.split(b'[{"company": 1}]', {"x-delivery": "d1"}, config)
    assert alone.key == "d1"


def test_a_kind_may_stand_in_a_header_and_a_form_is_a_body_too() -> None:
    config = MappedSource.model_validate(
        {"vendor": "mapped", "name": "acme", "signature": {"scheme": "shared"}, "body": "form",
         "kind": {"header": "X-Topic"}, "refs": [{"company": "company"}], "kinds": {"login": [{"say": "logged_in"}]}}
    )  # fmt: skip
    [event] = mapped.split(b"company=7&x=%00", {"x-topic": "login"}, config)
    assert (event.kind, event.body) == ("login", {"company": "7", "x": "\ufffd"})
    with pytest.raises(Unreadable, match="kind"):
        mapped.split(b"company=7", {}, config)
    with pytest.raises(Unreadable, match="no form"):
        mapped.split(b"&".join([b"a=1"] * 1001), {"x-topic": "login"}, config)


def test_a_name_goes_before_a_pattern_and_what_is_read_before_what_is_not() -> None:
    login = [{"say": "logged_in"}]
    use = [{"say": "usage_recorded", "fields": {"feature": "type", "quantity": {"is": 1}}}]
    config = MappedSource.model_validate(
        {"vendor": "mapped", "name": "acme", "signature": {"scheme": "shared"}, "kind": "type",
         "refs": [{"company": "company"}], "kinds": {"a.*": use, "a.login": login, "x[*]": login},
         "ignore": ["a.quiet", "a*", "b.*"]}
    )  # fmt: skip

    def kind(name: str) -> str:
        [event] = mapped.split(json.dumps({"type": name, "company": 7}).encode(), {}, config)
        found = mapped.interpret(event, config)
        if isinstance(found, Ignored):
            return "unknown" if found.unknown else "ignored"
        assert found[0].data is not None
        return found[0].data.TYPE.split(".")[2]

    assert [kind(name) for name in ("a.login", "a.export", "a.quiet", "b.x", "c", "x[1]")] == [
        "logged_in", "usage_recorded", "ignored", "ignored", "unknown", "logged_in",
    ]  # fmt: skip


def test_shipped_files_are_what_yaml_says_they_are() -> None:
    """No key of ours is read as true or false, or as a number, by YAML."""
    for file in (REPOSITORY_CONFIG / "sources").glob("*.yaml"):
        assert all(isinstance(key, str) for key in _keys(yaml.safe_load(file.read_text()))), file.name


def _keys(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *(key for part in value.values() for key in _keys(part))]
    return [key for part in value for key in _keys(part)] if isinstance(value, list) else []
